import random

import pytest

from solon.constitution import exemplars
from solon.constitution.exemplars import ExemplarsConfig, Verbatim
from solon.constitution.load import builtins, load
from solon.constitution.schema import ComparisonExemplar, Constitution, Exemplars, Principle, RevisionExemplar

SHARED = Exemplars(
    revisions=(RevisionExemplar(prompt="Shared?", response="So.", critique="Fine.", unchanged=True),),
    comparisons=(
        ComparisonExemplar(prompt="Shared?", responses=("So.", "Thus."), better="A", reasoning="It is kind."),
        ComparisonExemplar(prompt="Which?", responses=("This.", "That."), better="B"),
    ),
    transcripts=("Human: {}\n (A)",),
)
OWN = Exemplars(
    revisions=(
        RevisionExemplar(prompt="Own?", response="No!", critique="Rude.", revision="No, sorry."),
        RevisionExemplar(
            prompt="Mine?",
            response="No!",
            critique="Rude.",
            revision="No.",
            critique_request="Rude?",
            revision_request="Polite!",
        ),
    ),
    comparisons=(ComparisonExemplar(prompt="Own?", responses=("No!", "No."), better="B", reasoning="It is polite."),),
)
KIND = Principle(
    id="kind",
    critique_request="What is unkind?",
    revision_request="Make it kind.",
    comparison_request="Which is kinder?",
    exemplars=OWN,
)
TRUE = Principle(id="true", comparison_request="Which is truer?", revision_request="Make it true.")
MINE = Constitution(name="mine", exemplars=SHARED, principles=(KIND, TRUE))


def draw(seed=0):
    return random.Random(seed)


def prompts(shown):
    return [each.prompt[0]["content"] for each in shown]


@pytest.mark.parametrize(
    ("of", "asked"),
    [
        ("both", ["Shared?", "Own?", "Mine?"]),
        ("shared", ["Shared?"]),
        ("principle", ["Own?", "Mine?"]),
        ("none", []),
    ],
)
def test_the_shared_examples_come_before_those_of_the_principle(of, asked):
    shown = exemplars.revisions(MINE, KIND, config=ExemplarsConfig(of=of), draw=draw())
    assert prompts(shown) == asked


def test_a_principle_without_examples_shows_the_shared_ones():
    assert prompts(exemplars.revisions(MINE, TRUE, config=ExemplarsConfig(), draw=draw())) == ["Shared?"]
    assert exemplars.revisions(MINE, TRUE, config=ExemplarsConfig(of="principle"), draw=draw()) == []


def test_an_example_asks_what_the_principle_asks_unless_it_says_otherwise():
    _, own, mine = exemplars.revisions(MINE, KIND, config=ExemplarsConfig(), draw=draw())
    assert (own.critique, own.request) == (("What is unkind?", "Rude."), "Make it kind.")
    assert (mine.critique, mine.request) == (("Rude?", "Rude."), "Polite!")


def test_what_is_unchanged_is_shown_as_a_revision_to_the_same():
    shared, *_ = exemplars.revisions(MINE, KIND, config=ExemplarsConfig(), draw=draw())
    assert (shared.response, shared.revision) == ("So.", "So.")


def test_a_principle_that_asks_for_no_critique_shows_none():
    (shared,) = exemplars.revisions(MINE, TRUE, config=ExemplarsConfig(), draw=draw())
    assert (shared.critique, shared.request) == (None, "Make it true.")


def test_so_many_are_drawn_and_the_draw_decides_which():
    def one(seed):
        return prompts(exemplars.revisions(MINE, KIND, config=ExemplarsConfig(most=1), draw=draw(seed)))[0]

    assert {one(seed) for seed in range(30)} == {"Shared?", "Own?", "Mine?"}
    assert one(3) == one(3)
    assert len(exemplars.revisions(MINE, KIND, config=ExemplarsConfig(most=99), draw=draw())) == 3


def test_a_shared_comparison_is_asked_about_under_any_principle_an_own_one_under_its_own():
    shown = [exemplars.comparisons(MINE, KIND, config=ExemplarsConfig(), draw=draw(seed)) for seed in range(30)]
    assert {each[0].request for each in shown} == {"Which is kinder?", "Which is truer?"}
    assert {each[-1].request for each in shown} == {"Which is kinder?"}
    assert {each[-1].better for each in shown} == {"B"}


def test_a_principle_that_weighs_nothing_much_is_hardly_drawn():
    heavy = MINE.model_copy(update={"principles": (KIND, TRUE.model_copy(update={"weight": 1e9}))})
    shown = [exemplars.comparisons(heavy, KIND, config=ExemplarsConfig(), draw=draw(seed))[0] for seed in range(30)]
    assert {each.request for each in shown} == {"Which is truer?"}


def test_comparisons_without_a_reason_are_shown_before_a_plain_answer_where_a_set_has_any():
    shown = exemplars.comparisons(MINE, KIND, config=ExemplarsConfig(), draw=draw())
    assert prompts(shown) == ["Which?", "Own?"]


def test_only_comparisons_with_a_reason_are_shown_before_reasoning():
    shown = exemplars.reasonings(MINE, KIND, config=ExemplarsConfig(), draw=draw(), verbatim=False)
    assert [each.reasoning for each in shown] == ["It is kind.", "It is polite."]


def test_transcripts_take_the_place_of_comparisons_set_by_set_where_they_are_read():
    shared, own = exemplars.reasonings(MINE, KIND, config=ExemplarsConfig(), draw=draw(), verbatim=True)
    assert isinstance(shared, Verbatim)
    assert shared.text == "Human: {}\n (A)"
    assert shared.request in ("Which is kinder?", "Which is truer?")
    assert own.reasoning == "It is polite."


@pytest.mark.parametrize("name", builtins())
def test_every_example_of_a_built_in_can_be_shown(name):
    constitution = load(name)
    for principle in constitution.for_revision:
        for shown in exemplars.revisions(constitution, principle, config=ExemplarsConfig(), draw=draw()):
            assert shown.request
            assert shown.critique
    for principle in constitution.for_comparison:
        for shown in exemplars.comparisons(constitution, principle, config=ExemplarsConfig(), draw=draw()):
            assert shown.request
            assert shown.reasoning


def test_principles_are_drawn_by_their_weights_and_none_twice():
    draw = random.Random(0)
    given = [Principle(id=id, comparison_request=id, weight=w) for id, w in (("a", 8.0), ("b", 1.0), ("c", 1.0))]
    drawn = [[each.id for each in exemplars.draw_principles(given, 2, draw)] for _ in range(1000)]
    assert all(len(set(ids)) == 2 for ids in drawn)
    assert sum(ids[0] == "a" for ids in drawn) / 1000 == pytest.approx(0.8, abs=0.04)
    assert sorted(each.id for each in exemplars.draw_principles(given, 9, draw)) == ["a", "b", "c"]
