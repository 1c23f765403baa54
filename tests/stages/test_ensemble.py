"""What several judgements come to: nothing but their mean, and every one of them counted."""

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solon.records import user
from solon.stages.ensemble import best_and_worst, doubt, mean, states

PAIR = {
    "id": "p1",
    "prompt": [user("How?")],
    "drop_reason": None,
    "kind": "red-team",
    "prompt_id": "p1",
    "responses": ["Ask.", "Cut it."],
    "revision": None,
}
SHARE = st.floats(0, 1)


def judgement(forward=0.9, backward=0.7, **changes):
    return {
        "model": None,
        "constitution": "test",
        "principle": "kind",
        "forward": forward,
        "backward": backward,
        "mass": 0.9,
        "known_by": "exact",
        "reasoning": [],
        "state": "labelled",
        "reason": None,
        **changes,
    }


def lost(state, reason="so"):
    return judgement(None, None, mass=None, known_by=None, state=state, reason=reason)


def judged(id, responses, probability):
    """A labelled row of the prompt "p1"."""
    return mean({**PAIR, "id": id, "responses": list(responses)}, [judgement(probability, probability)])


@given(st.lists(st.tuples(SHARE, SHARE | st.none()), min_size=1), st.lists(st.sampled_from(["refused", "failed"])))
def test_a_label_is_the_mean_of_the_judgements_that_are_labelled(said, others):
    row = mean(PAIR, [*(judgement(*each) for each in said), *map(lost, others)])
    assert row["probability"] == pytest.approx(fmean(fmean(p for p in each if p is not None) for each in said))
    assert 0 <= row["probability"] <= 1
    assert (row["state"], row["drop_reason"], len(row["judgements"])) == ("labelled", None, len(said) + len(others))


def test_orders_are_consistent_where_their_means_prefer_the_same_response():
    assert mean(PAIR, [judgement(0.9, 0.6), judgement(0.8, 0.1)])["consistent"] is False  # 0.85 and 0.35
    assert mean(PAIR, [judgement(0.9, 0.6), judgement(0.8, 0.45)])["consistent"] is True
    assert mean(PAIR, [judgement(0.9, None)])["consistent"] is None


def test_a_row_is_known_by_its_least_certain_judgement_and_has_the_smallest_mass():
    row = mean(PAIR, [judgement(mass=0.8), judgement(known_by="votes"), judgement(known_by="top_logprobs")])
    assert (row["known_by"], row["mass"]) == ("votes", 0.8)


def test_a_row_without_a_label_ends_as_most_of_its_judgements_and_says_why():
    row = mean(PAIR, [lost("failed", "too long"), lost("unparsed", "reasoning 2 empty"), lost("unparsed", "other")])
    assert (row["state"], row["drop_reason"]) == ("unparsed", "unparsed: reasoning 2 empty")
    assert (row["probability"], row["known_by"], row["consistent"]) == (None, None, None)


def test_how_rows_and_judgements_ended_is_counted():
    rows = [mean(PAIR, [judgement(), lost("refused")]), mean(PAIR, [lost("failed")])]
    assert states(rows) == {
        "rows": {"labelled": 1, "failed": 1},
        "judgements": {"labelled": 1, "refused": 1, "failed": 1},
    }


def test_of_a_prompt_the_best_beside_the_worst_is_kept():
    rows = [judged("p1/1-2", "ab", 0.9), judged("p1/1-3", "ac", 0.6), judged("p1/2-3", "bc", 0.2)]
    kept = best_and_worst(rows)  # a is liked by 0.75 in the mean, b by 0.15 and c by 0.6
    assert [row["drop_reason"] for row in kept] == [None, *["not the best beside the worst of its prompt"] * 2]
    assert [row["probability"] for row in kept] == [0.9, 0.6, 0.2]


def test_prompts_are_told_apart_and_what_was_dropped_keeps_its_reason():
    other = {**judged("p2", "xy", 0.5), "prompt_id": "p2"}
    failed = {**judged("p1/1-3", "ac", 0.99), "drop_reason": "failed: too long", "probability": None}
    kept = best_and_worst([judged("p1/1-2", "ab", 0.9), failed, judged("p1/2-3", "bc", 0.4), other])
    assert [row["drop_reason"] for row in kept] == [
        None, "failed: too long", "not the best beside the worst of its prompt", None,
    ]  # fmt: skip


def test_the_same_response_drawn_twice_is_one_response():
    rows = [judged("p1/1-2", "ab", 0.9), judged("p1/2-3", "ba", 0.3), judged("p1/1-4", "ac", 0.55)]
    assert [row["drop_reason"] is None for row in best_and_worst(rows)] == [True, False, False]


def labels(n, orders):
    """Rows whose two orders are drawn by `orders`, which is given a generator."""
    draw = random.Random(0)
    return [mean({**PAIR, "id": f"p{i}"}, [judgement(*orders(draw))]) for i in range(n)]


def near(value, draw):
    return min(max(value + draw.gauss(0, 0.1), 0.0), 1.0)


def knowing(draw):
    value = draw.choice((0.1, 0.5, 0.5, 0.9))  # many pairs are of equals
    return near(value, draw), near(value, draw)


def at_chance(draw):
    return near(0.5, draw), near(0.5, draw)


def keeping_to_a_position(draw):
    liking = draw.random() / 2
    return 0.5 + liking, 0.5 - liking


def test_labels_of_a_model_that_knows_something_are_not_doubted_though_many_pairs_are_of_equals():
    assert doubt(labels(200, knowing)) is None


@pytest.mark.parametrize("orders", [at_chance, keeping_to_a_position])
def test_labels_that_the_other_order_does_not_bear_out_are_doubted(orders):
    assert "has nothing to do with what it prefers in the other" in doubt(labels(200, orders))


def test_labels_that_prefer_nothing_are_doubted_though_only_one_order_was_asked():
    assert "lie 0.010 from one half" in doubt(labels(200, lambda draw: (0.51, None)))
    assert doubt(labels(200, lambda draw: (draw.choice((0.2, 0.8)), None))) is None


def test_of_few_labels_nothing_can_be_told():
    assert doubt(labels(20, at_chance)) is None
    assert doubt([]) is None
