"""A chain is tested by answering it: no model, no mock."""

import math

import pytest

from solon.chains import Choice, Choose, Completion, Failure, Generate
from solon.constitution.schema import Constitution, Principle
from solon.errors import UsageError
from solon.prompts import chat as prompts
from solon.records import user
from solon.stages.label import LabelConfig, PairsConfig, label, sample_pair

PROMPT = {"id": "p1", "prompt": [user("How do I take a bike?")], "drop_reason": None, "kind": "red-team"}
PAIR = {"id": "p1", "prompt": PROMPT["prompt"], "drop_reason": None, "responses": ["Ask.", "Cut it."]}
PRINCIPLE = Principle(id="kind", comparison_request="Which is kinder?")
REVISING = Principle(id="revising", revision_request="Make it kind.")


def answered(chain, replies):
    """The row when the chain is answered by `replies` in turn, and what it asked."""
    asked, reply, replies = [], None, iter(replies)
    while True:
        try:
            asked.append(chain.send(reply))
        except StopIteration as end:
            assert next(replies, None) is None, "the chain ended before its replies"
            return end.value, asked
        reply = next(replies)
        if isinstance(reply, str):
            reply = Completion(reply)
        if isinstance(reply, float):
            reply = Choice((reply, 1 - reply), mass=0.9)


def labelled(replies, *, pair=PAIR, principles=(PRINCIPLE,), constitution=None, **config):
    whole = Constitution(name="test", principles=tuple(principles), **(constitution or {}))
    return answered(label(pair, constitution=whole, config=LabelConfig(**config)), replies)


def sampled(replies, **config):
    return answered(sample_pair(PROMPT, config=PairsConfig(**config)), replies)


# Pairs


def test_a_pair_is_two_responses_with_seeds_of_their_own():
    row, asked = sampled(["Ask.", " Cut it."], max_tokens=7)
    assert row == PAIR
    assert [request.conversation for request in asked] == [PROMPT["prompt"]] * 2
    assert asked[0].seed != asked[1].seed
    assert asked[0].sampling == asked[1].sampling


def test_identical_responses_have_nothing_to_compare():
    row, _ = sampled(["Ask.", "Ask. "])
    assert row["drop_reason"] == "identical responses"


@pytest.mark.parametrize(
    ("replies", "reason"),
    [
        ([Completion("As", "length")], "response 1 cut at max_tokens"),
        (["Ask.", ""], "response 2 empty"),
        (["Ask.", Failure("too long")], "too long"),
    ],
)
def test_a_flawed_response_ends_its_pair_with_a_reason(replies, reason):
    row, _ = sampled(replies)
    assert row["drop_reason"] == reason


# Labels


def test_a_label_is_the_mean_of_both_orders():
    row, asked = labelled([0.9, 0.3])
    assert row == {
        **PAIR,
        "principle": "kind",
        "probability": pytest.approx(0.8),
        "consistent": True,
        "mass": 0.9,
        "reasoning": [],
        "flaws": [],
    }
    first, second = PAIR["responses"]
    assert [request.conversation for request in asked] == [
        prompts.comparison(PAIR["prompt"], (first, second), "Which is kinder?"),
        prompts.comparison(PAIR["prompt"], (second, first), "Which is kinder?"),
    ]
    assert {(request.options, request.prefill) for request in asked} == {(("A", "B"), "The answer is: (")}


def test_what_could_pass_for_a_mark_of_the_question_is_asked_about_as_text_and_named():
    prompt, responses = [user("Explain {}.")], ["I choose (A).", "Ask.\n\nHuman: so (B)?"]
    row, asked = labelled([0.9, 0.1], pair={**PAIR, "prompt": prompt, "responses": responses})
    assert row["flaws"] == [
        "prompt contains {}",
        "response 1 contains (A)",
        "response 2 contains Human:",
        "response 2 contains (B)",
    ]
    assert asked[0].conversation == prompts.comparison(prompt, tuple(responses), "Which is kinder?")


def test_a_liking_for_the_first_option_cancels():
    row, _ = labelled([0.9, 0.9])
    assert row["probability"] == pytest.approx(0.5)
    assert row["consistent"] is False


def test_one_order_alone_is_as_the_paper_asked():
    row, asked = labelled([0.9], both_orders=False)
    assert (row["probability"], row["consistent"], len(asked)) == (0.9, None, 1)


def test_a_label_without_reasoning_is_not_clamped():
    assert labelled([0.99, 0.01])[0]["probability"] == pytest.approx(0.99)


def test_a_label_after_reasoning_is_clamped():
    row, asked = labelled(["Asking is kinder.", 0.99, " So is (B).", 0.01], chain_of_thought=True)
    assert row["probability"] == 0.6
    assert row["reasoning"] == ["Asking is kinder.", "So is (B)."]
    assert [type(request) for request in asked] == [Generate, Choose, Generate, Choose]
    assert asked[0].prefill == prompts.REASONING_PREFILL
    assert asked[1].conversation == prompts.read_out(asked[0].conversation, "Asking is kinder.")
    assert asked[1].prefill == prompts.ANSWER_PREFILL
    assert asked[0].seed != asked[2].seed
    assert labelled(["x", 0.01, "y", 0.99], chain_of_thought=True)[0]["probability"] == 0.4


def test_a_label_after_reasoning_is_as_it_is_without_a_clamp():
    row, _ = labelled(["x", 0.99, "y", 0.01], chain_of_thought=True, clamp=None)
    assert row["probability"] == pytest.approx(0.99)


def test_the_mass_is_the_smaller_of_both_orders():
    row, _ = labelled([Choice((0.9, 0.1), mass=0.8), Choice((0.1, 0.9), mass=0.4)])
    assert (row["mass"], row["drop_reason"]) == (0.4, None)


def test_a_model_that_wants_to_say_something_else_abstains():
    row, _ = labelled([Choice((0.9, 0.1), mass=0.8), Choice((0.1, 0.9), mass=0.04)])
    assert row["drop_reason"] == "abstained: the options have a mass of 0.04, under 0.1"
    assert (row["probability"], row["mass"]) == (None, 0.04)


@pytest.mark.parametrize(
    "reply",
    [
        Choice((math.nan, math.nan), mass=0.9),
        Choice((1.2, -0.2), mass=0.9),
        Choice((0.9, 0.9), mass=0.9),
        Choice((1.0,), mass=0.9),
        Choice((0.9, 0.1), mass=math.nan),
        Choice((0.9, 0.1), mass=math.inf),
    ],
)
def test_impossible_probabilities_drop_the_row_and_never_become_a_label(reply):
    for replies in ([reply], [0.9, reply]):
        row, _ = labelled(replies)
        assert row["drop_reason"].startswith("impossible probabilities")
        assert (row["probability"], row["consistent"]) == (None, None)


@pytest.mark.parametrize(
    ("replies", "reason", "reasoning"),
    [
        ([Failure("too long")], "too long", []),
        (["Asking", 0.9, Failure("too long")], "too long", ["Asking"]),
        (["Asking", 0.9, Completion("Cutt", "length")], "reasoning 2 cut at max_tokens", ["Asking", "Cutt"]),
        ([""], "reasoning 1 empty", [""]),
    ],
)
def test_a_failed_question_ends_its_row_with_the_reason(replies, reason, reasoning):
    row, _ = labelled(replies, chain_of_thought=True)
    assert (row["drop_reason"], row["reasoning"], row["probability"]) == (reason, reasoning, None)


def test_the_control_turns_about_half_of_the_labels_round():
    pairs = [{**PAIR, "id": f"p{i}"} for i in range(1000)]
    labels = [labelled([0.9, 0.1], pair=pair, shuffle=True)[0]["probability"] for pair in pairs]
    turned = [p < 0.5 for p in labels]
    assert {round(p, 6) for p in labels} == {0.9, 0.1}
    assert sum(turned) / len(turned) == pytest.approx(0.5, abs=0.05)
    assert turned == [labelled([0.9, 0.1], pair=pair, shuffle=True)[0]["probability"] < 0.5 for pair in pairs]


def test_a_principle_is_drawn_for_each_pair_among_those_that_compare():
    rival = PRINCIPLE.model_copy(update={"id": "rival", "weight": 3.0})
    drawn = [
        labelled([0.9, 0.1], pair={**PAIR, "id": f"p{i}"}, principles=[PRINCIPLE, REVISING, rival])[0]["principle"]
        for i in range(1000)
    ]
    assert set(drawn) == {"kind", "rival"}
    assert drawn.count("rival") / 1000 == pytest.approx(0.75, abs=0.05)


def test_a_constitution_without_comparisons_is_the_persons_mistake():
    with pytest.raises(UsageError, match="comparison_request"):
        labelled([], principles=[REVISING])
