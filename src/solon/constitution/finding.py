"""What a check finds, and how alike two wordings are."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

NEARLY_THE_SAME = 0.9
"""The share of words in common, difflib's ratio in [0, 1], above which two wordings are near-duplicates."""


@dataclass(frozen=True)
class Finding:
    """One thing to mend. With an error a whole run cannot finish, or what it measures is worth nothing; a warning says
    what the run is likely to become."""

    severity: Literal["error", "warning"]
    where: str
    """The principle and field, e.g. "no-harm.exemplars.revisions[2]" (from 1), or "the constitution"."""
    message: str
    fix: str


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"\w+", text.lower())


def alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two lists of words are nearly the same."""
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    ratios = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)  # the cheap ones are upper bounds
    return all(ratio() > NEARLY_THE_SAME for ratio in ratios)
