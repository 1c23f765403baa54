import json
from pathlib import Path

import pytest

from solon.cli.running import Order, default_out, wanted
from solon.recipe import STAGES, Cluster

FEW = ["--set", "num_prompts=6", "--set", "num_helpful_prompts=2", "--set", "num_eval_prompts=20"]


def test_the_demo_ends_with_a_table_a_trace_the_report_and_what_to_type_next(solon, models):
    done = solon("demo", *FEW, "--out", "one")
    assert done.exit_code == 0, done.output
    for words in ("Helpful-only", "SL-CAI", "RL-CAI", "Critique 1: ", "Revision 2: ", "The report: one/report.html"):
        assert words in done.stdout
    assert done.stdout.splitlines()[-1] == "Next: solon demo --constitution harmless-only"
    assert Path("one/report.html").exists()
    assert "01-critique: " in done.stderr


def test_what_a_model_wrote_cannot_command_the_terminal(solon, models):
    done = solon("demo", *FEW, "--out", "one")
    shown = solon("show", "one", "critique", "red-team-00000")
    for text in (done.stdout, shown.stdout):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "[31mrather⟨U+202E⟩ not [bold]" in text


def test_json_is_all_there_is_on_stdout(solon, models):
    told = json.loads(solon("demo", *FEW, "--out", "one", "--json").stdout)
    assert list(told["stages"]) == list(STAGES)
    assert told["stages"]["01-critique"]["ok"] == 8
    assert told["metrics"]["rl-cai"]["garbled_rate"]["n"] == 20
    assert told["report"] == "one/report.html"


def test_the_same_command_again_asks_nothing_and_says_the_same(solon, models):
    first = solon("demo", *FEW)
    asked, page = sum(len(model.asked) for model in models), next(Path("runs").glob("*/report.html")).stat().st_mtime
    second = solon("demo", *FEW)
    assert second.stdout == first.stdout
    assert sum(len(model.asked) for model in models) == asked
    assert next(Path("runs").glob("*/report.html")).stat().st_mtime == page
    assert "01-critique: on file already" in second.stderr


def test_stopping_after_a_stage_names_the_command_that_goes_on(solon, models):
    done = solon("demo", *FEW, "--until", "critique")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == f"Next: solon demo {' '.join(FEW)}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "none.yaml"], "there is no such recipe"),
        (["demo", "--until", "labl"], "did you mean 'label'?"),
        (["demo", "--set", "label.shufle=true"], "did you mean 'shuffle'?"),
        (["demo", "--constitution", "harmles-only"], "did you mean 'harmless-only'?"),
        (["show", "."], "is no run folder"),
        (["report", "."], "is not a run folder"),
        (["constitution", "lint", "none.yaml"], "there is no such constitution"),
    ],
)
def test_a_mistake_is_told_without_a_traceback_and_ends_with_2(solon, models, words, told):
    done = solon(*words)
    assert done.exit_code == 2
    assert told in done.stderr
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_a_run_begun_otherwise_is_left_alone(solon, models):
    assert solon("demo", *FEW, "--out", "one", "--until", "critique").exit_code == 0
    done = solon("demo", *FEW, "--out", "one", "--seed", "1")
    assert done.exit_code == 2
    assert "recipe.yaml is not the one this run was begun with" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (OSError(28, "the disk is full"), 3),
        (MemoryError(), 3),
        (RuntimeError("write failed: No space left on device (os error 28)"), 3),
    ],
)
def test_what_stops_a_run_has_its_exit_code_and_names_the_command_that_resumes(solon, models, monkeypatch, error, code):
    def fail(spec):
        raise error

    monkeypatch.setattr("solon.recipe.work.models.load", fail)
    monkeypatch.setattr("sys.argv", ["solon", "demo", "--set", "label.clamp=[0.4, 0.6]"])
    done = solon("demo", *FEW)
    assert done.exit_code == code
    assert "To go on where it stopped:\n  solon demo --set 'label.clamp=[0.4, 0.6]'" in done.stderr


def test_a_model_that_fails_ends_with_4(solon, models, monkeypatch):
    from solon.errors import ModelError

    def fail(spec):
        raise ModelError("no such model")

    monkeypatch.setattr("solon.recipe.work.models.load", fail)
    done = solon("demo", *FEW)
    assert done.exit_code == 4
    assert "no such model" in done.stderr


def test_a_mistake_of_ours_keeps_its_traceback(solon, models, monkeypatch):
    def fail(spec):
        raise ZeroDivisionError

    monkeypatch.setattr("solon.recipe.work.models.load", fail)
    assert isinstance(solon("demo", *FEW).exception, ZeroDivisionError)


def test_a_run_has_a_folder_of_its_own_for_what_was_ordered(tmp_path):
    def folder(**order):
        order = Order(**{"recipe": "demo", **order})
        return str(default_out(order, wanted(order)))

    assert folder() == "runs/demo-sandbox-0"
    assert folder(constitution="evasive", seed=3) == "runs/demo-evasive-3"
    assert folder(settings=("label.shuffle=true",), limit=8) == "runs/demo-sandbox-0-label.shuffle=true-first-8"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "recipe.yaml").write_text("constitution: kind.yaml\nprompts: sandbox\nhelpful_model: sandbox\n")
    assert folder(recipe=str(mine / "recipe.yaml")) == "runs/mine-kind-0"


def test_workers_are_those_of_a_cluster(solon):
    done = solon("run", "demo", "--workers", "2")
    assert done.exit_code == 2
    assert "name it with --ray" in done.stderr


def test_how_to_type_it_again_says_where_it_runs():
    order = Order("demo", until="label", cluster=Cluster("auto", 4, 0.5, 128), launcher="accelerate launch")
    assert order.command == (
        "solon run demo --until label --ray auto --workers 4 --gpus-per-worker 0.5 --worker-rows 128 "
        "--launcher 'accelerate launch'"
    )
    assert Order("demo", cluster=Cluster("auto")).command == "solon run demo --ray auto"
