import pytest

from solon.constitution.load import load
from solon.constitution.schema import ComparisonExemplar, Constitution, Exemplars, Principle, RevisionExemplar
from solon.errors import UsageError

HEAD = """\
name: mine
principles:
- id: kind
  critique_request: What is unkind?
  revision_request: Make it kind.
  comparison_request: Which is kinder?
"""
REVISION = f"""\
{HEAD}\
  exemplars:
    revisions:
    - prompt: How?
      response: So.
"""
COMPARISON = f"""\
{HEAD}\
  exemplars:
    comparisons:
    - prompt: How?
      responses: [So., Thus.]
"""
UNCHANGED = REVISION + "      unchanged: true\n"
ASKED = "prompt: How?"


def complaint(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load(path)
    return str(caught.value).replace(str(path), "mine.yaml")


def only(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return load(path).principles[0].exemplars


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (REVISION, 9, ["revisions[1] needs a revision, or `unchanged: true`"]),
        (REVISION + "      unchanged: false\n", 9, ["needs a revision"]),
        (UNCHANGED + "      revision: Well.\n", 9, ["revisions[1] has a revision and `unchanged: true`", "remove one"]),
        (REVISION + "      unchanged: 'true'\n", 11, ["unchanged is the text 'true'", "`true` or `false`"]),
        (REVISION + "      revision: ' '\n", 11, ["revisions[1].revision is empty"]),
        (UNCHANGED.replace("response: So.", "response: 3"), 10, ["response is 3, not text", "in quotes"]),
        (UNCHANGED + "      critik: a\n", 12, ["unknown key", "revisions[1].critik; did you mean 'critique'?"]),
        (UNCHANGED.replace(ASKED, "prompt: ''"), 9, ["revisions[1].prompt is empty"]),
        (UNCHANGED.replace(ASKED, "prompt: []"), 9, ["revisions[1].prompt is empty"]),
        (UNCHANGED.replace(ASKED, "prompt: 7"), 9, ["prompt is 7, not text", "in quotes"]),
        (UNCHANGED.replace(ASKED, "prompt: Consider: this"), 9, ["': ' inside text", "in quotes"]),
        (UNCHANGED.replace(ASKED, "prompt: {role: user}"), 9, ["prompt is a mapping (`role: user`), not text"]),
        (UNCHANGED.replace(ASKED, "prompt: [a]"), 9, ["prompt[1] is the text 'a'", "mapping"]),
        (UNCHANGED.replace(ASKED, "prompt: [{role: user, content: ''}]"), 9, ["prompt[1].content is empty"]),
        (UNCHANGED.replace(ASKED, "prompt: [{role: human, content: a}]"), 9, ["'human'", "'user' or 'assistant'"]),
        (UNCHANGED.replace(ASKED, "prompt: [{role: user, content: a, name: b}]"), 9,
         ["unknown key", "prompt[1].name", "the keys here are role, content"]),
        (UNCHANGED.replace(ASKED, "prompt: [{role: user, content: a}, {role: assistant, content: b}]"), 9,
         ["revisions[1] has a prompt that does not end with the human's turn"]),
        (COMPARISON, 9, ["comparisons[1].better is missing", "add it"]),
        (COMPARISON + "      better: C\n", 11, ["better is the text 'C'", "'A' or 'B'"]),
        (COMPARISON + "      better: a\n", 11, ["better is the text 'a'", "'A' or 'B'"]),
        (COMPARISON.replace("Thus.", "So.") + "      better: A\n", 9, ["compares a response with itself", "differ"]),
        (COMPARISON.replace("Thus.", "Thus., Or.") + "      better: A\n", 10, ["responses has 3; give at most 2"]),
        (COMPARISON.replace(", Thus.", "") + "      better: A\n", 10, ["responses has 1; give at least 2"]),
        (COMPARISON.replace("[So., Thus.]", "[]") + "      better: A\n", 10, ["responses is empty", "at least 2"]),
        (COMPARISON.replace("[So., Thus.]", "So.") + "      better: A\n", 10, ["the text 'So.'", "a list"]),
        (COMPARISON.replace("Thus.", "''") + "      better: A\n", 10, ["responses[2] is empty"]),
        (COMPARISON + "      better: A\n      reason: a\n", 12, ["comparisons[1].reason; did you mean 'reasoning'?"]),
        (HEAD + "  exemplars:\n    transcripts: [a]\n", 8, ["transcripts[1] has 0 times `{}`", "write it once"]),
        (HEAD + "  exemplars:\n    transcripts:\n    - '{}'\n    - '{} {}'\n", 10, ["transcripts[2] has 2 times `{}`"]),
        (HEAD + "  exemplars:\n    transcript: ['{}']\n", 8, ["exemplars.transcript; did you mean 'transcripts'?"]),
        (HEAD + "  exemplars: [a]\n", 7, ["exemplars is a list of 1", "mapping"]),
        (HEAD + "  exemplars:\n    revisions: [a]\n", 8, ["revisions[1] is the text 'a'", "mapping"]),
        (HEAD + "  source: me\n", 7, ["source is the text 'me'", "mapping"]),
        (HEAD + "  source: {licence: CC0-1.0}\n", 7, ["source.work is missing"]),
        (HEAD + "  source: {work: a, license: b}\n", 7, ["source.license; did you mean 'licence'?"]),
        (HEAD + "hard_constraints: Never lie.\n", 7, ["hard_constraints is the text", "a list"]),
        (HEAD + "hard_constraints: ['']\n", 7, ["hard_constraints[1] is empty"]),
        (HEAD + "exemplars:\n  comparison: []\n", 8, ["exemplars.comparison; did you mean 'comparisons'?"]),
        (HEAD + "exemplars:\n  revisions:\n  - {prompt: a, response: b}\n", 9, ["exemplars.revisions[1] needs a rev"]),
        (HEAD + "without: [kind]\n", 7, ["unknown key without"]),
        (UNCHANGED.replace("  critique_request: What is unkind?\n  revision_request: Make it kind.\n", ""), 3,
         ["principles[kind] has examples of revisions but no revision_request"]),
        (COMPARISON.replace("  comparison_request: Which is kinder?\n", "") + "      better: A\n", 3,
         ["principles[kind] has examples of comparisons but no comparison_request"]),
        (HEAD.replace("  comparison_request: Which is kinder?\n", "") + "  exemplars: {transcripts: ['{}']}\n", 3,
         ["principles[kind] has examples of comparisons but no comparison_request"]),
    ],
)  # fmt: skip
def test_a_mistake_in_an_example_is_told_with_its_line_and_its_mending(tmp_path, text, line, words):
    told = complaint(tmp_path, text)
    assert told.startswith(f"mine.yaml:{line}: ")
    assert [word for word in words if word not in told] == []
    assert len(told.splitlines()) == 1, told


def test_a_prompt_is_text_or_turns(tmp_path):
    (text,) = only(tmp_path, UNCHANGED).revisions
    turns = "prompt: [{role: system, content: Be kind.}, {role: user, content: 'How?'}]"
    (conversation,) = only(tmp_path, UNCHANGED.replace(ASKED, turns)).revisions
    assert text.conversation == [{"role": "user", "content": "How?"}]
    assert conversation.conversation == [{"role": "system", "content": "Be kind."}, *text.conversation]


def test_what_is_unchanged_is_revised_to_itself(tmp_path):
    (unchanged,) = only(tmp_path, UNCHANGED).revisions
    (changed,) = only(tmp_path, REVISION + "      revision: Well.\n").revisions
    assert (unchanged.revised, changed.revised) == ("So.", "Well.")


def test_only_transcripts_keep_the_white_space_around_them(tmp_path):
    text = HEAD + '  exemplars:\n    transcripts: ["\\n\\nHuman: {}\\n"]\n  title: "  Kind  "\n'
    assert only(tmp_path, text).transcripts == ("\n\nHuman: {}\n",)
    assert load(tmp_path / "mine.yaml").principles[0].title == "Kind"


def test_the_two_stages_have_the_principles_that_have_a_wording_for_them():
    revise = Principle(id="revise", revision_request="Make it kind.")
    compare = Principle(id="compare", comparison_request="Which is kinder?")
    both = Principle(id="both", revision_request="Make it true.", comparison_request="Which is truer?")
    constitution = Constitution(name="mine", principles=(revise, compare, both))
    assert constitution.for_revision == (revise, both)
    assert constitution.for_comparison == (compare, both)


def test_what_is_made_in_code_is_held_to_the_same(tmp_path):
    with pytest.raises(ValueError, match="needs a revision"):
        RevisionExemplar(prompt="How?", response="So.")
    with pytest.raises(ValueError, match="with itself"):
        ComparisonExemplar(prompt="How?", responses=("So.", "So. "), better="A")
    with pytest.raises(ValueError, match="is used by no stage"):
        Constitution(name="mine", principles=(Principle(id="idle"),))
    with pytest.raises(ValueError, match="given more than once: kind"):
        Constitution(name="mine", principles=(Principle(id="kind", revision_request="Make it kind."),) * 2)
    with pytest.raises(ValueError, match="0 times"):
        Exemplars(transcripts=("no slot",))
