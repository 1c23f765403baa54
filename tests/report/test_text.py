from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solon.report import differences, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "⟨U+001B⟩[31mred"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("\u2066x\u2069", "⟨U+2066⟩x⟨U+2069⟩"),
        ("\x00\x7f\x9b", "⟨U+0000⟩⟨U+007F⟩⟨U+009B⟩"),
        ("a\ud800b", "a⟨U+D800⟩b"),
        ("one\r\ntwo\u2028", "one⟨U+000D⟩\ntwo⟨U+2028⟩"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
    ],
)
def test_what_hides_or_reorders_is_shown_by_its_code(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text", ["", "plain", "tab\tline\n", "é ß 漢字", "👩‍💻🏳️‍🌈", "هل يمكنني", "می‌خواهم", "a\u00a0b"]
)
def test_what_people_write_stays_as_it_is(text):
    assert visible(text) == text


def test_differences_are_word_by_word():
    assert differences("Take the bike.", "Leave the bike.") == [
        ("removed", "Take"),
        ("added", "Leave"),
        ("same", " the bike."),
    ]
    assert differences("I can.", "No, I can.\n") == [("added", "No, "), ("same", "I can."), ("added", "\n")]
    assert differences("same", "same") == [("same", "same")]
    assert differences("", "") == []


def test_a_word_that_two_larger_changes_share_counts_as_changed():
    before = "Of course, cut the lock and leave."
    after = "I will not, since it is the neighbour’s, help you to leave."
    assert ("same", " the") not in differences(before, after)


@given(st.text(alphabet="ab the.\n'-é", max_size=60), st.text(alphabet="ab the.\n'-é", max_size=60))
def test_the_pieces_are_both_texts(before, after):
    pieces = differences(before, after)
    assert "".join(text for kind, text in pieces if kind != "added") == before
    assert "".join(text for kind, text in pieces if kind != "removed") == after
    assert all(first[0] != second[0] for first, second in pairwise(pieces))
