"""Two processes train as one does: as many steps, nearly the same loss, one model, and the same again after a kill."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import launched_run
import pytest
from launched_run import CONFIG, LAUNCHER, ROWS, TRAINING

from solon import sandbox
from solon.errors import ModelError, Stopped, UsageError
from solon.recipe import apply_settings, load
from solon.recipe.launching import Launched, launch, tried, unless_shared
from solon.records import user
from solon.stages.finetune import finetune
from solon.stages.lora import LoraConfig
from solon.stages.preference_model import PreferenceModelConfig, train_preference_model
from solon.stages.rl import RLConfig, reinforce

TRAINED = {"02-finetune": "finetune", "05-preference_model": "preference_model", "06-rl": "rl"}


def quietly(done, total, measures):
    return None


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    out = tmp_path_factory.mktemp("unbroken") / "run"
    out.mkdir()
    steps = []
    summary = launch(
        TRAINING, launcher=LAUNCHER, out=out, progress=lambda done, total, measures: steps.append((done, total))
    )
    return out, summary, steps


def weights(out):
    return (out / "model" / "model.safetensors").read_bytes()


def still_there(folder: Path) -> list[str]:
    """Processes that were started for a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path.parent.name] if str(folder).encode() in path.read_bytes() else []
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_two_processes_take_the_same_steps_as_one_and_come_to_nearly_the_same_loss(unbroken, tmp_path):
    import torch
    from safetensors.torch import load_file

    out, summary, steps = unbroken
    alone = TRAINING(out=tmp_path, progress=quietly)
    assert summary["processes"] == 2
    assert steps == [(step, 8) for step in range(1, 9)]
    for key in ("steps", "texts", "tokens", "trained_tokens"):
        assert summary[key] == alone[key]
    losses, alone_losses = ([step["loss"] for step in it["history"]] for it in (summary, alone))
    assert losses == pytest.approx(alone_losses, rel=1e-5)
    one, other = (load_file(path / "model" / "model.safetensors") for path in (out, tmp_path))
    assert {key: value.shape for key, value in one.items()} == {key: value.shape for key, value in other.items()}
    assert all(torch.allclose(one[key], other[key], rtol=0, atol=1e-4) for key in one)
    assert sorted(path.name for path in out.iterdir()) == ["launch.log", "model", "settings.json"]


@pytest.mark.slow
@pytest.mark.long
def test_all_processes_end_with_the_one_that_began_them_and_the_training_goes_on_to_the_same_weights(
    unbroken, tmp_path
):
    script = [sys.executable, launched_run.__file__, str(tmp_path)]
    assert subprocess.run(script, check=False).returncode == -signal.SIGKILL
    until = time.monotonic() + 60
    while still_there(tmp_path) and time.monotonic() < until:
        time.sleep(0.1)
    assert not still_there(tmp_path)
    assert not (tmp_path / "model").exists()
    with pytest.raises(
        UsageError, match=r"checkpoint-4 was made by 2 processes, and now there are 1: go on with as many"
    ):
        TRAINING(out=tmp_path, progress=quietly)
    steps = []
    launch(TRAINING, launcher=LAUNCHER, out=tmp_path, progress=lambda done, total, measures: steps.append(done))
    assert steps == [5, 6, 7, 8]
    assert weights(tmp_path) == weights(unbroken[0])


@pytest.mark.slow
@pytest.mark.long
def test_a_preference_model_and_reinforcement_by_it_in_two_processes(tmp_path):
    model, prompts = sandbox.model_path(), [[user(f"How do I take bike {i}?")] for i in range(8)]
    comparisons = [
        {
            "id": f"p{i}",
            "prompt_id": f"p{i}",
            "prompt": prompt,
            "drop_reason": None,
            "kind": "red-team",
            "responses": ["Sure.", f"Ask its owner {i}."],
            "revision": None,
            "probability": 0.2,
            "state": "labelled",
            "flaws": [],
        }
        for i, prompt in enumerate(prompts)
    ]
    config = PreferenceModelConfig(epochs=1, batch_size=2, held_out=0.3, threads=1)
    given = {"model": model, "config": config, "judge": None}
    summary = launch(
        partial(train_preference_model, comparisons, **given), launcher=LAUNCHER, out=tmp_path / "pm", progress=quietly
    )
    assert (summary["processes"], summary["steps"]) == (2, -(-summary["comparisons"] // 2))
    assert (tmp_path / "pm" / "held_out.json").exists()

    rows = [{"id": f"p{i}", "prompt": it, "drop_reason": None, "kind": "red-team"} for i, it in enumerate(prompts)]
    config = RLConfig(steps=2, prompts_per_step=2, samples_per_prompt=4, max_tokens=8, threads=1)
    given = {"policy": model, "preference_model": tmp_path / "pm" / "model", "config": config, "judge": None}
    summary = launch(partial(reinforce, rows, **given), launcher=LAUNCHER, out=tmp_path / "rl", progress=quietly)
    assert (summary["processes"], summary["steps"], summary["samples"]) == (2, 2, 16)
    assert summary["history"][0]["kl"] == pytest.approx(0, abs=1e-4)
    assert all(step["reward"] is not None for step in summary["history"])
    assert weights(tmp_path / "rl") != (model / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_an_error_in_the_processes_is_the_error_of_the_training(tmp_path):
    training = partial(finetune, ROWS, model=sandbox.model_path(), config=replace(CONFIG, max_length=1))
    with pytest.raises(UsageError, match=r"^no text fits max_length 1; raise it$"):
        launch(training, launcher=LAUNCHER, out=tmp_path, progress=quietly)


@pytest.mark.slow
def test_what_a_launcher_starts_is_found_out():
    assert tried(LAUNCHER) == Launched(2, sharded=False)
    assert tried(sys.executable) == Launched(1, sharded=False)


def test_a_launcher_that_is_not_there_or_fails_is_told_with_what_it_said(tmp_path):
    with pytest.raises(UsageError, match=r"--launcher: no-such-command cannot be started: No such file"):
        launch(TRAINING, launcher="no-such-command -x", out=tmp_path, progress=quietly)
    with pytest.raises(ModelError, match=r"(?s)the training failed: .* ended with code 7, and last it said:\nno GPU$"):
        launch(TRAINING, launcher="sh -c 'echo no GPU; exit 7'", out=tmp_path, progress=quietly)


def test_a_stop_ends_the_launcher_at_once(tmp_path):
    def stop(done: int, total: int, measures: object) -> None:
        raise Stopped(f"{done} of {total}")

    began = time.monotonic()
    with pytest.raises(Stopped, match="1 of 2"):
        launch(TRAINING, launcher="sh -c 'echo [1,2,{}] > $2/progress; exec sleep 60'", out=tmp_path, progress=stop)
    assert time.monotonic() - began < 30
    assert not still_there(tmp_path)


@pytest.mark.parametrize(
    ("setting", "processes", "says"),
    [
        (
            "finetune.batch_size=30",
            4,
            r"02-finetune: 4 processes cannot share a batch of 30 evenly.*finetune.batch_size",
        ),
        ("rl.samples_per_prompt=5", 8, r"06-rl: 8 processes cannot share a batch of 100 evenly.*rl.prompts_per_step"),
        ("finetune.micro_batch_size=16", 4, r"02-finetune: micro_batch_size 16 does not divide 8, the share of each"),
    ],
)
def test_a_batch_that_cannot_be_shared_out_is_told_before_anything_starts(setting, processes, says):
    recipe = apply_settings(load("demo"), [setting])
    with pytest.raises(UsageError, match=says):
        unless_shared(recipe, Launched(processes, sharded=False), stages=TRAINED)
    unless_shared(recipe, Launched(2, sharded=False), stages=TRAINED)


def test_lora_is_refused_where_each_process_has_a_part_of_the_model():
    recipe = apply_settings(load("demo"), ["rl.lora={}"])
    assert recipe.rl.lora == LoraConfig()
    with pytest.raises(UsageError, match=r"06-rl: what LoRA learned .* leave rl.lora out"):
        unless_shared(recipe, Launched(2, sharded=True), stages=TRAINED)
    unless_shared(recipe, Launched(2, sharded=True), stages={"02-finetune": "finetune"})
