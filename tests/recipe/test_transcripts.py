import gzip
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solon.recipe import transcripts
from solon.recipe.transcripts import answered, awaiting, each_human_turn, read_transcript
from solon.records import assistant, user

H, A = "\n\nHuman:", "\n\nAssistant:"
SPEAKERS = {"user": H, "assistant": A}


def written(turns):
    return "".join(f"{SPEAKERS[turn['role']]} {turn['content']}" for turn in turns)


def system(content):
    return {"role": "system", "content": content}


@pytest.mark.parametrize(
    ("text", "turns", "notes"),
    [
        (f"{H} a{A}", [user("a")], set()),
        (f"{H} a{A} b{H} c{A}", [user("a"), assistant("b"), user("c")], set()),
        (f"{H} a{A} b", [user("a")], {transcripts.ANSWER_CUT}),
        (f"{H} a", [user("a")], set()),
        ("Human: a\n\nAssistant: b\n\nHuman: c", [user("a"), assistant("b"), user("c")], set()),
        (f"\n  \n{H}  a\n{A}", [user("a")], set()),
        (f"{H} a{H} b{A}", [user("a\n\nb")], {transcripts.JOINED}),
        (
            f"{H} a{A} b{A} c{H} d{A} e{A} f",
            [user("a"), assistant("b\n\nc"), user("d")],
            {transcripts.JOINED, transcripts.ANSWER_CUT},
        ),
        (f"{H} a{A} {H} b{A}", [user("a\n\nb")], {transcripts.EMPTY_TURN, transcripts.JOINED}),
        (f"{H} a{A} b{H}\n{A} c{H} d", [user("a"), assistant("b\n\nc"), user("d")],
         {transcripts.EMPTY_TURN, transcripts.JOINED}),
        (f"{H} a{A} ", [user("a")], {transcripts.EMPTY_TURN}),
        (f"{H} a Human: b\nAssistant: c{A}", [user("a Human: b\nAssistant: c")], {transcripts.TAG_INSIDE}),
        (f"{H} a{A} b{H}", [user("a")], {transcripts.STOP_MARKER, transcripts.ANSWER_CUT}),
        (f"{H} a{A} b\nHuman: \n", [user("a")], {transcripts.STOP_MARKER, transcripts.ANSWER_CUT}),
        (f"{H} a{H}{H}", [user("a")], {transcripts.STOP_MARKER}),
        (f"{H} say Human:", [user("say Human:")], {transcripts.TAG_INSIDE}),
        (f"{H} a\r\n\r\nAssistant: b\r\n\r\nHuman: c\r\nd", [user("a"), assistant("b"), user("c\nd")],
         {transcripts.WINDOWS_LINES}),
        (f"Be kind.{H} a{A}", [system("Be kind."), user("a")], {transcripts.BEFORE_TURNS}),
        (f"{A} a{H} b{A}", [assistant("a"), user("b")], {transcripts.ASSISTANT_FIRST}),
        (f"{H} a\x1b[31m\u2028{{}}</s>{A}", [user("a\x1b[31m\u2028{}</s>")], set()),
    ],
)  # fmt: skip
def test_a_transcript_is_a_prompt_and_what_is_odd_is_said(text, turns, notes):
    found, said = read_transcript(text)
    assert awaiting(found) == turns
    assert said == notes


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], transcripts.NO_HUMAN_TURN),
        (read_transcript("")[0], transcripts.NO_HUMAN_TURN),
        (read_transcript("just text, Human: or not")[0], transcripts.NO_HUMAN_TURN),
        (read_transcript(H)[0], transcripts.NO_HUMAN_TURN),
        (read_transcript(f"{A} a")[0], transcripts.NO_HUMAN_TURN),
        (read_transcript(f"{H} {A} a")[0], transcripts.EMPTY_HUMAN_TURN),
        (read_transcript(f"{H} a{A} b{H}{A} c")[0], transcripts.EMPTY_HUMAN_TURN),
        ([user("a"), assistant("b"), user(" ")], transcripts.EMPTY_HUMAN_TURN),
        ([user("a"), system("b"), assistant("c")], transcripts.NOT_THE_HUMAN),
        ([system("b")], transcripts.NO_HUMAN_TURN),
    ],
)
def test_where_nothing_awaits_an_answer_the_reason_is_said(turns, reason):
    with pytest.raises(ValueError, match="turn") as caught:
        awaiting(turns)
    assert str(caught.value) == reason


def test_an_answer_is_parted_from_what_it_answers():
    assert answered([user("a"), assistant("b"), assistant(" c ")]) == ([user("a")], "b\n\n c")
    for turns, reason in (
        ([user("a")], transcripts.NO_ANSWER),
        ([user("a"), assistant(" ")], transcripts.EMPTY_ANSWER),
    ):
        with pytest.raises(ValueError, match=reason):
            answered(turns)


def test_each_human_turn_is_a_prompt_with_all_before_it():
    turns = [system("s"), user("a"), assistant("b"), user("c")]
    assert each_human_turn(turns) == [turns[:2], turns]


said = st.text(alphabet="abc é\n:{}\u2028", min_size=1).map(str.strip).filter(lambda text: text and "\n\n" not in text)
exchanges = st.lists(st.tuples(said, said), min_size=1, max_size=6)


@given(exchanges)
def test_a_well_formed_transcript_is_the_same_after_it_was_read(exchanges):
    turns = [turn for asked, answered in exchanges for turn in (user(asked), assistant(answered))]
    text = written(turns)
    found, notes = read_transcript(text)
    assert found == turns
    assert written(found) == text
    assert notes == {transcripts.ANSWER_CUT}
    assert awaiting(found) == turns[:-1]
    assert each_human_turn(turns[:-1]) == [turns[: 2 * number + 1] for number in range(len(exchanges))]


@pytest.mark.parametrize("text", ["\n" * 10**6 + "x", H * 10**5, f"{H} a" + "\n \n" * 10**5 + "b", "Human:" * 10**5])
def test_text_made_to_take_long_does_not(text):
    began = time.monotonic()
    read_transcript(text)
    assert time.monotonic() - began < 5


def test_hh_rlhf_has_the_oddities_that_were_counted_in_it(shared_data):
    with gzip.open(shared_data("hh-rlhf/harmless-base-test.jsonl.gz"), "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    found = [read_transcript(row[name]) for row in rows for name in ("chosen", "rejected")]
    assert len(found) == 4624
    counts = {note: sum(note in notes for _, notes in found) for note in set().union(*(notes for _, notes in found))}
    assert counts == {
        transcripts.ANSWER_CUT: 4620,
        transcripts.JOINED: 13,
        transcripts.TAG_INSIDE: 73,
        transcripts.EMPTY_TURN: 4,
    }
    inside = [turn["content"] for turns, _ in found for turn in turns if "Human:" in turn["content"]]
    assert len(inside) == 104
    humans = [sum(turn["role"] == "user" for turn in turns) for turns, _ in found[::2]]
    assert (min(humans), max(humans), humans.count(1)) == (1, 18, 662)
