"""A journal gives back what it was given, and says so when it cannot."""

import errno
import json
import math
import os
import re
import resource
import subprocess
import time
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solon.chains import Choice, Choose, Completion, Failure, Generate, Reply, Request, Sampling
from solon.errors import UsageError
from solon.models.drivers import Answered
from solon.records import user
from solon.runs.journal import JournalFile, digest_of

ANY_TEXT = st.text(st.characters(exclude_categories=()))
PROBABILITY = st.floats(0, 1)
REPLIES: st.SearchStrategy[Reply] = st.one_of(
    st.builds(Completion, ANY_TEXT, st.sampled_from(["stop", "length"]), ANY_TEXT, st.integers(0, 2**40)),
    st.builds(Choice, st.lists(PROBABILITY, max_size=4).map(tuple), PROBABILITY, st.sampled_from(["exact", "votes"])),
    st.builds(Failure, ANY_TEXT),
)


def question(text: str) -> Request:
    return Generate([user(text)])


def joined(text: str) -> str:
    """Join surrogates that make up one character; the others stay."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def told(row: str, reply: Reply, turn: int = 0) -> Answered:
    return Answered(row, turn, question(f"{row}, {turn}"), reply)


def a_journal_of(path: Path, *, lines: int) -> bytes:
    journal = JournalFile(path)
    for i in range(lines):
        journal.keep([told(f"p{i}", Completion(f"text {i}", tokens=10)), told(f"q{i}", Choice((0.25, 0.75), 0.9))])
    journal.close()
    return path.read_bytes()


@settings(deadline=None)
@given(text=ANY_TEXT, replies=st.lists(REPLIES, min_size=1, max_size=3))
def test_any_reply_comes_back_as_it_was(tmp_path_factory, text, replies):
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    batch = [Answered(text, turn, question(text), reply) for turn, reply in enumerate(replies)]
    with patch("os.fsync"):
        JournalFile(path).keep(batch)
        again = JournalFile(path)
    for it in batch:
        fields = {name: joined(value) if isinstance(value, str) else value for name, value in vars(it.reply).items()}
        assert again.recall(joined(it.row), it.turn, it.request) == type(it.reply)(**fields)
    assert re.fullmatch(rb"[ -~]+\n", path.read_bytes())


@pytest.mark.parametrize("number", [5e-324, 1e-300, 0.1, math.nextafter(1, 0), math.inf, -0.0])
def test_floats_come_back_exactly(tmp_path, number):
    batch = [told("p", Choice((number, 1 / 3), mass=number))]
    JournalFile(tmp_path / "j").keep(batch)
    reply = JournalFile(tmp_path / "j").recall("p", 0, batch[0].request)
    assert isinstance(reply, Choice)
    assert [x.hex() for x in (*reply.probabilities, reply.mass)] == [x.hex() for x in (number, 1 / 3, number)]


def test_a_character_that_a_stream_split_comes_back_joined_and_is_the_same_question(tmp_path):
    JournalFile(tmp_path / "j").keep([told("p", Completion("\ud83d\ude00 \ud83d"))])
    assert JournalFile(tmp_path / "j").recall("p", 0, question("p, 0")) == Completion("\U0001f600 \ud83d")
    assert digest_of(question("\ud83d\ude00")) == digest_of(question("\U0001f600"))


def test_of_a_row_that_is_forgotten_nothing_is_recalled_and_of_others_all(tmp_path):
    a_journal_of(tmp_path / "j", lines=3)
    journal = JournalFile(tmp_path / "j")
    journal.keep([told("p1", Completion("later"), turn=2)])
    assert journal.recall("p1", 1, question("p1, 1")) is None
    assert journal.recall("p1", 2, question("p1, 2")) == Completion("later")
    journal.forget("p1")
    assert journal.recall("p1", 0, question("p1, 0")) is None
    assert journal.recall("p2", 0, question("p2, 0")) == Completion("text 2", tokens=10)
    assert journal.rows == {"p0", "q0", "q1", "p2", "q2"}
    assert JournalFile(tmp_path / "j").rows == {"p1", *journal.rows}


def test_a_line_that_is_changed_while_the_run_goes_on_is_no_reply(tmp_path):
    whole = a_journal_of(tmp_path / "j", lines=2)
    journal = JournalFile(tmp_path / "j")
    (tmp_path / "j").write_bytes(whole.replace(b"text 1", b"test 1"))
    with pytest.raises(UsageError, match=r"was changed, at byte \d+, while the run went on"):
        journal.recall("p1", 0, question("p1, 0"))


def test_a_batch_is_one_line(tmp_path):
    lines = a_journal_of(tmp_path / "j", lines=3).decode().splitlines()
    assert [[it["row"] for it in json.loads(line)["replies"]] for line in lines] == [
        [f"p{i}", f"q{i}"] for i in range(3)
    ]


def test_a_question_that_was_not_asked_has_no_reply(tmp_path):
    journal = JournalFile(tmp_path / "j")
    journal.keep([told("p", Failure("too long"))])
    assert journal.recall("p", 0, question("p, 0")) == Failure("too long")
    assert journal.recall("p", 1, question("p, 1")) is None


def test_another_question_than_the_one_on_file_names_the_row_and_the_turn(tmp_path):
    journal = JournalFile(tmp_path / "j")
    journal.keep([told("p7", Completion("text"), turn=2)])
    with pytest.raises(UsageError, match=r"'p7' asks another question at turn 2 .* prompt template has changed"):
        journal.recall("p7", 2, question("something else"))


@pytest.mark.parametrize(
    "other",
    [
        Generate([user("a")], Sampling(temperature=0.5)),
        Generate([user("a")], seed=1),
        Generate([user("a")], prefill="("),
        Generate([user("a "), user("")]),
        Choose([user("a")], ("A", "B")),
    ],
)
def test_questions_that_differ_have_digests_that_differ(other):
    assert digest_of(other) != digest_of(Generate([user("a")]))


@pytest.mark.parametrize(
    ("asked", "digest"),
    [
        (Generate([user("a")], Sampling(stop=("b",)), seed=1, prefill="("), "5b6460a2e745945f"),
        (Choose("text", ("A", "B"), "("), "5a1cf34a35b3fa84"),
    ],
)
def test_a_digest_is_what_it_was_in_the_journals_there_are(asked, digest):
    assert digest_of(asked) == digest


def test_no_question_is_answered_twice(tmp_path):
    journal = JournalFile(tmp_path / "j")
    journal.keep([told("p", Completion("one"))])
    with pytest.raises(ValueError, match="answered on file"):
        journal.keep([told("q", Completion("two")), told("p", Completion("two"))])
    assert JournalFile(tmp_path / "j").rows == {"p"}


def test_tokens_are_counted_over_sessions(tmp_path):
    a_journal_of(tmp_path / "j", lines=3)
    journal = JournalFile(tmp_path / "j")
    journal.keep([told("new", Completion("text", tokens=5))])
    assert journal.tokens == 35


def test_a_line_torn_at_any_byte_is_dropped_from_the_file(tmp_path):
    whole = a_journal_of(tmp_path / "j", lines=3)
    start = whole[:-1].rindex(b"\n") + 1
    for end in range(start, len(whole), 7):
        (tmp_path / "j").write_bytes(whole[:end])
        assert JournalFile(tmp_path / "j").rows == {"p0", "q0", "p1", "q1"}
        assert (tmp_path / "j").read_bytes() == whole[:start]


def test_a_damaged_last_line_is_dropped_as_well(tmp_path):
    whole = a_journal_of(tmp_path / "j", lines=2)
    (tmp_path / "j").write_bytes(whole.replace(b"text 1", b"test 1"))
    assert JournalFile(tmp_path / "j").rows == {"p0", "q0"}


def test_a_flipped_byte_in_the_middle_stops_with_the_line_and_the_remedy(tmp_path):
    whole = a_journal_of(tmp_path / "a run's j", lines=4)
    second, third = (whole.index(f'{{"replies": [{{"row": "p{i}"'.encode()) for i in (1, 2))
    for position in range(second, third, 11):
        flipped = bytearray(whole)
        flipped[position] ^= 1
        (tmp_path / "a run's j").write_bytes(flipped)
        with pytest.raises(UsageError, match=r"line 2, is damaged") as error:
            JournalFile(tmp_path / "a run's j")
        assert (tmp_path / "a run's j").read_bytes() == flipped
    subprocess.run(str(error.value).splitlines()[-1], shell=True, check=True)
    assert JournalFile(tmp_path / "a run's j").rows == {"p0", "q0"}


def test_a_line_that_answers_a_question_again_is_damage(tmp_path):
    whole = a_journal_of(tmp_path / "j", lines=2)
    (tmp_path / "j").write_bytes(whole + whole)
    with pytest.raises(UsageError, match="line 3, is damaged"):
        JournalFile(tmp_path / "j")


def test_a_write_that_comes_back_short_leaves_the_file_as_it_was(tmp_path):
    before = a_journal_of(tmp_path / "j", lines=2)
    journal = JournalFile(tmp_path / "j")
    write = os.write
    with (
        patch("os.write", lambda file, data: write(file, data[:20])),
        pytest.raises(OSError, match=r"disk is full.*free some space and type the same command"),
    ):
        journal.keep([told("new", Completion("text"))])
    assert (tmp_path / "j").read_bytes() == before
    journal.keep([told("new", Completion("text"))])
    assert JournalFile(tmp_path / "j").rows == {"p0", "q0", "p1", "q1", "new"}


def test_a_file_that_may_not_grow_is_left_as_it_was(tmp_path):
    before = a_journal_of(tmp_path / "j", lines=2)
    journal = JournalFile(tmp_path / "j")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 30, limits[1]))
    try:
        with pytest.raises(OSError, match="type the same command again"):
            journal.keep([told("new", Completion("text"))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "j").read_bytes() == before


@pytest.fixture
def small_disk(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk needs the right to mount")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_full_disk_costs_no_reply_that_was_on_file(small_disk):
    journal = JournalFile(small_disk / "j")
    kept: set[str] = set()

    def fill() -> None:
        for i in range(1000):
            journal.keep([told(f"p{i}", Completion("x" * 999))])
            kept.add(f"p{i}")

    with pytest.raises(OSError, match="disk is full") as error:
        fill()
    assert error.value.errno == errno.ENOSPC
    journal.close()
    assert JournalFile(small_disk / "j").rows == kept
    assert len(kept) > 20


def test_lines_reach_the_disk_in_groups_of_64_or_after_a_second(tmp_path):
    points: list[str] = []
    clock = time.monotonic()
    with patch("time.monotonic", lambda: clock):
        journal = JournalFile(tmp_path / "j", reached=points.append)
        for i in range(64):
            assert "journal.after-fsync" not in points
            journal.keep([told(f"p{i}", Completion("text"))])
        assert points.count("journal.after-fsync") == 1
        journal.keep([told("one more", Completion("text"))])
        assert points.count("journal.after-fsync") == 1
        clock += 1
        journal.keep([told("a second later", Completion("text"))])
        assert points.count("journal.after-fsync") == 2
        journal.close()
    assert points.count("journal.after-fsync") == 3
