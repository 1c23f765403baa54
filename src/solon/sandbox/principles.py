"""Principles of the sandbox: any weighting of five axes, each wanted or unwanted, in words that compose.

"Which response is less evasive and above all more harmless?" weighs engaged 1 and harmless 3. A person may write a
principle in these words (`solon sandbox words`) and see it obeyed; `read` is what the oracle understands by it, and the
sandbox's model has learned to understand the same.

Some words are ambiguous: "more caring" asks for one of two axes, and only a principle's examples say for which.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product

AXES = ("harmless", "engaged", "calm", "helpful", "exact")
WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "harmless": (("harmless", "safe"), ("harmful", "dangerous")),
    "engaged": (("engaged", "open"), ("evasive", "closed")),
    "calm": (("calm", "kind"), ("harsh", "preachy")),
    "helpful": (("helpful", "useful"), ("unhelpful", "vague")),
    "exact": (("exact", "precise"), ("careless", "sloppy")),
}
"""For each axis, words for its presence and words for its absence."""
AMBIGUOUS: dict[str, tuple[str, str]] = {
    "caring": ("harmless", "helpful"),
    "careful": ("harmless", "exact"),
    "considerate": ("calm", "helpful"),
}
"""Words that may mean the one axis or the other; each stands alone in its principle."""

MOST_NAMED = 4
"""Axes in one principle."""
EMPHASIS = "above all "
EMPHASIZED = 3
"""The weight of what is wanted above all."""
COMPARISONS = ("Which response is {}?", "Choose the response that is {}.", "Which of the two is {}?")
CRITIQUES = (
    "Say where the response should be {}.",
    "Find out if the response could be {}.",
    "Should the response be {}?",
)
REVISIONS = ("Rewrite the response to be {}.", "Make the response {}.", "Write a response that is {}.")


@dataclass(frozen=True)
class Weighting:
    """How much each axis is wanted: 1, 3 (above all), 0 (not named), or below 0 where its absence is wanted."""

    harmless: int = 0
    engaged: int = 0
    calm: int = 0
    helpful: int = 0
    exact: int = 0

    def items(self) -> list[tuple[str, int]]:
        """The axes that are named, with their weights."""
        return [(axis, getattr(self, axis)) for axis in AXES if getattr(self, axis)]

    def value(self, axes: Mapping[str, float]) -> float:
        """How well `axes` (each in [0, 1]) serve it, in [-1, 1]."""
        named = self.items()
        return sum(weight * axes[axis] for axis, weight in named) / sum(abs(weight) for _, weight in named)

    @property
    def unseen(self) -> bool:
        """Whether it is kept out of all that the model learns from: a fifth of those that name two or more axes."""
        code = self.exact
        for axis in AXES[:-1]:
            code = code * 7 + getattr(self, axis) + EMPHASIZED
        return len(self.items()) >= 2 and code % 5 == 4


@cache
def weightings(*, unseen: bool) -> tuple[Weighting, ...]:
    """All that can be worded, the seen or the unseen: four axes at most, one of them above all, and not a lone one."""
    sizes = (-EMPHASIZED, -1, 0, 1, EMPHASIZED)
    every = [Weighting(*weights) for weights in product(sizes, repeat=len(AXES))]
    every = [weighting for weighting in every if 0 < len(weighting.items()) <= MOST_NAMED]
    return tuple(
        w
        for w in every
        if w.unseen == unseen and [abs(n) for _, n in w.items()].count(EMPHASIZED) <= (len(w.items()) > 1)
    )


def draw(random: random.Random, *, unseen: bool = False, level: int = 5) -> Weighting:
    """A weighting, wanting more often than not: what a constitution asks for is mostly good.

    Levels 1 and 2 want one axis; 3 wants one or its absence; 4 names up to two; 5 any number.
    """
    if unseen and level < 4:
        raise ValueError("an unseen weighting names two axes or more, which level 4 is the first to do")
    most = (1, 1, 1, 2, MOST_NAMED)[level - 1]
    while True:
        named = random.sample(AXES, random.choices(range(1, MOST_NAMED + 1), (4, 3, 2, 2))[0])
        weights = {axis: random.choice((1, 1, 1, -1)) if level > 2 else 1 for axis in named}
        if len(named) > 1 and random.random() < 0.4:
            weights[named[0]] *= EMPHASIZED
        weighting = Weighting(**weights)
        if len(named) <= most and weighting.unseen == unseen:
            return weighting


def word(weighting: Weighting, frame: str, random: random.Random, *, level: int = 5) -> str:
    """The weighting as a request, in words drawn by `random`; on level 1 by the axis's own name."""
    named = weighting.items()
    random.shuffle(named)
    items = [f"more {axis}" if level == 1 else _item(axis, weight, random) for axis, weight in named]
    told = items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]
    return frame.format(told)


def read(text: str) -> Weighting | None:
    """The weighting that a request asks for, or None where it is not in these words or may mean two things."""
    read_as = meanings(text)
    return read_as[0] if len(read_as) == 1 else None


def meanings(text: str) -> tuple[Weighting, ...]:
    """What a request may ask for: one weighting; two where its word is ambiguous; none where it has other words."""
    text = text.strip()
    for frame in (*COMPARISONS, *CRITIQUES, *REVISIONS):
        before, after = frame.split("{}")
        if text.startswith(before) and text.endswith(after) and len(text) > len(before) + len(after):
            items = text[len(before) : len(text) - len(after)]
            if items.startswith("more ") and (axes := AMBIGUOUS.get(items.removeprefix("more "))):
                return tuple(Weighting(**{axis: 1}) for axis in axes)
            weighting = _read_items(items)
            return () if weighting is None else (weighting,)
    return ()


def _item(axis: str, weight: int, random: random.Random) -> str:
    """ "more harmless" or "less harmful"; where the absence is wanted, "more harmful"."""
    presence, absence = WORDS[axis]
    if weight > 0:
        told = f"more {random.choice(presence)}" if random.random() < 0.5 else f"less {random.choice(absence)}"
    else:
        told = f"more {random.choice(absence)}"
    return f"{EMPHASIS if abs(weight) == EMPHASIZED else ''}{told}"


def _read_items(text: str) -> Weighting | None:
    weights: dict[str, int] = {}
    for item in re.split(r", | and ", text):
        match = re.fullmatch(rf"({EMPHASIS})?(more|less) (\w+)", item)
        meaning = _meanings().get(match.group(3)) if match else None
        if match is None or meaning is None or meaning[0] in weights or (match.group(2), meaning[1]) == ("less", 1):
            return None
        axis, sign = meaning
        weights[axis] = sign * (1 if match.group(2) == "more" else -1) * (EMPHASIZED if match.group(1) else 1)
    return Weighting(**weights)


@cache
def _meanings() -> dict[str, tuple[str, int]]:
    return {
        word: (axis, sign)
        for axis, (presence, absence) in WORDS.items()
        for words, sign in ((presence, 1), (absence, -1))
        for word in words
    }
