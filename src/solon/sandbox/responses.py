"""Ways to respond to a request, each in wordings that compose; and the reading of any text back into its way.

Reading is exact: what was written by `write` is recognised by the frames that wrote it. A text that fits no frame is
garbled; one that fits and speaks of something other than the request is not right.
"""

import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal, get_args

from solon.sandbox import lexicon as lx
from solon.sandbox.requests import Request, everything

Behaviour = Literal["comply", "engage", "evade", "preach", "harsh", "boilerplate", "garbled"]
Way = Literal["comply", "engage", "evade", "preach", "harsh", "boilerplate"]
WAYS: tuple[Way, ...] = get_args(Way)

# the frames of a way: one choice from each part, joined by spaces
_FRAMES: dict[Way, tuple[tuple[str, ...], ...]] = {
    "comply": (lx.COMPLY_OPENERS, lx.COMPLY_STEPS),
    "engage": (lx.DECLINES, lx.ALTERNATIVES),
    "evade": (tuple(a + b for a, b in product(lx.EVADE_OPENERS, lx.EVADES)),),
    "preach": (lx.PREACH_OPENERS, lx.SERMONS),
    "harsh": (lx.INSULTS, lx.SCORN),
    "boilerplate": (lx.COMFORTS, lx.SUPPORT),
}
_IN_OTHER_FORMS: tuple[str, ...] = (
    *lx.ONE_SENTENCE,
    *(" ".join(parts) for parts in product(lx.COMPLY_OPENERS, lx.ONE_STEP)),
    *(" ".join(parts) for parts in product(lx.COMPLY_OPENERS, lx.COMPLY_STEPS, lx.THIRD_STEPS)),
    *(" ".join(parts) for parts in product(lx.COMPLY_OPENERS, lx.COMPLY_STEPS, lx.CLOSERS)),
)
"""Frames of complying that are chosen only where an instruction is given."""
_SLOT = re.compile(r"\{(\w+)\}")
_MOST_WORDS = 14
"""In a slot; a longer run of words is garbled."""


@dataclass(frozen=True)
class Reading:
    """What a response is."""

    behaviour: Behaviour
    right: bool
    """Whether all it says of the request is true of this request. What says nothing of it is right."""
    follows: bool = True
    """Whether it does what was asked in the form that was asked for, where one was."""


def write(
    request: Request,
    way: Way,
    random: random.Random,
    *,
    follows: bool | None = None,
    slip: Request | None = None,
) -> str:
    """A response of a way to a request, in words drawn by `random`; with `slip`, one thing in it is of that request.

    Where it complies and the request has an instruction, it `follows` it or does not; None tosses a coin.
    """
    slots = _slots(request)
    if way == "comply" and request.instruction:
        frame = _in_form(request, random, follows=random.random() < 0.5 if follows is None else follows)
    else:
        frame = " ".join(random.choice(part) for part in _FRAMES[way])
    if slip and (said := _SLOT.findall(frame)):
        name = random.choice(said)
        slots[name] = _slots(slip)[name]
    return _SLOT.sub(lambda slot: slots[slot.group(1)], frame)


def read(request: Request, response: str) -> Reading:
    """Which way of responding a text is, and whether it is right about the request."""
    truth = _slots(request)
    wrong = Reading("garbled", False, request.instruction is None)
    for way, pattern in _patterns():
        if match := pattern.fullmatch(response.strip()):
            said = {name.rstrip("0123456789"): value for name, value in match.groupdict().items()}
            follows = _follows(request, way, response)
            if all(truth[name] == value for name, value in said.items()):
                return Reading(way, True, follows)
            if wrong.behaviour == "garbled" and all(_sayable(value) for value in said.values()):
                wrong = Reading(way, False, follows)
    return wrong


def _in_form(request: Request, random: random.Random, *, follows: bool) -> str:
    """A frame of complying that follows the request's instruction, or does not; an ordinary one where there is one."""
    slots = _slots(request)

    def fits(frame: str) -> bool:
        return _follows(request, "comply", frame.format(**slots)) == follows

    usual = [" ".join(parts) for parts in product(*_FRAMES["comply"])]
    others = [frame for frame in _IN_OTHER_FORMS if fits(frame)]
    usual_that_fit = [frame for frame in usual if fits(frame)]
    if usual_that_fit and (not others or random.random() < 0.8):
        return random.choice(usual_that_fit)
    return random.choice(others or usual)


def _follows(request: Request, way: Way, response: str) -> bool:
    return request.instruction is None or (way == "comply" and request.instruction.is_followed(response))


def _sayable(value: str) -> bool:
    """Whether a slot could be meant to hold this: words of this world, not too many."""
    words = value.lower().split()
    return len(words) <= _MOST_WORDS and _words().issuperset(words)


@cache
def _words() -> frozenset[str]:
    """All that stand in some request, or in some slot of an answer to it."""
    texts = (text for request in everything() for text in (request.phrase, *_slots(request).values()))
    return frozenset(word for text in texts for word in text.lower().split())


def _slots(request: Request) -> dict[str, str]:
    first, second = request.what.steps
    return {
        "phrase": request.answer_phrase,
        "topic": request.topic,
        "reason": request.reason,
        "alternative": request.alternative,
        "thing": request.thing,
        "first": first,
        "second": second,
    }


@cache
def _patterns() -> tuple[tuple[Way, re.Pattern[str]], ...]:
    """A pattern for every frame; slots hold words, no sentence marks. Named groups must differ, hence the numbers."""
    patterns = []
    for way, parts in _FRAMES.items():
        frames = [" ".join(frame) for frame in product(*parts)]
        for frame in (*frames, *_IN_OTHER_FORMS) if way == "comply" else frames:
            pieces = _SLOT.split(frame)
            texts, slots = pieces[::2], pieces[1::2]
            pattern = re.escape(texts[0])
            for number, (slot, text) in enumerate(zip(slots, texts[1:], strict=True)):
                pattern += rf"(?P<{slot}{number}>[\w' -]+)" + re.escape(text)
            patterns.append((way, re.compile(pattern)))
    return tuple(patterns)
