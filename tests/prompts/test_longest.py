import pytest

from solon.constitution.load import builtins, load
from solon.constitution.schema import ComparisonExemplar, Constitution, Exemplars, Principle, RevisionExemplar
from solon.prompts.longest import longest

KIND = Principle(id="kind", critique_request="Unkind?", revision_request="Make it kind.")
TRUE = Principle(id="true", comparison_request="Which is truer?")
SHARED = Exemplars(
    revisions=(RevisionExemplar(prompt="How?", response="So.", critique="Fine.", unchanged=True),),
    comparisons=(ComparisonExemplar(prompt="How?", responses=("So.", "Thus."), better="A", reasoning="It is kind."),),
)


def characters(asked):
    return len(asked) if isinstance(asked, str) else sum(len(turn["content"]) for turn in asked)


def measured(*principles, form="chat", **also):
    constitution = Constitution(name="mine", principles=principles, **also)
    return longest(constitution, count=characters, forms=[form])


def test_the_longest_prompt_of_each_stage_is_the_last_one():
    told = measured(KIND, TRUE)
    assert [what for _, what in told.values()] == ["revision, as chat", "comparison after reasoning, as chat"]
    assert told["kind"][0] == len("Unkind?" + "Make it kind.")


@pytest.mark.parametrize("form", ["chat", "transcript"])
def test_examples_and_hard_constraints_count(form):
    bare = measured(KIND, TRUE, form=form)
    for also in ({"exemplars": SHARED}, {"hard_constraints": ("Never lie.",)}):
        more = measured(KIND, TRUE, form=form, **also)
        assert all(more[id] > bare[id] for id in bare)


def test_shared_comparisons_are_counted_with_the_longest_request_they_may_be_asked_about_under():
    wordy = Principle(id="wordy", comparison_request="Which response is truer? " * 20)
    alone, beside = measured(TRUE, exemplars=SHARED), measured(TRUE, wordy, exemplars=SHARED)
    assert beside["true"][0] - alone["true"][0] == len(wordy.comparison_request) - len(TRUE.comparison_request)


def test_transcripts_count_where_they_are_shown():
    told = {"exemplars": Exemplars(transcripts=("{}" + "x" * 1000,))}
    assert measured(TRUE, form="transcript", **told)["true"][0] > 1000
    assert measured(TRUE, form="chat", **told)["true"][0] < 1000


@pytest.mark.parametrize("name", builtins())
def test_every_built_in_can_be_measured_in_both_forms(name):
    constitution = load(name)
    told = longest(constitution, count=characters)
    assert told.keys() == {principle.id for principle in constitution.principles}
    assert max(told.values())[0] < 20_000
