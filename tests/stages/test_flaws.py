"""What goes wrong with critiques and revisions; each case is one that models make."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solon.chains import Completion
from solon.records import user
from solon.stages import flaws
from solon.stages.flaws import FlawPolicies

RESPONSE = "Cut the chain at night."
CRITIQUE = "The response helps with theft, which harms the owner."


@pytest.mark.parametrize(
    ("text", "found", "trimmed"),
    [
        ("Ask the owner first.", [], "Ask the owner first."),
        (RESPONSE, ["unchanged"], RESPONSE),
        (f" {RESPONSE}\n", ["unchanged"], RESPONSE),
        (CRITIQUE, ["copied_critique"], CRITIQUE),
        (f"{CRITIQUE} Ask the owner.", ["copied_critique"], f"{CRITIQUE} Ask the owner."),
        ("The response helps nobody.", [], "The response helps nobody."),
        ("Ring the bell, wait a minute and ask.", ["copied_exemplar"], "Ring the bell, wait a minute and ask."),
        ("Here is the revised response:\n\nAsk.", ["scaffold"], "Ask."),
        ("Here's a revised version of the response: Ask.", ["scaffold"], "Ask."),
        ('Sure! Here is my rewritten answer: "Ask the owner."', ["scaffold"], "Ask the owner."),
        ("Below is an improved, less harmful response:\nAsk.", ["scaffold"], "Ask."),
        ('Here is the new text: "Ask" or "wait".', ["scaffold"], '"Ask" or "wait".'),
        ("Here is how to ask: ring the bell.", [], "Here is how to ask: ring the bell."),
        ("Here is a list of the best things to do:\n- ask", [], "Here is a list of the best things to do:\n- ask"),
        ("Revision: Ask.", ["tags"], "Ask."),
        ("Assistant: Revision: Ask.", ["tags"], "Ask."),
        ("Ask.\n\nHuman: Thanks!\n\nAssistant: You are welcome.", ["tags"], "Ask."),
        ("Ask.\nCritiqueRequest: What is wrong?", ["tags"], "Ask."),
        ("Revision: Here is the revised answer: Ask.", ["tags"], "Here is the revised answer: Ask."),
        ("A note to every Human: ask.", [], "A note to every Human: ask."),
        ("\n\nHuman: and now?", ["tags"], "and now?"),
    ],
)
def test_a_revision_is_found_out_and_trimmed(text, found, trimmed):
    shown = ["Ring the bell, wait a minute and ask."]
    seen = flaws.of_any(Completion(text))
    seen += flaws.of_revision(text, response=RESPONSE, critique=CRITIQUE, exemplars=shown)
    assert seen == found
    assert flaws.trimmed(text, seen, FlawPolicies()) == trimmed
    assert flaws.trimmed(text, seen, FlawPolicies(tags="keep", scaffold="keep")) == text.strip()


@pytest.mark.parametrize(
    ("critique", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I cannot critique this response.", True),
        ("As an AI, I have no view.", True),
        ("I’m sorry to say that the response is harmful.", True),
        ("The response says it cannot help, which is evasive.", False),
        ("I think the response is rude.", False),
    ],
)
def test_a_critic_that_declines_is_found_by_how_it_begins(critique, refuses):
    assert flaws.of_critique(critique) == (["refusal"] if refuses else [])


@pytest.mark.parametrize(
    ("critique", "fine"),
    [
        ("There is no problem with the response.", True),
        ("I find no problem with the response.", True),
        ("The response has no harmful issues.", True),
        ("There is nothing to change. It declines and says why.", True),
        ("Nothing harmful was said.", True),
        ("The response is already appropriate.", True),
        ("The response helps with theft.", False),
        ("The response is rude. There is nothing wrong with its grammar.", False),
        ("The response is fine but rude.", False),
        ("", False),
    ],
)
def test_a_critique_that_finds_nothing_says_so_in_its_first_sentence(critique, fine):
    assert flaws.finds_nothing(critique) == fine


@pytest.mark.parametrize(
    ("completion", "found"),
    [
        (Completion("Ask", "length"), ["cut"]),
        (Completion(" \n"), ["empty"]),
        (Completion("", "length"), ["cut", "empty"]),
        (Completion("Human: no"), ["tags"]),
        (Completion("Ask."), []),
    ],
)
def test_any_text_can_be_cut_empty_or_tagged(completion, found):
    assert flaws.of_any(completion) == found


def test_what_is_dropped_is_what_the_policy_says():
    assert flaws.dropped(["unchanged", "copied_critique"], FlawPolicies()) == "copied_critique"
    assert flaws.dropped(["unchanged"], FlawPolicies()) is None
    assert flaws.dropped(["unchanged"], FlawPolicies(unchanged="drop")) == "unchanged"
    assert flaws.dropped(["refusal", "tags"], FlawPolicies(copied_critique="keep")) is None


def test_every_flaw_has_a_policy_and_words():
    assert set(flaws.WORDS) == {field.name for field in fields(FlawPolicies)}


@pytest.mark.parametrize(
    "marker", ["{}", "]]]", "[[[", "(A)", "<|im_start|>", "\n\nHuman: hi", "\nRevision: x", "</s>"]
)
def test_a_prompt_that_quotes_a_template_is_said_to(marker):
    assert flaws.of_prompt([user(f"What is{marker}?")])
    assert not flaws.of_prompt([user("What is { this } [A]?")])


def test_flaws_are_counted_by_what_became_of_them_whatever_their_number():
    rows = [
        {"flaws": ["prompt contains (A)", "response 2 contains </s>", "critique 1 is a refusal"]},
        {"flaws": ["revision 1 has a tag", "revision 12 has a tag", "revision 12 empty", "response cut at max_tokens"]},
    ]
    assert flaws.counted(rows, FlawPolicies()) == {
        "revision has a tag": {"trimmed": 2},
        "prompt contains (A)": {"kept": 1},
        "response contains </s>": {"kept": 1},
        "critique is a refusal": {"kept": 1},
        "revision empty": {"dropped": 1},
        "response cut at max_tokens": {"dropped": 1},
    }
    assert flaws.counted(rows, FlawPolicies(tags="keep"))["revision has a tag"] == {"kept": 2}
    assert flaws.counted([], FlawPolicies()) == {}


@given(st.text(), st.text(), st.text())
def test_finding_and_trimming_never_fail_and_trimming_only_takes_away(text, response, critique):
    found = flaws.of_any(Completion(text))
    found += flaws.of_revision(text, response=response, critique=critique, exemplars=[critique])
    assert flaws.trimmed(text, found, FlawPolicies()) in text
