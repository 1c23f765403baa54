"""Which comparisons a preference model is trained on: AI labels, and beside them what people prefer (section 4.2)."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from solon.errors import UsageError
from solon.records import Comparison, rng

Source = Literal["ai", "human"]


def usable(rows: Sequence[Comparison]) -> list[Comparison]:
    """The rows that are not dropped.

    Raises:
        UsageError: there are none, or one of them cannot be learned.
    """
    kept = [row for row in rows if row["drop_reason"] is None]
    if not kept:
        raise UsageError(f"no comparison to train on: all of the {len(rows)} are dropped; see their drop_reason")
    for row in kept:
        if flaw := _flaw(row):
            raise UsageError(f"comparison {row['id']!r} cannot be learned: {flaw}; drop it, with a drop_reason")
    return kept


def mixed(rows: list[Comparison], *, ratio: float | None, seed: int) -> list[Comparison]:
    """At most `ratio` human comparisons for each AI comparison; which are left out is drawn by the seed."""
    human = [number for number, row in enumerate(rows) if source_of(row) == "human"]
    if ratio is None or len(human) == len(rows):
        return rows
    too_many = max(0, len(human) - round(ratio * (len(rows) - len(human))))
    left_out = set(rng(seed, "human").sample(human, too_many))
    return [row for number, row in enumerate(rows) if number not in left_out]


def sources(rows: Sequence[Comparison], *, used: Sequence[Comparison]) -> dict[str, dict[str, Any]]:
    """Of each source how many comparisons there are, how many of them are used, and why others were dropped."""
    kept = Counter(map(source_of, used))
    found: dict[str, dict[str, Any]] = {}
    for source, count in sorted(Counter(map(source_of, rows)).items()):
        reasons = Counter(row["drop_reason"] for row in rows if source_of(row) == source and row["drop_reason"])
        found[source] = {"rows": count, "used": kept[source], "dropped": dict(reasons)}
    return found


def source_of(row: Comparison) -> Source:
    """Whose preference it is: the feedback model's, or people's as in `HumanComparison`."""
    return "human" if row.get("source") == "human" else "ai"


def _flaw(row: Comparison) -> str | None:
    label, responses = row["probability"], row["responses"]
    if label is None or not 0 <= label <= 1:  # NaN is not
        return f"its label is {label}, and must be a probability"
    if len(responses) != 2:
        return f"it has {len(responses)} responses, and must have two"
    if not all(response.strip() for response in responses):
        return "a response is empty"
    return "its responses are identical" if responses[0] == responses[1] else None
