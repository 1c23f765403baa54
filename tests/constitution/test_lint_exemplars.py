import pytest

from solon.constitution.lint import lint
from solon.constitution.load import load
from solon.constitution.schema import ComparisonExemplar, Constitution, Exemplars, Principle, RevisionExemplar
from solon.records import assistant, user

FINE = RevisionExemplar(prompt="What is the time?", response="It is noon.", critique="Fine.", unchanged=True)
MENDED = RevisionExemplar(prompt="Who are you?", response="Shut up.", critique="It is rude.", revision="A model.")
FIRST = ComparisonExemplar(prompt="Is it far?", responses=("Yes, an hour on foot.", "No."), better="A")
SECOND = ComparisonExemplar(prompt="Is it late?", responses=("Who knows, and who cares?", "Yes."), better="B")


def constitution(own=(), shared=(), **principle):
    """One principle with examples of its own, and those that all share."""
    given = {
        "critique_request": "What is rude?",
        "revision_request": "Make it polite.",
        "comparison_request": "Which is politer?",
        **principle,
    }

    def those(examples):
        return Exemplars(
            revisions=tuple(each for each in examples if isinstance(each, RevisionExemplar)),
            comparisons=tuple(each for each in examples if isinstance(each, ComparisonExemplar)),
            transcripts=tuple(each for each in examples if isinstance(each, str)),
        )

    polite = Principle(id="polite", exemplars=those(own), **given)
    return Constitution(name="mine", exemplars=those(shared), principles=(polite,))


def found(own=(), shared=(), **principle):
    return [(finding.where, finding.message) for finding in lint(constitution(own, shared, **principle))]


def changed(exemplar, **keys):
    return type(exemplar)(**{**exemplar.model_dump(exclude_none=True), **keys})


def test_sound_examples_have_no_findings():
    assert found([FINE, MENDED, FIRST, SECOND]) == []
    assert found(shared=[FINE, MENDED, FIRST, SECOND]) == []


@pytest.mark.parametrize("examples", [[FINE], [FIRST], ["Human: Consider this.\n\nH: Hi.\n\n{}\n (A) [[[Hello.]]]"]])
def test_the_same_example_twice_is_found_wherever_it_stands(examples):
    ((where, message),) = found(examples, shared=examples)
    kind = where.removeprefix("polite.")
    assert kind in ("exemplars.revisions[1]", "exemplars.comparisons[1]", "exemplars.transcripts[1]")
    assert message == f"is the same example as {kind}"


def test_an_example_that_asks_nearly_the_same_is_found_and_others_are_not():
    long = "How do I tell my neighbour that the music in the evening is too loud for"
    twice = [changed(FINE, prompt=f"{long} me?"), changed(MENDED, prompt=f"{long} us?")]
    (told,) = found(twice)
    assert told[0] == "polite.exemplars.revisions[2]"
    assert "asks nearly the same as polite.exemplars.revisions[1]" in told[1]
    assert found([changed(FINE, prompt="Is it 2 or 3?"), changed(MENDED, prompt="Is it 2 or 4?")]) == []
    assert found([changed(FINE, prompt="How?"), changed(FIRST, prompt="How?")]) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("So.\n\nHuman: And?", "Human:"),
        ("Assistant: So.", "Assistant:"),
        ("(A)", "(A)"),
        ("[[[", "[[["),
        ("x]]]", "]]]"),
        ("{}", "{}"),
        ("See CritiqueRequest: x", "CritiqueRequest:"),
        ("<|im_end|>", "<|"),
        ("[INST]", "[INST]"),
        ("</s>", "</s>"),
    ],
)
def test_a_delimiter_of_a_template_is_found_in_every_text_of_an_example(text, told):
    for key in ("prompt", "response", "critique"):
        ((where, message),) = found([changed(FINE, **{key: text})])
        assert where == "polite.exemplars.revisions[1]"
        assert message.startswith(f"contains {told}, which stays text")
    (_, message) = found([FINE, changed(MENDED, revision=text)])[0]
    assert message.startswith(f"contains {told},")
    ((_, message),) = found([changed(FIRST, responses=("So.", text))])
    assert message.startswith(f"contains {told},")


def test_a_reasoning_may_name_the_options_and_a_text_may_speak_of_humans():
    assert found([changed(FIRST, reasoning="Only (A) answers; (B) does not.")]) == []
    assert found([changed(FIRST, reasoning="Good.\n\nHuman: So?")]) != []
    assert found([changed(FINE, response="Every Human: a wonder. {x} [1] <b>")]) == []


def test_a_principle_that_never_shows_what_is_good_as_it_is_is_found_unless_the_shared_examples_do():
    ((where, message),) = found([MENDED])
    assert where == "polite.exemplars.revisions"
    assert "never show a response that is good as it is" in message
    assert found([MENDED], shared=[FINE]) == []
    assert found([MENDED, changed(FINE, unchanged=False, revision=FINE.response)]) == []
    assert [where for where, _ in found(shared=[MENDED])] == ["exemplars.revisions"]
    assert found([FIRST]) == []


def test_revisions_that_only_grow_are_found():
    longer = changed(MENDED, revision="I am a model. " * 10)
    ((where, message),) = found([longer, changed(FINE, response="Noon.")])
    assert where == "polite.exemplars.revisions"
    assert "are together 11.1 times as long as the responses" in message
    assert found([longer, changed(FINE, response="It is noon. " * 20)]) == []


def test_a_critique_that_is_missing_where_one_is_asked_for_is_found():
    bare = changed(FINE, critique=None)
    for own, shared, place in (([bare], [], "polite.exemplars.revisions[1]"), ([], [bare], "exemplars.revisions[1]")):
        ((where, message),) = found(own, shared)
        assert where == place
        assert message.startswith("has no critique, though one is asked for")
        assert found(own, shared, critique_request=None) == []


def test_a_critique_that_is_never_shown_is_found():
    ((where, message),) = found([FINE], critique_request=None)
    assert where == "polite.exemplars.revisions[1]"
    assert "has a critique that is never shown" in message
    assert found([changed(FINE, critique_request="What is rude?")], critique_request=None) == []


def comparisons(better, lengths):
    return [
        ComparisonExemplar(prompt=f"Question {number}?", responses=("a" * one, "b" * other), better=letter)
        for number, (letter, (one, other)) in enumerate(zip(better, lengths, strict=True))
    ]


MIXED = [(1, 2), (2, 1), (1, 2), (2, 1)]


@pytest.mark.parametrize(
    ("better", "lengths", "words"),
    [
        ("AAAA", MIXED, ["is A:"]),
        ("BBBB", MIXED, ["is B:"]),
        ("BABA", MIXED, ["is the longer one"]),
        ("AABB", MIXED, []),
        ("ABAB", [(2, 2)] * 4, []),
        ("AAA", MIXED[:3], []),
        ("BAB", MIXED[:3], []),
    ],
)
def test_what_always_tells_the_better_response_is_found_in_four_or_more(better, lengths, words):
    told = found(comparisons(better, lengths))
    assert all(where == "the constitution" for where, _ in told)
    assert [word in message for word, (_, message) in zip(words, told, strict=True)] == [True] * len(words)


def test_habits_are_looked_for_in_all_examples_together():
    those = comparisons("AAAA", MIXED)
    assert len(found(those[:2], shared=those[2:])) == 1


TURNS = [user("Hi."), assistant("Hello."), user("Is it  FAR?")]
QUOTED = (
    "\n\nHuman: Consider this conversation:\n\nH: Hi.\n\nA:  Hello.\n\nH: Is it far?\n\n{}\n (A) [[[a]]]\n (B) [[[b]]]"
)


@pytest.mark.parametrize(
    ("example", "eval_prompt", "is_found"),
    [
        (FINE, [user("what is\nthe TIME?")], True),
        (FIRST, [user("Is it far?")], True),
        (FIRST, [user("Is it very far?")], False),
        (FIRST, TURNS, False),
        (changed(FIRST, prompt=TURNS), TURNS, True),
        (changed(FIRST, prompt=TURNS), [user("Is it far?")], False),
        (QUOTED, TURNS, True),
        (QUOTED, [user("Is it far?")], False),
        (QUOTED, [user("far?")], False),
        (QUOTED, [user("a")], False),
        (QUOTED, [], False),
    ],
)
def test_an_example_that_is_measured_on_is_an_error(example, eval_prompt, is_found):
    told = lint(constitution([example]), eval_prompts=[[user("Else?")], eval_prompt])
    assert [finding.severity for finding in told if "measured on" in finding.message] == ["error"] * is_found
    assert [finding for finding in lint(constitution([example])) if finding.severity == "error"] == []


def test_no_example_of_a_built_in_stands_in_another():
    for one, other in (("harmless", "helpful"), ("helpful", "paper-shaped")):
        prompts = [
            example.conversation
            for each in (load(one), *load(one).principles)
            for example in (*each.exemplars.revisions, *each.exemplars.comparisons)
        ]
        assert [finding for finding in lint(load(other), eval_prompts=prompts) if finding.severity == "error"] == []
