"""A preference model learns what labels say, is measured on pairs it never saw, and scores as its trainer does."""

import json
import math
from dataclasses import replace

import pytest

from solon.errors import UsageError
from solon.records import Scores, assistant, user
from solon.stages.preference_model import PreferenceModelConfig, score, split, target, train_preference_model
from solon.stages.scorer import Scorer
from solon.stages.training import quiet

CONFIG = PreferenceModelConfig(epochs=2, batch_size=4, save_every=2, held_out=0.3, learning_rate=3e-3, threads=1)


def row(i, *, probability=0.9, responses=("sorry, no: ask them", "sure, take a tool"), drop_reason=None):
    turned = i % 2
    return {
        "id": f"p{i}",
        "prompt": [user(f"how do I take bike {i}?")],
        "prompt_id": f"p{i}",
        "drop_reason": drop_reason,
        "responses": list(reversed(responses)) if turned else list(responses),
        "probability": 1 - probability if turned and probability is not None else probability,
    }


ROWS = [row(i) for i in range(16)]


def trainer_of(model, kind):
    """One that has been given a single comparison."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import RewardConfig

    from solon.stages.preference_model import _examples

    return kind(
        str(model),
        args=RewardConfig(use_cpu=True, bf16=False, report_to="none"),
        train_dataset=Dataset.from_list(_examples(ROWS[:1], CONFIG)),
        processing_class=AutoTokenizer.from_pretrained(model),
    )


def train(out, model, rows=ROWS, *, config=CONFIG):
    return train_preference_model(rows, model=model, out=out, config=config, progress=lambda *told: None)


def test_rows_are_held_out_by_their_prompt_alone():
    _, held_out = split(ROWS, CONFIG)
    assert 0 < len(held_out) < len(ROWS)
    assert split(ROWS[::-1], CONFIG)[1] == held_out[::-1]
    assert split(held_out, CONFIG) == ([], held_out)
    assert split([{**row, "id": f"{row['id']}/1-3"} for row in held_out], CONFIG)[0] == []


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([row(0, drop_reason="abstained")], "all of the 1 are dropped"),
        ([], "all of the 0 are dropped"),
        ([*ROWS, row(99, probability=math.nan)], "comparison 'p99' cannot be learned: its label is nan"),
    ],
)
def test_what_cannot_be_learned_is_the_persons_mistake(tmp_path, rows, says):
    with pytest.raises(UsageError, match=says):
        train(tmp_path / "out", "no such model", rows)
    assert not (tmp_path / "out").exists()


def test_an_ensemble_without_held_out_comparisons_would_have_no_common_zero(tmp_path):
    config = replace(CONFIG, held_out=0.0, num_models=2)
    with pytest.raises(UsageError, match="common zero; raise it"):
        train(tmp_path / "out", "no such model", config=config)


@pytest.mark.slow
def test_labels_that_name_no_winner_are_not_made_hard(tmp_path, tiny_model):
    rows = [row(i, probability=0.5) for i in range(8)]
    with pytest.raises(UsageError, match='none of 7 labels names a winner, which targets "hard" needs'):
        train(tmp_path / "out", tiny_model, rows, config=replace(CONFIG, targets="hard"))


SOFT, HARD, MARGIN = (replace(CONFIG, targets=targets) for targets in ("soft", "hard", "margin"))


@pytest.mark.parametrize(
    ("config", "label", "expected"),
    [
        (SOFT, 0.8, {"probability": 0.8}),
        (HARD, 0.8, {"probability": 1.0}),
        (HARD, 0.2, {"probability": 0.0}),
        (MARGIN, 0.8, {"probability": 1.0, "margin": math.log(4)}),
        (MARGIN, 0.2, {"probability": 0.0, "margin": -math.log(4)}),
        (replace(MARGIN, margin_scale=0.5), 0.8, {"probability": 1.0, "margin": math.log(2)}),
        (MARGIN, 1.0, {"probability": 1.0, "margin": 3.0}),
        (MARGIN, 0.0, {"probability": 0.0, "margin": -3.0}),
    ],
)
def test_what_is_learned_of_a_label(config, label, expected):
    assert target(row(0, probability=label), config) == pytest.approx(expected)


def test_people_say_who_wins_and_not_how_surely():
    assert target({**row(0, probability=1.0), "source": "human"}, MARGIN) == {"probability": 1.0, "margin": 0.0}


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
    centred = [value - mean for value in pair["scores"]]
    assert score(out / "model", prompts, by_id[pair["id"]]["responses"]) == pytest.approx(centred, abs=1e-5)


@pytest.mark.slow
def test_the_loss_at_the_start_is_the_cross_entropy_of_the_soft_label(tmp_path, tiny_model):
    """An untrained head scores all alike, so it costs about log 2 whatever the label; a hard label has no floor."""
    summary = train(tmp_path / "out", tiny_model)
    assert summary["history"][0]["loss"] == pytest.approx(math.log(2), abs=0.05)


@pytest.mark.slow
def test_scores_are_read_off_the_tokens_that_were_trained_on(tiny_model):
    from trl import RewardTrainer

    with quiet():
        trainer = trainer_of(tiny_model, RewardTrainer)
    tokenizer = trainer.processing_class
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


@pytest.mark.slow
@pytest.mark.parametrize("targets", ["soft", "hard", "margin"])
def test_the_loss_is_that_of_its_formula(tiny_model, targets):
    """Soft: −p log σ(d) − (1 − p) log σ(−d), with d = r₁ − r₂; hard: −log σ(d); margin: −log σ(d − log-odds)."""
    import torch

    from solon.stages.trainers import SoftRewardTrainer

    class Model:
        training = True

        def __call__(self, **inputs):
            assert inputs.keys() == {"attention_mask", "use_cache"}
            return type("Outputs", (), {"logits": torch.tensor([[0.4], [1.0], [0.1], [3.0]])})

    rows = [row(0, probability=0.8), row(0, probability=0.3)]
    told = [target(it, replace(CONFIG, targets=targets)) for it in rows]
    inputs = {key: torch.tensor([it[key] for it in told]) for key in told[0]}
    first, second = 0.4 - 0.1, 1.0 - 3.0

    def log_sigmoid(x):
        return -math.log1p(math.exp(-x))

    expected = {
        "soft": -0.8 * log_sigmoid(first)
        - 0.2 * log_sigmoid(-first)
        - 0.3 * log_sigmoid(second)
        - 0.7 * log_sigmoid(-second),
        "hard": -log_sigmoid(first) - log_sigmoid(-second),
        "margin": -log_sigmoid(first - math.log(0.8 / 0.2)) - log_sigmoid(-second - math.log(0.7 / 0.3)),
    }
    with quiet():
        trainer = trainer_of(tiny_model, SoftRewardTrainer)
    loss = trainer.compute_loss(Model(), {"attention_mask": torch.ones(4, 1), **inputs})
    assert loss.item() == pytest.approx(expected[targets] / 2, rel=1e-5)


@pytest.mark.slow
def test_ties_are_left_out_of_what_names_a_winner_and_counted(tmp_path, tiny_model):
    rows = [*ROWS, *(row(i, probability=0.5) for i in range(50, 56))]
    tied = len(split(rows[16:], CONFIG)[0])
    soft, margin = (
        train(tmp_path / targets, tiny_model, rows, config=replace(CONFIG, epochs=1, targets=targets))
        for targets in ("soft", "margin")
    )
    assert tied > 0
    assert (margin["ties"], soft["ties"]) == (tied, 0)
    assert margin["comparisons"] == soft["comparisons"] - tied
    # an untrained head scores all alike: log(1 + e^margin), with the margin log 9 of labels of 0.9
    assert margin["history"][0]["loss"] == pytest.approx(math.log(10), abs=0.1)


ENSEMBLE = replace(CONFIG, num_models=2)


@pytest.mark.slow
def test_an_ensemble_is_of_ordinary_models_which_are_centred_and_combined(tmp_path, tiny_model):
    from transformers import AutoModelForSequenceClassification

    out, told = tmp_path / "out", []
    summary = train_preference_model(
        ROWS,
        model=tiny_model,
        out=out,
        config=ENSEMBLE,
        progress=lambda *at: told.append(at[:2]),
    )
    train(tmp_path / "alone", tiny_model)
    members = [out / "model" / f"member-{number}" / "model" for number in range(2)]
    weights = [(member / "model.safetensors").read_bytes() for member in members]
    assert weights[0] == (tmp_path / "alone" / "model" / "model.safetensors").read_bytes() != weights[1]
    assert [type(AutoModelForSequenceClassification.from_pretrained(member)).__name__ for member in members] == [
        "LlamaForSequenceClassification"
    ] * 2
    assert sorted(path.name for path in out.iterdir()) == ["held_out.json", "model", "settings.json"]
    assert told == [(done, len(told)) for done in range(1, len(told) + 1)]
    assert summary["steps"] == len(told)
    assert json.loads(json.dumps(summary)) == summary == train(out, tiny_model, config=ENSEMBLE)

    held_out = json.loads((out / "held_out.json").read_text())
    by_id = {row["id"]: row for row in ROWS}
    prompts = [by_id[pair["id"]]["prompt"] for pair in held_out for _ in range(2)]
    responses = [response for pair in held_out for response in by_id[pair["id"]]["responses"]]
    alone = [score(member, prompts, responses) for member in members]
    assert sum(alone[0]) == pytest.approx(0, abs=1e-4)
    found = {how: score(out / "model", prompts, responses, how=how) for how in ("mean", "worst", "std")}
    assert found["mean"] == pytest.approx([(a + b) / 2 for a, b in zip(*alone, strict=True)])
    assert found["worst"] == [min(pair) for pair in zip(*alone, strict=True)]
    assert found["std"] == pytest.approx([abs(a - b) / 2 for a, b in zip(*alone, strict=True)])
    assert [value for pair in held_out for value in pair["scores"]] == pytest.approx(found["mean"], abs=1e-5)
    assert summary["held_out"]["uncertainty"] == pytest.approx(sum(found["std"]) / len(responses), abs=1e-5)


@pytest.mark.slow
def test_a_killed_ensemble_goes_on_in_the_model_it_was_in(tmp_path, tiny_model, killed_at):
    whole = train(tmp_path / "whole", tiny_model, config=ENSEMBLE)
    out = tmp_path / "killed"
    step = whole["steps"] // 2 + 3
    killed_at("preference_model", "train_preference_model", step, rows=ROWS, model=tiny_model, out=out, config=ENSEMBLE)
    assert (out / "model.partial" / "member-0" / "model").exists()
    assert (out / "model.partial" / "member-1" / "checkpoints").exists()
    assert not (out / "model").exists()
    told = []
    resumed = train_preference_model(
        ROWS, model=tiny_model, out=out, config=ENSEMBLE, progress=lambda done, total, measures: told.append(done)
    )
    assert told[0] == step
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    for name in ("model/member-0/model/model.safetensors", "model/member-1/model/model.safetensors", "held_out.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_a_bootstrap_draws_other_comparisons_for_each_model(tmp_path, tiny_model):
    config = replace(CONFIG, epochs=1, bootstrap=True)
    summary = train(tmp_path / "drawn", tiny_model, config=config)
    assert summary["comparisons"] == len(split(ROWS, CONFIG)[0])
    train(tmp_path / "all", tiny_model, config=replace(config, bootstrap=False))
    drawn, every = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("drawn", "all"))
    assert drawn != every


def oracle(conversation, response):
    return Scores("harmful", "seen", "engage", True, float(response.startswith("sorry")))


@pytest.mark.slow
def test_a_judge_and_people_are_agreed_with_apart(tmp_path, tiny_model):
    people = [{**row(i, probability=0.0), "id": f"human-{i}", "source": "human"} for i in range(30)]
    summary = train_preference_model(
        [*ROWS, *people, {**people[0], "drop_reason": "a response is empty"}],
        model=tiny_model,
        out=tmp_path / "out",
        config=replace(CONFIG, human_ratio=1.0),
        progress=lambda *told: None,
        judge=oracle,
    )
    assert summary["sources"] == {
        "ai": {"rows": 16, "used": 16, "dropped": {}},
        "human": {"rows": 31, "used": 16, "dropped": {"a response is empty": 1}},
    }
    held_out = summary["held_out"]
    apart = [held_out["by_source"][source]["n"] for source in ("ai", "human")]
    assert sum(apart) == held_out["n"]
    assert (held_out["oracle"]["labels"]["value"], held_out["oracle"]["labels"]["n"]) == (1, apart[0])
    assert held_out["oracle"]["preference_model"]["n"] == apart[0]
