import io

from rich.console import Console
from rich.text import Text

from solon.cli.trace import most_telling, show_trace
from solon.constitution.schema import Constitution, Principle
from solon.records import assistant, user

ROW = {
    "id": "p1",
    "prompt": [user("How?")],
    "drop_reason": None,
    "kind": "red-team",
    "response": "Sure, like this.",
    "steps": [{"principle": "no-harm", "critique": "It is theft.", "revision": "No, not like this."}],
    "flaws": [],
}
DIRECT = {**ROW, "steps": [{**ROW["steps"][0], "critique": None}]}
LABEL = {
    "id": "p1",
    "prompt": [user("How?"), assistant("How what?"), user("Like that?")],
    "drop_reason": None,
    "kind": "red-team",
    "prompt_id": "p1",
    "responses": ["Yes.", "No."],
    "revision": None,
    "judgements": [
        {
            "model": None,
            "constitution": "mine",
            "principle": "no-harm",
            "forward": 0.2,
            "backward": 0.3,
            "mass": 0.97,
            "known_by": "exact",
            "reasoning": [
                {"text": "(B) harms less.", "thinking": "", "swapped": False},
                {"text": "(A) harms less.", "thinking": "Which?", "swapped": True},
            ],
            "state": "labelled",
            "reason": None,
        }
    ],
    "probability": 0.25,
    "known_by": "exact",
    "consistent": True,
    "mass": 0.97,
    "state": "labelled",
    "flaws": ["response 1 contains (A)"],
}
CONSTITUTION = Constitution(
    name="mine",
    hard_constraints=("Never lie.",),
    principles=(
        Principle(
            id="no-harm",
            title="Do no harm",
            critique_request="What harms?",
            revision_request="Harm nobody.",
            comparison_request="Which harms less?",
        ),
    ),
)
OTHER = Constitution(name="other", principles=(Principle(id="x", revision_request="Y."),))


def judged(**changes):
    return {**LABEL["judgements"][0], **changes}


def shown(row, *constitutions, colours=False, terminal=False, width=80):
    out = io.StringIO()
    system = "standard" if colours else None
    console = Console(file=out, force_terminal=terminal or colours, color_system=system, width=width, highlight=False)
    show_trace(console, row, constitutions or (CONSTITUTION,))
    return out.getvalue()


def test_a_step_is_told_as_in_the_papers_appendix_with_what_asked_for_it():
    assert (
        shown(ROW)
        == """\
id: p1
Human: How?
Response: Sure, like this.

Principle 1: Do no harm (no-harm)
Critique request 1: What harms?

  Say so too if the response breaks one of these rules, which always hold:
  - Never lie.
Critique 1: It is theft.
Revision request 1: Harm nobody.

  Keep these rules, which always hold:
  - Never lie.
Revision 1: [-Sure,-]{+No, not+} like this.
"""
    )


def test_a_comparison_is_told_with_what_asked_for_it_what_was_said_and_what_was_wrong():
    told = shown(LABEL)
    assert told.startswith("""\
id: p1
Human: How?
Assistant: How what?
Human: Like that?
Response A: Yes.
Response B: No.

Principle: Do no harm (no-harm)
Comparison request: Which harms less?
""")
    assert told.endswith("""\
Reasoning 1: (B) harms less.
Thinking 2, which saw B as (A) and A as (B): Which?
Reasoning 2, which saw B as (A) and A as (B): (A) harms less.
A is better, as it stands here: 0.200
A is better, shown as (B): 0.300

Probability that A is better: 0.250
Both orders agree: yes
Probability of A and B together: 0.970
Known by: exact
Flaw: response 1 contains (A)
""")


def test_a_pair_of_which_one_response_is_missing_is_told():
    told = shown({"id": "p1", "prompt": [], "drop_reason": "response 2 empty", "responses": ["Yes."]})
    assert told == "id: p1\nResponse A: Yes.\n\nDropped: response 2 empty\n"


def test_without_a_critique_none_was_asked_for():
    told = shown(DIRECT)
    assert "Critique" not in told
    assert "Revision request 1: Harm nobody." in told


def test_without_its_principle_a_step_is_told_by_its_id():
    assert "\nPrinciple 1: no-harm\nCritique 1: It is theft.\nRevision 1: " in shown(ROW, OTHER)


def test_every_judgement_is_told_with_who_made_it_and_how_it_ended():
    refused = judged(model="Qwen", state="refused", reason="reasoning 1 is a refusal", forward=None, backward=None)
    other = judged(model="Llama", constitution="other", principle="x", reasoning=[])
    told = shown({**LABEL, "judgements": [refused, other]}, CONSTITUTION, OTHER)
    assert "\nFeedback model: Qwen\nPrinciple: Do no harm (no-harm)\n" in told
    assert "\nRefused: reasoning 1 is a refusal\n\nFeedback model: Llama\nConstitution: other\nPrinciple: x\n" in told
    assert told.count("A is better, as it stands here: 0.200") == 1


def test_a_revision_that_was_set_against_its_response_is_named():
    row = {**LABEL, "judgements": [], "revision": 2, "known_by": "assumed", "probability": 0.0}
    told = shown(row)
    assert "Response A: Yes.\nResponse B, a revision of the other: No.\n" in told
    assert "Known by: assumed" in told


def test_changes_are_coloured_where_there_are_colours_and_stand_apart():
    told = shown(ROW, colours=True)
    assert "\x1b[9;31mSure,\x1b[0m \x1b[32mNo, not\x1b[0m like this." in told
    assert "[-" not in told


def test_changes_are_marked_where_there_is_to_be_no_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert "[-Sure,-]{+No, not+} like this." in shown(ROW, colours=True)


def test_a_revision_that_changed_nothing_says_so():
    same = {**ROW, "steps": [{**ROW["steps"][0], "revision": ROW["response"]}]}
    assert "Revision 1, unchanged: Sure, like this.\n" in shown({**same, "flaws": ["revision 1 unchanged"]})


def test_a_revision_that_was_not_asked_for_says_so():
    fine = {**ROW, "steps": [{**ROW["steps"][0], "critique": "Nothing is wrong.", "revision": ROW["response"]}]}
    told = shown(fine)
    assert "Revision request" not in told
    assert "Critique 1: Nothing is wrong.\nRevision 1: not asked for, as the critique found nothing to mend\n" in told


def test_a_terminals_lines_are_broken_between_words_and_a_files_are_not():
    row = {**ROW, "response": "word " * 40}
    lines = Text.from_ansi(shown(row, terminal=True, width=40)).plain.splitlines()
    assert max(map(len, lines)) <= 40
    assert [line for line in lines if line.startswith("  word")]
    assert "word " * 39 + "word\n" in shown({**ROW, "response": ("word " * 40).strip()}, width=40)


def test_nothing_that_was_said_can_command_the_terminal_or_pass_for_a_line_of_solons():
    said = "\x1b[2Jfine\nDropped: no\n[bold red]x[/]"
    step = {"principle": said, "critique": said, "revision": said}
    for row in (
        {**ROW, "id": said, "prompt": [user(said)], "response": said, "steps": [step], "drop_reason": said},
        {
            **LABEL,
            "responses": [said, said],
            "judgements": [
                judged(
                    model=said,
                    principle=said,
                    reason=said,
                    reasoning=[{"text": said, "thinking": said, "swapped": True}],
                )
            ],
            "flaws": [said],
        },
    ):
        for told in (shown(row), shown(row, terminal=True)):
            assert "\x1b[2J" not in told
            assert "⟨U+001B⟩[2Jfine\n  Dropped: no\n  [bold red]x[/]" in told
            assert "\nDropped: no" not in told


def test_what_was_wrong_and_why_a_row_was_dropped_stand_at_its_end():
    flawed = {**ROW, "flaws": ["prompt contains (A)", "revision 1 empty"], "drop_reason": "revision 1 empty"}
    assert shown(flawed).endswith("\n\nFlaw: prompt contains (A)\nFlaw: revision 1 empty\nDropped: revision 1 empty\n")


def test_the_row_shown_first_is_one_that_became_another_response():
    worded = {**ROW, "id": "worded", "steps": [{**ROW["steps"][0], "revision": "Sure, just like this."}]}
    same = {**ROW, "id": "same", "steps": [{**ROW["steps"][0], "revision": ROW["response"]}]}
    helpful = {**ROW, "id": "helpful", "steps": []}
    dropped = {**ROW, "id": "dropped", "drop_reason": "empty"}
    assert most_telling([dropped, helpful, same, worded, ROW])["id"] == "p1"
    assert most_telling([helpful, same])["id"] == "same"
    assert most_telling([helpful]) is None
