"""Resuming: which checkpoint counts, what is refused, and that a model appears whole or not at all."""

import json
import pickle
from pathlib import Path

import pytest

from solon.errors import UsageError
from solon.records import user
from solon.stages import training
from solon.stages.finetune import FinetuneConfig, finetune

ROWS = [
    {
        "id": f"r{i}",
        "prompt": [user(f"how do I take bike {i}?")],
        "drop_reason": None,
        "kind": "helpful",
        "response": "sure, first find a tool",
        "steps": [],
        "flaws": [],
    }
    for i in range(8)
]
CONFIG = FinetuneConfig(epochs=2, batch_size=4, save_every=2, threads=1)


class Stopped(Exception):
    pass


def train(out, model, *, config=CONFIG, stop_at=None):
    def progress(done, total, measures):
        if done == stop_at:
            raise Stopped

    return finetune(ROWS, model=model, out=out, config=config, progress=progress)


def checkpoint(folder, step, state):
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    if state is not None:
        (path / "trainer_state.json").write_text(state)
    return path


def test_the_newest_checkpoint_is_the_newest_whole_one(tmp_path):
    assert training.newest_checkpoint(tmp_path / "none") is None
    checkpoint(tmp_path, 4, "{}")
    whole = checkpoint(tmp_path, 12, "{}")
    checkpoint(tmp_path, 16, None)
    checkpoint(tmp_path, 20, '{"global_st')
    assert training.newest_checkpoint(tmp_path) == whole


def test_a_training_with_other_settings_is_not_resumed_and_the_change_is_named(tmp_path):
    training.begin(tmp_path, settings={"seed": 0, "epochs": 3}, rows=[1, 2])
    assert training.begin(tmp_path, settings={"seed": 0, "epochs": 3}, rows=[1, 2]) is None
    with pytest.raises(UsageError, match="seed was 0, is 1"):
        training.begin(tmp_path, settings={"seed": 1, "epochs": 3}, rows=[1, 2])
    with pytest.raises(UsageError, match="the rows differ"):
        training.begin(tmp_path, settings={"seed": 0, "epochs": 3}, rows=[2, 1])


def test_a_batch_that_cannot_be_split_as_asked_is_the_persons_mistake(tmp_path):
    with pytest.raises(UsageError, match="micro_batch_size 5 does not divide the batch of 32"):
        training.arguments(tmp_path, batch_size=32, micro_batch_size=5, save_every=1)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    training.write(tmp_path / "a.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.slow
def test_a_kill_between_the_last_step_and_the_model_costs_no_training(tmp_path, tiny_model, monkeypatch):
    whole = train(tmp_path / "whole", tiny_model)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda self, target: (_ for _ in ()).throw(Stopped))
        with pytest.raises(Stopped):
            train(out, tiny_model)
    assert not (out / "model").exists()
    resumed = train(out, tiny_model, stop_at=1)
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    assert json.loads((out / "model" / training.SUMMARY).read_text()) == resumed


@pytest.mark.slow
def test_a_checkpoint_that_carries_code_is_refused(tmp_path, tiny_model):
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        train(out, tiny_model, stop_at=3)
    touched = tmp_path / "touched"

    class Code:
        def __reduce__(self):
            return (Path.touch, (touched,))

    newest = training.newest_checkpoint(out / "checkpoints")
    (newest / "training_args.bin").write_bytes(pickle.dumps(Code()))
    (newest / "optimizer.pt").write_bytes(pickle.dumps(Code()))
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        train(out, tiny_model)
    assert not touched.exists()


@pytest.mark.slow
def test_a_process_uses_one_gpu_so_that_a_batch_is_not_multiplied(tmp_path):
    from transformers import TrainingArguments

    args = TrainingArguments(**training.arguments(tmp_path, batch_size=32, micro_batch_size=4, save_every=1))
    args._n_gpu = 8  # as where a machine has eight
    assert args.train_batch_size == 32
    assert training.on_one_gpu(args).train_batch_size == 4
    assert args.gradient_accumulation_steps == 8
