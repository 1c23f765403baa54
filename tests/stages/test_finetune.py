"""Which texts a row contributes, and that what is trained on is the response."""

import json

import pytest

from solon import sandbox
from solon.errors import UsageError
from solon.records import user
from solon.stages.finetune import FinetuneConfig, _examples, finetune, learned, texts

CONFIG = FinetuneConfig(epochs=3, batch_size=4, save_every=2, threads=1)


def row(i, *, kind="red-team", revisions=("first try", "sorry, no: ask them"), drop_reason=None, response="sure"):
    return {
        "id": f"r{i}",
        "prompt": [user(f"how do I take bike {i}?")],
        "drop_reason": drop_reason,
        "kind": kind,
        "response": response,
        "steps": [{"principle": "p", "critique": None, "revision": revision} for revision in revisions],
        "flaws": [],
    }


def train(out, model, rows=None, *, config=CONFIG, progress=lambda *told: None):
    return finetune(rows or [row(i) for i in range(4)], model=model, out=out, config=config, progress=progress)


def weights(out):
    return (out / "model" / "model.safetensors").read_bytes()


def without_times(summary):
    return {key: value for key, value in summary.items() if key != "seconds"}


def test_a_row_contributes_every_revision_or_the_last_but_never_its_first_response():
    assert texts(row(0)) == ["first try", "sorry, no: ask them"]
    assert texts(row(0), revisions="last") == ["sorry, no: ask them"]
    assert texts(row(0), upto=1) == ["first try"]
    assert texts(row(0), revisions="last", upto=1) == ["first try"]
    assert texts(row(0), upto=9) == texts(row(0))


def test_a_helpful_row_contributes_its_response():
    assert texts(row(0, kind="helpful", revisions=())) == ["sure"]


def test_a_dropped_row_contributes_nothing():
    assert texts(row(0, drop_reason="cut at max_tokens")) == []


@pytest.mark.parametrize(("revisions", "says"), [((), "no revision"), (("fine", " "), "an empty text")])
def test_a_row_of_no_use_that_was_not_dropped_is_named(revisions, says):
    with pytest.raises(UsageError, match=f"'r7'.*{says}"):
        texts(row(7, revisions=revisions))


def test_nothing_to_train_on_is_the_persons_mistake(tmp_path):
    with pytest.raises(UsageError, match="all of the 2 rows are dropped"):
        train(tmp_path / "out", "no such model", [row(i, drop_reason="empty") for i in range(2)])


@pytest.mark.slow
def test_finetuning_leaves_a_model_its_summary_and_no_checkpoints(tmp_path, tiny_model, capfd):
    reported = []
    summary = train(tmp_path / "out", tiny_model, progress=lambda *told: reported.append(told))

    assert summary["texts"] == 8
    losses = [{}, *({"loss": pytest.approx(entry["loss"])} for entry in summary["history"])]
    assert reported == [(step, 6, losses[step - 1]) for step in range(1, 7)]  # of the step before
    assert [entry["step"] for entry in summary["history"]] == list(range(1, 7))
    assert summary["history"][-1]["loss"] < summary["history"][0]["loss"]
    assert json.loads(json.dumps(summary)) == summary
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model", "settings.json"]
    assert not [path for path in (tmp_path / "out").rglob("*") if path.suffix in (".bin", ".pt", ".pth")]
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_finished_training_is_not_done_again(tmp_path, tiny_model):
    summary = train(tmp_path / "out", tiny_model)
    assert train(tmp_path / "out", "no such model") == summary


@pytest.mark.slow
def test_only_the_response_and_its_end_are_trained_on(tmp_path, tiny_model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    summary = train(tmp_path / "out", tiny_model, [row(0, revisions=("ask them",))])
    assert summary["trained_tokens"] == 3 * len(tokenizer.encode("ask them<|im_end|>\n"))


@pytest.mark.slow
def test_a_text_too_long_is_left_out_and_counted(tmp_path, tiny_model):
    rows = [row(i) for i in range(4)] + [row(9, revisions=("no " * 200,))]
    with_it = train(tmp_path / "with", tiny_model, rows, config=FinetuneConfig(max_length=100, threads=1))
    train(tmp_path / "without", tiny_model, rows[:4], config=FinetuneConfig(max_length=100, threads=1))
    assert (with_it["texts"], with_it["too_long"]) == (8, 1)
    assert weights(tmp_path / "with") == weights(tmp_path / "without")


@pytest.mark.slow
def test_micro_batches_learn_the_same(tmp_path, tiny_model):
    config = FinetuneConfig(batch_size=4, threads=1)
    whole = train(tmp_path / "whole", tiny_model, config=config)
    split = train(tmp_path / "split", tiny_model, config=FinetuneConfig(batch_size=4, micro_batch_size=2, threads=1))
    losses = [[entry["loss"] for entry in summary["history"]] for summary in (whole, split)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_a_killed_finetuning_resumes_and_ends_with_the_same_weights(tmp_path, tiny_model, killed_at):
    rows = [row(i) for i in range(4)]
    whole = train(tmp_path / "whole", tiny_model, rows)
    out = tmp_path / "killed"
    killed_at("finetune", "finetune", 5, rows=rows, model=tiny_model, out=out, config=CONFIG)
    (out / "checkpoints" / "checkpoint-6").mkdir()  # as a kill while it is written would leave it

    assert sorted(path.name for path in out.glob("checkpoints/checkpoint-*")) == ["checkpoint-4", "checkpoint-6"]
    assert without_times(train(out, tiny_model, rows)) == without_times(whole)
    assert weights(out) == weights(tmp_path / "whole")


@pytest.mark.parametrize(("ratio", "kept"), [(None, 8), (2.0, 8), (0.5, 4), (0.1, 1), (0.0, 0)])
def test_helpful_texts_are_mixed_in_at_a_ratio(ratio, kept):
    rows = [row(i) for i in range(4)] + [row(10 + i, kind="helpful", revisions=()) for i in range(8)]
    examples = _examples(rows, FinetuneConfig(helpful_ratio=ratio))  # 8 revisions
    helpful = [each for each in examples if each["completion"][0]["content"] == "sure"]
    assert (len(helpful), len(examples) - len(helpful)) == (kept, 8)
    assert _examples(rows, FinetuneConfig(helpful_ratio=ratio)) == examples


def test_what_is_learned_is_shown_with_its_control_tokens():
    assert learned([([user("Hi.")], "Hello!")], model=sandbox.model_path()) == [
        [("<|user|>Hi.<|end|><|assistant|>", False), ("Hello!<|end|>", True)]
    ]
