"""What several prompts begin with."""

from collections.abc import Sequence
from dataclasses import dataclass

SHARED = 0.5
"""A prompt joins others with which it shares this part of its tokens."""


@dataclass(frozen=True)
class Trunk:
    """What some prompts begin with; the last token of each is always its own."""

    numbers: list[int]
    """Which prompts."""
    tokens: list[int]


def trunks(encoded: Sequence[list[int]]) -> list[Trunk]:
    """Of each prompt, by its number, the one trunk that it grows from; that of one alone is all of it but its last."""
    found: list[Trunk] = []
    for number in sorted(range(len(encoded)), key=lambda number: encoded[number]):
        ids = encoded[number]
        latest = found[-1] if found else Trunk([], [])
        shared = common(latest.tokens, ids[:-1])
        if latest.numbers and shared >= SHARED * len(ids):
            found[-1] = Trunk([*latest.numbers, number], ids[:shared])
        else:
            found.append(Trunk([number], ids[:-1]))
    return found


def part_left(encoded: Sequence[list[int]], found: Sequence[Trunk]) -> float:
    """Which part of the tokens of a batch are computed where those of trunks are only once, padding included."""
    trunk = max(len(each.tokens) for each in found)
    own = max(len(encoded[number]) - len(each.tokens) for each in found for number in each.numbers)
    return (len(found) * trunk + len(encoded) * own) / (len(encoded) * max(map(len, encoded)))


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens both begin with."""
    most = min(len(one), len(other))
    return next((at for at in range(most) if one[at] != other[at]), most)
