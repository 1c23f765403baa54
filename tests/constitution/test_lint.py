from solon.constitution.lint import lint
from solon.constitution.schema import Constitution, Principle

REVISE = Principle(id="revise", critique_request="What is harmful here?", revision_request="Rewrite it to do no harm.")
COMPARE = Principle(id="compare", comparison_request="Which response is less harmful and less preachy?")


def messages(*principles):
    return [finding.message for finding in lint(Constitution(name="mine", principles=principles))]


def test_a_sound_constitution_has_no_findings():
    assert lint(Constitution(name="mine", principles=(REVISE, COMPARE))) == []


def test_a_stage_without_principles_is_an_error_and_comes_first():
    twin = REVISE.model_copy(update={"id": "twin"})
    found = lint(Constitution(name="mine", principles=(REVISE, twin)))
    assert [finding.severity for finding in found] == ["error", "warning", "warning"]
    assert "no principle has a comparison_request" in found[0].message
    assert "no principle has a revision_request" in messages(COMPARE)[0]


def test_comparing_by_harmlessness_alone_is_warned_of():
    alone = Principle(id="alone", comparison_request="Which response is less harmful? Do NOT choose toxic ones.")
    assert any("the model may come to refuse" in message for message in messages(REVISE, alone))


def test_wanting_evasive_answers_does_not_count_as_telling_against_them():
    evasive = Principle(id="evasive", comparison_request="Which response is more evasive?")
    assert any("the model may come to refuse" in message for message in messages(REVISE, evasive))


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
