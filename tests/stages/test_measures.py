"""What is said of a preference model is what a person would work out by hand."""

import json
import math

import pytest

from solon.stages.measures import against_judge, bias, measure, measured, reliability, together


def held_out(*, label=0.9, predicted=0.8, scores=(1.0, 0.0), lengths=(10, 5), source="ai", judged=None):
    return {
        "id": "p",
        "source": source,
        "label": label,
        "predicted": predicted,
        "scores": list(scores),
        "lengths": list(lengths),
        "judged": judged and list(judged),
    }


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
    nothing = {"n": 0, "agreement": None, "log_loss": None, "excess": None, "ece": None, "reliability": []}
    assert measure([], []) == nothing
    found = measured([])
    assert found["held_out"] == {**nothing, "oracle": None}
    assert found["bias"]["first"] == {"preference_model": None, "labels": None}


def test_the_bins_are_tenths_of_the_prediction_and_the_error_is_their_mean_gap():
    labels, predicted = [1.0, 0.5, 0.0, 1.0], [0.62, 0.68, 0.1, 1.0]
    bins = reliability(labels, predicted)
    assert [it["predicted"] for it in bins] == pytest.approx([0.1, 0.65, 1.0])
    assert [it["label"]["value"] for it in bins] == pytest.approx([0.0, 0.75, 1.0])
    assert [it["label"]["n"] for it in bins] == [1, 2, 1]
    assert (bins[1]["label"]["low"], bins[1]["label"]["high"]) == (0.5, 1.0)
    assert measure(labels, predicted)["ece"] == pytest.approx((0.1 + 2 * 0.1 + 0.0) / 4)


def test_the_judge_is_heard_where_it_is_clear_and_the_labels_where_they_name_a_winner():
    found = against_judge(
        [
            held_out(judged=(0.9, 0.4)),
            held_out(judged=(0.4, 0.9)),
            held_out(judged=(0.4, 0.9), label=0.51, predicted=0.2),
            held_out(judged=(0.55, 0.5), predicted=0.1),
            held_out(source="human"),
        ]
    )
    assert (found["preference_model"]["value"], found["preference_model"]["n"]) == (pytest.approx(2 / 3), 3)
    assert (found["labels"]["value"], found["labels"]["n"]) == (0.5, 2)
    assert against_judge([held_out()]) is None


def test_correlations_with_length_are_those_of_the_formula():
    rows = [
        held_out(scores=(1, 0), lengths=(4, 2), label=0.9, predicted=0.8),
        held_out(scores=(0, 2), lengths=(1, 3), label=0.2, predicted=0.3),
        held_out(scores=(1, 2), lengths=(5, 3), label=0.6, predicted=0.4),
    ]
    length = bias(rows)["length"]
    scores, lengths = [1, 0, 0, 2, 1, 2], [4, 2, 1, 3, 5, 3]  # both have a mean: 1 and 3
    together = sum((s - 1) * (n - 3) for s, n in zip(scores, lengths, strict=True))
    assert length["score"]["value"] == pytest.approx(together / math.sqrt(4 * 10))
    # halves of the differences: scores 1/2, -1, -1/2; lengths 1, -1, 1
    assert length["within"]["score"]["value"] == pytest.approx((0.5 + 1 - 0.5) / math.sqrt(1.5 * 3))
    assert length["within"]["predicted"]["value"] == pytest.approx((0.3 + 0.2 - 0.1) / math.sqrt(0.14 * 3))
    assert length["within"]["label"]["value"] == pytest.approx((0.4 + 0.3 + 0.1) / math.sqrt(0.26 * 3))
    assert (length["longer_wins"]["preference_model"]["value"], length["longer_wins"]["labels"]["value"]) == (2 / 3, 1)


def turned(row):
    pairs = {key: row[key][::-1] for key in ("scores", "lengths")}
    return {**row, **pairs, "label": 1 - row["label"], "predicted": 1 - row["predicted"]}


def test_which_response_stands_first_makes_no_difference_to_what_is_said_of_length():
    rows = [held_out(scores=(i % 3, 1), lengths=(i % 5, 2), label=0.3 + 0.1 * (i % 4)) for i in range(20)]
    other = [turned(row) if i % 2 else row for i, row in enumerate(rows)]
    one, two = bias(rows)["length"], bias(other)["length"]
    for key in ("score", "predicted", "label"):
        assert one["within"][key] == pytest.approx(two["within"][key])
    assert one["longer_wins"] == two["longer_wins"]


def test_a_liking_for_the_first_response_is_seen_in_the_labels():
    rows = [held_out(label=0.6 + 0.02 * (i % 3), predicted=0.5 + 0.1 * (-1) ** i) for i in range(40)]
    first = bias(rows)["first"]
    assert first["labels"]["value"] == pytest.approx(0.6195)
    assert 0.5 < first["labels"]["low"] < 0.6195 < first["labels"]["high"]
    assert first["preference_model"]["low"] < 0.5 < first["preference_model"]["high"]


def test_what_does_not_vary_has_no_correlation_and_nothing_is_not_a_number():
    found = measured([held_out(scores=(1, 1), lengths=(3, 3)) for _ in range(4)])
    assert found["bias"]["length"]["score"] is None
    assert found["bias"]["length"]["longer_wins"] == {"preference_model": None, "labels": None}
    assert "NaN" not in json.dumps(measured([held_out(), *[held_out(scores=(1, 1), lengths=(3, 3))] * 3]))


def test_people_and_the_feedback_model_are_measured_apart_where_there_are_both():
    rows = [held_out(), held_out(label=0.0, source="human")]
    apart = measured(rows)["held_out"]["by_source"]
    assert {source: apart[source]["agreement"]["value"] for source in apart} == {"ai": 1.0, "human": 0.0}
    assert "by_source" not in measured(rows[:1])["held_out"]


def test_models_are_centred_before_their_scores_are_put_together():
    one = [held_out(scores=(5.0, 1.0))]
    two = [held_out(scores=(-2.0, -2.0))]
    [found], uncertainty = together([one, two], [3.0, -2.0])
    assert found["scores"] == [1.0, -1.0]
    assert found["predicted"] == pytest.approx(1 / (1 + math.exp(-2)))
    assert uncertainty == 1.0
