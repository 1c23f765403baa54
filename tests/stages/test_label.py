"""A chain is tested by answering it: no model, no mock."""

import math

import pytest

from solon.chains import Choice, Choose, Completion, Failure, Generate
from solon.constitution.schema import Constitution, Principle
from solon.errors import UsageError
from solon.models.drivers import in_rounds
from solon.models.fake import Fake
from solon.prompts import chat as prompts
from solon.records import user
from solon.runs.journal import digest_of
from solon.sandbox.examine import Unkept
from solon.stages.label import LabelConfig, decided, label, num_questions, pooled

PAIR = {
    "id": "p1",
    "prompt": [user("How do I take a bike?")],
    "drop_reason": None,
    "kind": "red-team",
    "prompt_id": "p1",
    "responses": ["Ask.", "Cut it."],
    "revision": None,
}
PRINCIPLE = Principle(id="kind", comparison_request="Which is kinder?")
REVISING = Principle(id="revising", revision_request="Make it kind.")


def answered(chain, replies):
    """The row when the chain is answered by `replies` in turn, and what it asked."""
    asked, reply, replies = [], None, map(as_reply, replies)
    while True:
        try:
            question = chain.send(reply)
        except StopIteration as end:
            assert next(replies, None) is None, "the chain ended before its replies"
            return end.value, asked
        several = question if isinstance(question, tuple) else (question,)
        asked += several
        told = tuple(next(replies) for _ in several)
        reply = told if isinstance(question, tuple) else told[0]


def as_reply(told):
    if isinstance(told, str):
        return Completion(told)
    return Choice((told, 1 - told), mass=0.9) if isinstance(told, float) else told


def labelled(replies, *, pair=PAIR, principles=(PRINCIPLE,), constitution=None, others=(), **config):
    whole = Constitution(name="test", principles=tuple(principles), **(constitution or {}))
    return answered(label(pair, constitutions=[whole, *others], config=LabelConfig(**config)), replies)


def test_a_label_is_the_mean_of_both_orders():
    row, asked = labelled([0.9, 0.3])
    assert row == {
        **PAIR,
        "judgements": [
            {
                "model": None,
                "constitution": "test",
                "principle": "kind",
                "forward": 0.9,
                "backward": 0.7,
                "mass": 0.9,
                "known_by": "exact",
                "reasoning": [],
                "state": "labelled",
                "reason": None,
            }
        ],
        "probability": pytest.approx(0.8),
        "known_by": "exact",
        "consistent": True,
        "mass": 0.9,
        "state": "labelled",
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
    assert row["judgements"][0]["reasoning"] == [
        {"text": "Asking is kinder.", "thinking": "", "swapped": False},
        {"text": "So is (B).", "thinking": "", "swapped": True},
    ]
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
    assert row["state"] == "abstained"
    assert row["drop_reason"] == "abstained: the options have a mass of 0.04, under 0.1"
    assert (row["probability"], row["mass"]) == (None, 0.04)


@pytest.mark.parametrize(
    "reply",
    [
        Choice((math.nan, math.nan), mass=0.9),
        Choice((1.2, -0.2), mass=0.9),
        Choice((0.9, 0.9), mass=0.9),
        Choice((1.0,), mass=0.9),
        Choice(None, mass=0.9),
        Choice((None, None), mass=0.9),
        Choice((0.9, 0.1), mass=None),
        Choice((0.9, 0.1), mass=math.nan),
        Choice((0.9, 0.1), mass=math.inf),
    ],
)
def test_impossible_probabilities_drop_the_row_and_never_become_a_label(reply):
    for replies in ([reply], [0.9, reply]):
        row, _ = labelled(replies)
        assert row["drop_reason"].startswith("failed: impossible probabilities")
        assert (row["state"], row["probability"], row["consistent"]) == ("failed", None, None)


@pytest.mark.parametrize(
    ("replies", "state", "reason", "texts"),
    [
        ([Failure("too long")], "failed", "too long", []),
        (["Asking", 0.9, Failure("too long")], "failed", "too long", ["Asking"]),
        (
            ["Asking", 0.9, Completion("Cutt", "length")],
            "unparsed",
            "reasoning 2 cut at max_tokens",
            ["Asking", "Cutt"],
        ),
        ([""], "unparsed", "reasoning 1 empty", [""]),
        ([" I'm sorry, I can't."], "refused", "reasoning 1 is a refusal", ["I'm sorry, I can't."]),
    ],
)
def test_what_cannot_be_read_ends_its_row_with_its_state_and_the_reason(replies, state, reason, texts):
    row, _ = labelled(replies, chain_of_thought=True)
    [judgement] = row["judgements"]
    assert [it["text"] for it in judgement["reasoning"]] == texts
    assert (judgement["state"], judgement["reason"]) == (row["state"], reason) == (state, reason)
    assert (row["drop_reason"], row["probability"]) == (f"{state}: {reason}", None)


@pytest.mark.parametrize(
    ("responses", "reason"),
    [
        (["Ask.", "Ask."], "identical responses"),
        (["Ask.", " "], "response 2 empty"),
        (["Ask."], "1 responses"),
        (["a", "b", "c"], "3 responses"),
    ],
)
def test_a_pair_that_cannot_be_compared_is_not_asked_about(responses, reason):
    row, asked = labelled([], pair={**PAIR, "responses": responses})
    assert (row["state"], row["drop_reason"], asked) == ("failed", f"failed: {reason}", [])


# Ensembles


def test_of_several_principles_each_is_asked_about_once_in_both_orders():
    rivals = [PRINCIPLE.model_copy(update={"id": id, "comparison_request": id}) for id in "abcd"]
    row, asked = labelled([0.9, 0.5, 0.2, 0.3, 0.5, 0.6], principles=rivals, num_principles=3)
    assert len({judgement["principle"] for judgement in row["judgements"]}) == 3
    assert row["probability"] == pytest.approx((0.8 + 0.5 + 0.3) / 3)
    assert len(asked) == 6
    assert len(labelled([0.5] * 8, principles=rivals, num_principles=16)[0]["judgements"]) == 4


def test_the_principles_of_one_order_are_asked_about_at_once_and_what_failed_there_is_not_asked_about_in_the_other():
    rivals = [PRINCIPLE.model_copy(update={"id": id, "comparison_request": id}) for id in "abc"]
    whole = Constitution(name="test", principles=tuple(rivals))
    chain = label(PAIR, constitutions=[whole], config=LabelConfig(num_principles=3))
    assert len(next(chain)) == 3
    swapped = chain.send((as_reply(0.9), Failure("too long"), as_reply(0.8)))
    assert len(swapped) == 2
    with pytest.raises(StopIteration) as end:
        chain.send((as_reply(0.1), as_reply(0.2)))
    assert [each["state"] for each in end.value.value["judgements"]] == ["labelled", "failed", "labelled"]
    assert end.value.value["judgements"][1]["reason"] == "too long"


def test_the_first_of_several_principles_is_that_which_is_drawn_alone():
    rivals = [PRINCIPLE.model_copy(update={"id": id, "weight": w}) for id, w in (("a", 1.0), ("b", 5.0), ("c", 0.1))]
    for i in range(50):
        pair = {**PAIR, "id": f"p{i}"}
        one, two = (labelled([0.5] * 2 * n, pair=pair, principles=rivals, num_principles=n)[0] for n in (1, 2))
        assert one["judgements"] == two["judgements"][:1]


def test_what_of_several_judgements_cannot_be_read_leaves_the_others_their_label():
    rival = PRINCIPLE.model_copy(update={"id": "rival"})
    row, _ = labelled([Choice((0.9, 0.1), 0.01), 0.8, 0.5, 0.4], principles=[PRINCIPLE, rival], num_principles=2)
    assert [judgement["state"] for judgement in row["judgements"]] == ["abstained", "labelled"]
    assert (row["probability"], row["state"], row["drop_reason"]) == (pytest.approx(0.7), "labelled", None)


def test_every_constitution_has_a_say_by_its_own_rules():
    other = Constitution(name="other", principles=(PRINCIPLE,), hard_constraints=("Never lie.",))
    row, asked = labelled([0.9, 0.4, 0.1, 0.6], others=[other])
    assert [judgement["constitution"] for judgement in row["judgements"]] == ["test", "other"]
    assert row["probability"] == pytest.approx(0.65)
    assert ["Never lie." in str(request.conversation) for request in asked] == [False, True, False, True]


def test_reasonings_are_averaged_and_clamped_once():
    replies = ["a", 0.9, "b", 0.7, "c", 0.2, "d", 0.4]
    row, asked = labelled(replies, chain_of_thought=True, num_reasonings=2, clamp=None)
    [judgement] = row["judgements"]
    assert (judgement["forward"], judgement["backward"]) == (pytest.approx(0.8), pytest.approx(0.7))
    assert [(it["text"], it["swapped"]) for it in judgement["reasoning"]] == [
        ("a", False), ("b", False), ("c", True), ("d", True),
    ]  # fmt: skip
    assert len({request.seed for request in asked if isinstance(request, Generate)}) == 4
    assert row["probability"] == pytest.approx(0.75)
    clamped, _ = labelled(replies, chain_of_thought=True, num_reasonings=2)
    assert (clamped["probability"], clamped["judgements"]) == (0.6, row["judgements"])


def test_a_reasoning_that_cannot_be_read_takes_its_share_of_the_mass():
    replies = ["a", 0.9, Completion("b", "length"), "c", 0.2, "d", 0.4]
    row, _ = labelled(replies, chain_of_thought=True, num_reasonings=2, clamp=None)
    [judgement] = row["judgements"]
    assert (judgement["forward"], judgement["mass"]) == (pytest.approx(0.9), pytest.approx(0.45))


def test_a_reasoning_after_which_the_model_wants_to_say_something_else_has_no_say():
    replies = ["a", Choice((0.1, 0.9), mass=0.02), "b", 0.8, "c", 0.2, "d", 0.4]
    row, _ = labelled(replies, chain_of_thought=True, num_reasonings=2, clamp=None)
    [judgement] = row["judgements"]
    assert (judgement["forward"], judgement["mass"]) == (pytest.approx(0.8), pytest.approx(0.46))


def test_what_a_reasoning_model_thinks_is_kept_apart():
    replies = [Completion("Asking is.", thinking="Hm."), 0.5, "x", 0.5]
    [judgement] = labelled(replies, chain_of_thought=True)[0]["judgements"]
    assert (judgement["reasoning"][0]["text"], judgement["reasoning"][0]["thinking"]) == ("Asking is.", "Hm.")


def test_without_probabilities_votes_are_counted():
    row, asked = labelled(["A", "(B)", "A.", "A or B", "A", "B", "B", "B", "The answer is: (A", "?"], votes=5)
    [judgement] = row["judgements"]
    assert (judgement["forward"], judgement["backward"]) == (0.75, 0.75)
    assert (row["known_by"], row["mass"]) == ("votes", 0.8)
    assert {type(request) for request in asked} == {Generate}
    assert {(request.prefill, request.sampling.temperature) for request in asked} == {(prompts.ANSWER_PREFILL, 1.0)}
    assert len({request.seed for request in asked}) == 10


@pytest.mark.parametrize(("votes", "state"), [(["Both", ""], "unparsed"), (["Sorry, I cannot say", "Both"], "refused")])
def test_votes_of_which_none_is_an_option_are_no_label(votes, state):
    row, _ = labelled(votes, votes=2)
    assert (row["state"], row["drop_reason"]) == (state, f"{state}: none of 2 votes is A or B")


def test_votes_can_be_cast_after_reasoning():
    row, asked = labelled(["Hm.", "A", "Well.", "B"], votes=1, chain_of_thought=True, clamp=None)
    assert row["probability"] == 1.0
    assert asked[1].conversation == prompts.read_out(asked[0].conversation, "Hm.")


def test_several_feedback_models_are_one_mean_which_is_clamped_once():
    config = LabelConfig(chain_of_thought=True)
    one, two = (labelled(replies, chain_of_thought=True)[0] for replies in (["x", 0.9, "y", 0.3], ["x", 0.2, "y", 0.8]))
    [row] = pooled([PAIR], {"one": [one], "two": [two]}, config=config)
    assert [judgement["model"] for judgement in row["judgements"]] == ["one", "two"]
    assert row["probability"] == pytest.approx((0.8 + 0.2) / 2)
    assert one["probability"] == 0.6
    assert row == decided(PAIR, row["judgements"], config=config)


@pytest.mark.parametrize(("revision", "probability"), [(1, 1.0), (2, 0.0)])
def test_a_revision_can_be_taken_to_be_better_and_then_nobody_is_asked(revision, probability):
    pair = {**PAIR, "revision": revision}
    row, asked = labelled([], pair=pair, assume_revisions=True)
    assert (row["probability"], row["known_by"], row["state"], asked) == (probability, "assumed", "labelled", [])
    assert labelled([0.5, 0.5], pair=pair)[0]["known_by"] == "exact"
    assert labelled([0.5, 0.5], assume_revisions=True)[0]["known_by"] == "exact"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"both_orders": False},
        {"num_principles": 2},
        {"votes": 3},
        {"chain_of_thought": True, "num_reasonings": 2},
        {"chain_of_thought": True, "votes": 2, "num_principles": 16},
    ],
)
def test_as_many_questions_are_asked_as_are_announced(settings):
    whole = Constitution(name="test", principles=(PRINCIPLE, PRINCIPLE.model_copy(update={"id": "rival"})))
    config = LabelConfig(**settings)
    model = Fake(lambda request: Choice((0.5, 0.5), 0.9) if isinstance(request, Choose) else Completion("A"))
    in_rounds([("p1", label(PAIR, constitutions=[whole, whole], config=config))], model, journal=Unkept())
    assert len(model.asked) == num_questions([whole, whole], config)


# Draws


@pytest.mark.parametrize(
    ("chain_of_thought", "wanted"),
    [
        (False, [("safer", 0.723, True), ("safer", 0.417, True), ("kinder", 0.728, True), ("safer", 0.604, False)]),
        (True, [("safer", 0.882, True), ("safer", 0.431, False), ("kinder", 0.3955, False), ("safer", 0.858, True)]),
    ],
)
def test_a_seed_gives_the_labels_that_it_always_gave(chain_of_thought, wanted):
    def by_digest(request):
        if isinstance(request, Generate):
            return Completion(digest_of(request))
        share = int(digest_of(request), 16) % 1000 / 1000
        return Choice((share, 1 - share), mass=0.9)

    named = (("kinder", 1.0), ("safer", 2.0), ("plainer", 1.0))
    principles = [Principle(id=id, comparison_request=f"Which is {id}?", weight=weight) for id, weight in named]
    whole = Constitution(name="test", principles=tuple(principles))
    config = LabelConfig(seed=1, chain_of_thought=chain_of_thought, clamp=None)
    pairs = [{**PAIR, "id": f"p{i}", "prompt": [user(f"How do I take bike {i}?")]} for i in range(4)]
    chains = [(pair["id"], label(pair, constitutions=[whole], config=config)) for pair in pairs]
    rows = in_rounds(chains, Fake(by_digest), journal=Unkept()).values()
    found = [(row["judgements"][0]["principle"], round(row["probability"], 6), row["consistent"]) for row in rows]
    assert found == wanted


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
        labelled([0.9, 0.1], pair={**PAIR, "id": f"p{i}"}, principles=[PRINCIPLE, REVISING, rival])[0]["judgements"][0][
            "principle"
        ]
        for i in range(1000)
    ]
    assert set(drawn) == {"kind", "rival"}
    assert drawn.count("rival") / 1000 == pytest.approx(0.75, abs=0.05)


def test_a_constitution_without_comparisons_is_the_persons_mistake():
    with pytest.raises(UsageError, match="No principle of test has a comparison_request"):
        labelled([], principles=[REVISING])
