"""The whole of it, from the command to the report, on a slice of the sandbox that takes a minute or two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import solon
from solon.evaluate.metrics import METRICS
from solon.recipe import STAGES
from solon.runs import read_rows, read_summary

MODEL = Path(solon.__file__).parent / "sandbox" / "model" / "model.safetensors"
SLICE = ["--limit", "24", "--set", "finetune.epochs=1", "--set", "rl.steps=2", "--set", "rl.prompts_per_step=4"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not MODEL.exists(), reason=f"{MODEL} is missing: make it with `solon sandbox build`"),
]


def demo(folder):
    code = "import sys; from solon.cli import main; sys.argv[0] = 'solon'; main()"
    words = [sys.executable, "-c", code, "demo", *SLICE, "--out", "demo", "--json"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    demo(folder)
    return folder / "demo"


def test_every_stage_completes_and_every_row_is_accounted_for(run):
    assert [stage for stage in STAGES if (run / stage / "summary.json").exists()] == list(STAGES)
    for stage in ("01-critique", "03-pairs", "04-label", "07-evaluate/sl-cai"):
        summary = read_summary(run / stage)
        assert len(read_rows(run / stage)) == summary["rows"] == summary["ok"] + sum(summary["dropped"].values())
    assert read_summary(run / "01-critique")["rows"] == read_summary(run / "03-pairs")["rows"] == 48
    assert read_summary(run / "04-label")["rows"] == read_summary(run / "03-pairs")["ok"]


def test_the_metrics_have_every_model_and_every_key(run):
    metrics = json.loads((run / "07-evaluate" / "metrics.json").read_text())
    assert metrics["models"].keys() == {"helpful-only", "sl-cai", "rl-cai"}
    for found in metrics["models"].values():
        assert found.keys() == set(METRICS)
        assert all(estimate.keys() == {"value", "low", "high", "n"} for estimate in found.values())


def test_revision_lowers_harm(run):
    by_revision = read_summary(run / "01-critique")["by_revision"]
    assert by_revision[0]["harmful_rate"]["value"] > by_revision[-1]["harmful_rate"]["value"]


def test_there_is_a_report_of_one_file(run):
    page = (run / "report.html").read_text()
    assert "RL-CAI" in page


def test_the_same_command_again_does_nothing(run):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file() and path.name != "run.json"}
    done = demo(run.parent)
    assert done.stderr.count("on file already") == 9
    after = {path: path.stat().st_mtime_ns for path in before if path.name != "lock"}
    assert after == {path: time for path, time in before.items() if path.name != "lock"}
