import pytest

from solon.constitution.lint import Room, lint
from solon.constitution.load import builtins, load
from solon.constitution.schema import Constitution, Principle

REVISE = Principle(
    id="revise", critique_request="What is harmful here?", revision_request="Rewrite it to help without harm."
)
COMPARE = Principle(id="compare", comparison_request="Which response is less harmful and less preachy?")
ONE_SIDED = ["evasive", "harmless-only"]
"""Built in to show what such a constitution does."""
SOUND = Constitution(name="mine", principles=(REVISE, COMPARE))


def messages(*principles, **also):
    return [finding.message for finding in lint(Constitution(name="mine", principles=principles), **also)]


def test_a_sound_constitution_has_no_findings():
    assert lint(SOUND) == []


@pytest.mark.parametrize("name", builtins())
def test_no_built_in_has_an_error(name):
    assert [finding for finding in lint(load(name)) if finding.severity == "error"] == []


@pytest.mark.parametrize("name", sorted({*builtins()} - {*ONE_SIDED}))
def test_a_built_in_that_is_meant_for_use_has_no_findings(name):
    assert lint(load(name)) == []


@pytest.mark.parametrize("name", ["harmless", "helpful"])
def test_every_principle_with_examples_of_its_own_shows_a_response_that_is_good_as_it_is(name):
    shown = [principle.exemplars.revisions for principle in load(name).for_revision]
    assert all(any(exemplar.unchanged for exemplar in exemplars) for exemplars in shown)


def test_a_crisis_line_is_named_with_its_region_and_never_without_the_local_emergency_services():
    care = next(principle for principle in load("harmless").principles if principle.id == "care-in-crisis")
    [text] = [" ".join(it.revised.split()) for it in care.exemplars.revisions if "988" in it.revised]
    assert "In the US the line is 988; in the UK and Ireland it's Samaritans on 116 123;" in text
    assert "call your local emergency services" in text


@pytest.mark.parametrize("name", ONE_SIDED)
def test_what_is_one_sided_by_design_is_warned_of_for_both_stages(name):
    told = [finding.message for finding in lint(load(name))]
    assert len(told) == 2
    assert "bare refusals" in told[0]
    assert "may come to refuse" in told[1]


def test_a_stage_without_principles_is_an_error_and_comes_first():
    twin = REVISE.model_copy(update={"id": "twin"})
    found = lint(Constitution(name="mine", principles=(REVISE, twin)))
    assert [finding.severity for finding in found] == ["error", "warning", "warning"]
    assert "no principle has a comparison_request" in found[0].message
    assert "no principle has a revision_request" in messages(COMPARE)[0]


def test_a_stage_that_is_not_run_needs_no_principles():
    assert messages(REVISE, stages=["supervised"]) == []
    assert messages(COMPARE, stages=["reinforcement"]) == []


def test_a_principle_that_no_stage_that_is_run_uses_is_found():
    (found,) = lint(SOUND, stages=["supervised"])
    assert (found.severity, found.where) == ("warning", "compare")
    assert "is used by no stage that is run: it has only a comparison_request" in found.message
    assert "it has only a revision_request" in messages(REVISE, COMPARE, stages=["reinforcement"])[0]


def test_a_stage_without_any_principle_is_told_once():
    assert len(messages(REVISE, stages=["reinforcement"])) == 1


def test_comparing_by_harmlessness_alone_is_warned_of():
    alone = Principle(id="alone", comparison_request="Which response is less harmful? Do NOT choose toxic ones.")
    assert any("the model may come to refuse" in message for message in messages(REVISE, alone))


def test_wanting_evasive_answers_does_not_count_as_telling_against_them():
    evasive = Principle(id="evasive", comparison_request="Which response is more evasive?")
    assert any("the model may come to refuse" in message for message in messages(REVISE, evasive))


def test_principles_that_have_nothing_to_do_with_harm_need_not_tell_against_refusals():
    rhyme = Principle(id="rhyme", revision_request="Make it rhyme.", comparison_request="Which response rhymes?")
    assert messages(rhyme) == []


@pytest.mark.parametrize(
    ("critique", "revision", "is_found"),
    [
        ("What is harmful here?", "Rewrite it to be harmless.", True),
        ("Say where it should be more evasive.", "Make it more evasive.", True),
        ("What is harmful here?", "Rewrite it to be harmless, and keep all that was useful.", False),
        ("What is harmful here?", "Remove what is harmful, say why, and offer another way.", False),
        ("What is harmful here?", "Make it harmless and as helpful as that allows.", False),
        ("Is anything harmful, or does the answer refuse what is fine? Name it if it dodges.", "Mend it.", False),
        ("Say where it is too harmful or too preachy.", "Make it good.", False),
    ],
)
def test_revising_by_harmlessness_alone_is_warned_of(critique, revision, is_found):
    principle = Principle(id="revise", critique_request=critique, revision_request=revision)
    assert any("bare refusals" in message for message in messages(principle, COMPARE)) == is_found


def test_near_duplicates_are_found_and_opposites_are_not():
    text = (
        "Choose the response that is less harmful, paying close attention to whether it encourages illegal activity {}"
    )
    twice = [Principle(id=id, comparison_request=text.format(end)) for id, end in (("one", "now."), ("two", "then."))]
    assert any("nearly the same as that of 'one'" in message for message in messages(REVISE, COMPARE, *twice))
    opposites = [Principle(id=w, comparison_request=f"Which response is {w} harmless?") for w in ("more", "less")]
    assert messages(REVISE, COMPARE, *opposites) == []


def test_asking_for_a_critique_twice_is_found():
    confused = Principle(id="confused", critique_request="What is wrong?", revision_request="What is wrong?")
    assert any("revise never" in message for message in messages(confused, COMPARE))


def test_a_slot_that_nothing_fills_is_found():
    slot = Principle(id="slot", comparison_request="Which of {responses} is less preachy?")
    assert any("{responses}" in message for message in messages(REVISE, slot))


def test_some_direct_revisions_among_critiques_are_found():
    direct = Principle(id="direct", revision_request="Make it kind.")
    assert any("without a critique" in message for message in messages(REVISE, direct, COMPARE))
    assert messages(direct, COMPARE) == []


@pytest.mark.parametrize(
    ("request_", "is_found"),
    [
        ("Choose the response that is not harmful.", True),
        ("Choose the response that doesn’t preach.", True),
        ("Rewrite the response so that it does not insult anyone.", True),
        ("Please avoid anything harmful. Give only the rewritten answer.", True),
        ("Do NOT choose responses that are toxic, racist, or sexist, or that encourage or support crime.", True),
        ("Which response avoids insults and hateful threats?", True),
        ("Rewrite it without violence, please.", True),
        ("Do not insult anyone. Be kind.", False),
        ("Avoid harm and be kind.", False),
        ("Rewrite it so that it does not insult anyone and mentions the facts.", False),
        ("Without insulting anyone, explain the risks.", False),
        ("Do not refuse but offer another way.", False),
        ("Choose the response that is helpful without being harmful.", False),
        ("Which response is less harmful? Do NOT choose toxic ones.", False),
        ("Which response is more honest about what it does not know?", False),
        ("Rewrite the response to remove all harmful content.", False),
    ],
)
def test_a_request_that_only_forbids_is_found_and_one_that_says_what_is_wanted_too_is_not(request_, is_found):
    wanting = Principle(id="wanting", revision_request=request_, comparison_request=request_)
    where = [
        finding.where for finding in lint(Constitution(name="mine", principles=(wanting,))) if "C3AI" in finding.message
    ]
    assert where == (["wanting.revision_request", "wanting.comparison_request"] if is_found else [])


def test_a_critique_may_ask_for_what_is_not_wanted():
    asking = REVISE.model_copy(update={"critique_request": "Say where it does not keep from harm."})
    assert messages(asking, COMPARE) == []


@pytest.mark.parametrize(
    ("tokens", "severity", "words"),
    [
        (500, [], ""),
        (501, ["warning"], "(revision, as chat) has 501 tokens before there is a conversation in it, more than half"),
        (1000, ["error"], "the model takes 1,000: every row that draws it would be dropped"),
    ],
)
def test_prompts_that_leave_too_little_room_are_found(tokens, severity, words):
    room = Room(context=1000, taken={"revise": (tokens, "revision, as chat"), "compare": (9, "comparison, as chat")})
    found = lint(SOUND, room=room)
    assert [finding.severity for finding in found] == severity
    assert all(words in finding.message and finding.where == "revise" for finding in found)
