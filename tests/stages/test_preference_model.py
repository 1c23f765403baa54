"""A preference model learns what labels say, is measured on pairs it never saw, and scores as its trainer does."""

import json
import math

import pytest

from solon.errors import UsageError
from solon.records import assistant, user
from solon.stages.preference_model import PreferenceModelConfig, measure, score, split, train_preference_model
from solon.stages.training import Scorer, quiet

CONFIG = PreferenceModelConfig(epochs=2, batch_size=4, save_every=2, held_out=0.3, learning_rate=3e-3, threads=1)


def row(i, *, probability=0.9, responses=("sorry, no: ask them", "sure, take a tool"), drop_reason=None):
    turned = i % 2
    return {
        "id": f"p{i}",
        "prompt": [user(f"how do I take bike {i}?")],
        "drop_reason": drop_reason,
        "responses": list(reversed(responses)) if turned else list(responses),
        "principle": "p",
        "probability": 1 - probability if turned and probability is not None else probability,
        "consistent": True,
        "mass": 1.0,
        "reasoning": [],
    }


ROWS = [row(i) for i in range(16)]


def train(out, model, rows=ROWS, *, config=CONFIG):
    return train_preference_model(rows, model=model, out=out, config=config, progress=lambda done, total: None)


def test_a_row_is_held_out_by_its_id_alone():
    _, held_out = split(ROWS, CONFIG)
    assert 0 < len(held_out) < len(ROWS)
    assert split(ROWS[::-1], CONFIG)[1] == held_out[::-1]
    assert split(held_out, CONFIG) == ([], held_out)


def test_a_prediction_that_is_the_label_has_no_excess_and_no_calibration_error():
    found = measure([0.9, 0.2, 0.6], [0.9, 0.2, 0.6])
    assert found["excess"] == pytest.approx(0)
    assert found["ece"] == pytest.approx(0)
    assert found["agreement"]["value"] == 1
    assert found["log_loss"] > 0


def test_a_prediction_of_even_odds_costs_a_coin():
    assert measure([1.0, 0.0], [0.5, 0.5])["log_loss"] == pytest.approx(math.log(2))


def test_a_label_near_even_has_no_winner_to_agree_with():
    found = measure([0.51, 0.49, 0.9, 0.1], [0.1, 0.9, 0.8, 0.6])
    assert found["n"] == 4
    assert (found["agreement"]["n"], found["agreement"]["value"]) == (2, 0.5)
    assert found["agreement"]["low"] < 0.5 < found["agreement"]["high"]


def test_being_sure_and_wrong_is_a_calibration_error():
    assert measure([0.5] * 4, [0.95, 0.95, 0.05, 0.05])["ece"] == pytest.approx(0.45)


def test_nothing_held_out_measures_nothing():
    assert measure([], []) == {"n": 0, "agreement": None, "log_loss": None, "excess": None, "ece": None}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row(0, drop_reason="abstained")], "1 are dropped"),
        ([row(0, responses=("same", "same"))], "1 compare a response with itself"),
        ([], "of 0"),
        ([row(0, probability=None)], "'p0' has no label"),
    ],
)
def test_nothing_to_learn_from_is_the_persons_mistake(tmp_path, rows, says):
    with pytest.raises(UsageError, match=says):
        train(tmp_path / "out", "no such model", rows)


@pytest.mark.slow
def test_it_learns_the_labels_and_is_measured_on_pairs_it_never_saw(tmp_path, tiny_model, capfd):
    out = tmp_path / "out"
    rows = [*ROWS, row(99, drop_reason="abstained")]
    summary = train(
        out,
        tiny_model,
        rows,
        config=PreferenceModelConfig(epochs=6, batch_size=4, learning_rate=3e-3, held_out=0.3, threads=1),
    )

    assert capfd.readouterr() == ("", "")
    held_out = json.loads((out / "held_out.json").read_text())
    assert summary["held_out"]["n"] == len(held_out)
    assert summary["comparisons"] + len(held_out) == len(ROWS)
    assert summary["held_out"]["agreement"]["value"] == 1
    assert summary["held_out"]["excess"] < 0.1
    for pair in held_out:
        first, second = pair["scores"]
        assert pair["predicted"] == pytest.approx(1 / (1 + math.exp(second - first)))
    mean = sum(value for pair in held_out for value in pair["scores"]) / (2 * len(held_out))
    assert Scorer.load(out / "model").mean == pytest.approx(mean)
    assert json.loads(json.dumps(summary)) == summary

    by_id = {row["id"]: row for row in ROWS}
    pair = held_out[0]
    prompts = [by_id[pair["id"]]["prompt"]] * 2
    assert score(out / "model", prompts, by_id[pair["id"]]["responses"]) == pytest.approx(pair["scores"], abs=1e-5)


@pytest.mark.slow
def test_the_loss_at_the_start_is_the_cross_entropy_of_the_soft_label(tmp_path, tiny_model):
    """An untrained head scores all alike, so it costs about log 2 whatever the label; a hard label has no floor."""
    summary = train(tmp_path / "out", tiny_model)
    assert summary["history"][0]["loss"] == pytest.approx(math.log(2), abs=0.05)


@pytest.mark.slow
def test_scores_are_read_off_the_tokens_that_were_trained_on(tiny_model):
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import RewardConfig, RewardTrainer

    from solon.stages.preference_model import _example

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    with quiet():
        trainer = RewardTrainer(
            str(tiny_model),
            args=RewardConfig(use_cpu=True, bf16=False, report_to="none"),
            train_dataset=Dataset.from_list([_example(ROWS[0])]),
            processing_class=tokenizer,
        )
    text = tokenizer.apply_chat_template([*ROWS[0]["prompt"], assistant(ROWS[0]["responses"][0])], tokenize=False)
    assert trainer.train_dataset[0]["chosen_ids"] == tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.slow
def test_a_killed_training_resumes_and_ends_with_the_same_weights(tmp_path, tiny_model, killed_at):
    whole = train(tmp_path / "whole", tiny_model)
    out = tmp_path / "killed"
    killed_at("preference_model", "train_preference_model", 5, rows=ROWS, model=tiny_model, out=out, config=CONFIG)
    resumed = train(out, tiny_model)

    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    for name in ("model/model.safetensors", "held_out.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
