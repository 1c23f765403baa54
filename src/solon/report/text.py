"""Text that a model wrote, made fit to be read: hidden characters shown, and what a revision changed."""

import re
import unicodedata
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

Kind = Literal["same", "removed", "added"]
Piece = tuple[Kind, str]
KINDS: tuple[Kind, ...] = ("same", "removed", "added")

WORD = re.compile(r"(\s*)(\w+(?:['’-]\w+)*|[^\w\s]+)")
"""A word or a run of punctuation, and the white space before it."""

ISLAND_WORDS = 2

LEGITIMATE = {"\n", "\t", "\u200c", "\u200d"}
"""Shown as they are: line ends, tabs, and the joiners that emoji and many scripts need, which reorder nothing."""
HIDING = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
"""The Unicode categories of what is not seen: controls, formats, line separators, what has no meaning (yet)."""


def visible(text: str) -> str:
    """Show characters that hide, reorder or command by their code: a terminal's escape is "⟨U+001B⟩"."""
    return text if text.isprintable() else "".join(_shown(character) for character in text)


def differences(before: str, after: str) -> list[Piece]:
    """Return what became of `before`, word by word; a word or two that two larger changes share counts as changed.

    The same and removed pieces joined are `before`; the same and added pieces joined are `after`.
    """
    old, old_tail = _words(before)
    new, new_tail = _words(after)
    pieces: list[Piece] = []
    matcher = SequenceMatcher(a=[word for _, word in old], b=[word for _, word in new])
    for change, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        gone, come = old[old_start:old_end], new[new_start:new_end]
        if change == "equal":
            for (old_gap, word), (new_gap, _) in zip(gone, come, strict=True):
                pieces += [*_changed(old_gap, new_gap), ("same", word)]
        else:
            pieces += _replaced("".join(map("".join, gone)), "".join(map("".join, come)))
    return _without_islands(_joined([*pieces, *_changed(old_tail, new_tail)]))


def _shown(character: str) -> str:
    hides = character not in LEGITIMATE and unicodedata.category(character) in HIDING
    return f"⟨U+{ord(character):04X}⟩" if hides else character


def _words(text: str) -> tuple[list[tuple[str, str]], str]:
    words = [(match[1], match[2]) for match in WORD.finditer(text)]
    return words, text[sum(len(gap) + len(word) for gap, word in words) :]


def _changed(before: str, after: str) -> list[Piece]:
    return [("same", before)] if before == after else [("removed", before), ("added", after)]


def _replaced(before: str, after: str) -> list[Piece]:
    """Leave the white space that both begin with out of the change."""
    gap = before[: len(before) - len(before.lstrip())]
    if not after.startswith(gap):
        gap = ""
    return [("same", gap), ("removed", before[len(gap) :]), ("added", after[len(gap) :])]


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Join neighbours of one kind; within a change, what was removed comes before what was added."""
    joined: list[Piece] = []
    for _, neighbours in groupby((piece for piece in pieces if piece[1]), key=lambda piece: piece[0] == "same"):
        texts = dict.fromkeys(KINDS, "")
        for kind, text in neighbours:
            texts[kind] += text
        joined += [(kind, texts[kind]) for kind in KINDS if texts[kind]]
    return joined


def _without_islands(pieces: list[Piece]) -> list[Piece]:
    """Take "the" and "to" that a rewritten sentence happens to keep for changed: else it reads as confetti."""
    sizes = [0 if kind == "same" else len(text) for kind, text in pieces]
    folded: list[Piece] = []
    for i, (kind, text) in enumerate(pieces):
        around = min(max(sizes[max(0, i - 2) : i], default=0), max(sizes[i + 1 : i + 3], default=0))
        is_island = kind == "same" and len(text.split()) <= ISLAND_WORDS and len(text.strip()) <= around
        folded += [("removed", text), ("added", text)] if is_island else [(kind, text)]
    return _joined(folded)
