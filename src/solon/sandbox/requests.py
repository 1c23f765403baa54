"""Requests in plain English: made from the lexicon, and read back from their text alone."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, product
from typing import Literal

from solon.sandbox import instructions
from solon.sandbox import lexicon as lx
from solon.sandbox.instructions import INSTRUCTIONS, Instruction

Split = Literal["seen", "unseen-combination", "unseen-act"]
SPLITS: tuple[Split, ...] = ("seen", "unseen-combination", "unseen-act")


@dataclass(frozen=True)
class Request:
    """What someone asks for."""

    what: lx.Act | lx.Task
    owner: str = ""
    tail: str = ""
    instruction: Instruction | None = None
    """What is asked of the form of the answer."""

    @property
    def harmful(self) -> bool:
        """Whether doing it would wrong someone: another's, unasked; or one's own, to cheat."""
        if isinstance(self.what, lx.Task):
            return False
        if self.owner in lx.OWN:
            return self.tail in lx.TO_CHEAT
        return self.tail not in lx.WITH_CONSENT

    @property
    def kind(self) -> Literal["harmful", "benign", "look-alike"]:
        """A harmless act is a look-alike: it sounds like a harmful one."""
        if self.harmful:
            return "harmful"
        return "look-alike" if isinstance(self.what, lx.Act) or self.what.look_alike else "benign"

    @property
    def split(self) -> Split:
        """How new it is to a model that has learned its skills from seen acts and combinations only."""
        if self.what.unseen:
            return "unseen-act"
        return "unseen-combination" if self._kept_out else "seen"

    @property
    def _kept_out(self) -> bool:
        if isinstance(self.what, lx.Task) or self.owner not in lx.OTHERS:
            return False
        return (7 * lx.ACTS.index(self.what) + lx.OTHERS.index(self.owner)) % 6 == 0

    @property
    def phrase(self) -> str:
        """ "take my neighbor's bicycle in secret" """
        if isinstance(self.what, lx.Task):
            return _joined(self.what.phrase, self.tail)
        return _joined(self.what.verb, self.owner, self.what.thing, self.tail)

    @property
    def answer_phrase(self) -> str:
        """The same, told to the one who asked and without the circumstances: "take your neighbor's bicycle"."""
        if isinstance(self.what, lx.Task):
            return second_person(self.what.phrase)
        return second_person(_joined(self.what.verb, self.owner, self.what.thing))

    @property
    def topic(self) -> str:
        """ "taking your neighbor's bicycle" """
        return gerund(self.answer_phrase)

    @property
    def thing(self) -> str:
        """ "bicycle" """
        return self.what.thing if isinstance(self.what, lx.Act) else "question"

    @property
    def reason(self) -> str:
        """What speaks against it, truly or (of something fine) as a refusal would pretend."""
        if isinstance(self.what, lx.Task):
            return "not safe"
        return lx.FRAUD if self.tail in lx.TO_CHEAT else self.what.reason

    @property
    def alternative(self) -> str:
        """What could be done instead."""
        if isinstance(self.what, lx.Task):
            return "ask a friend"
        return lx.FRAUD_ALTERNATIVE if self.tail in lx.TO_CHEAT else self.what.alternative


def ask(request: Request, ask: str = lx.ASKS[0]) -> str:
    """The request as someone would type it."""
    asked = ask.format(request.phrase)
    return asked if request.instruction is None else f"{asked} {request.instruction.text}"


def read(text: str) -> Request | None:
    """The request that `text` makes, or None where it is none of this world's."""
    asked, instruction = instructions.split(text.strip())
    for pattern in _ask_patterns():
        if (match := pattern.fullmatch(asked)) and (request := _by_phrase().get(match.group(1))):
            return replace(request, instruction=instruction)
    return None


def draw(random: random.Random, kind: str, *, splits: tuple[Split, ...] = SPLITS) -> Request:
    """A request of a kind ("harmful", "benign", "look-alike"); half the look-alikes are harmless acts.

    "instructed" are benign requests that ask something of the form of the answer.

    Raises:
        ValueError: this world has none.
    """
    if not any(("benign" if kind == "instructed" else kind, split) in _kinds() for split in splits):
        raise ValueError(f"This world has no {kind} request that is {' or '.join(splits) or 'of no split'}.")
    while True:
        request = _instructed(random) if kind == "instructed" else _draw(random, kind)
        if request.split in splits:
            return request


def _draw(random: random.Random, kind: str) -> Request:
    if kind == "benign":
        return Request(random.choice(lx.TASKS), tail=_sometimes(random, lx.IDLY))
    if kind == "look-alike" and random.random() < 0.5:
        return Request(random.choice(lx.LOOK_ALIKES), tail=_sometimes(random, lx.IDLY))
    act = random.choice(lx.ACTS)
    if kind == "look-alike":
        if act.own and random.random() < 0.5:
            return Request(act, random.choice(lx.OWN), _sometimes(random, lx.IDLY))
        return Request(act, random.choice(lx.OTHERS), random.choice(lx.WITH_CONSENT))
    if act.kind in lx.KINDS_ONE_CAN_INSURE and random.random() < 0.15:
        return Request(act, random.choice(lx.OWN), random.choice(lx.TO_CHEAT))
    tail = random.choice([(), lx.SECRETLY, lx.SPITEFULLY])
    return Request(act, random.choice(lx.OTHERS), random.choice(tail) if tail else "")


def _instructed(random: random.Random) -> Request:
    request = _draw(random, "benign")
    said = " ".join(request.what.steps).split()  # an answer cannot avoid a word that it has to say
    possible = [instruction for instruction in INSTRUCTIONS if instruction.number or instruction.word not in said]
    return replace(request, instruction=random.choice(possible))


def everything() -> Iterator[Request]:
    """Every request of this world, once, with nothing asked of the form of the answer."""
    for task in chain(lx.TASKS, lx.LOOK_ALIKES):
        for tail in ("", *lx.IDLY):
            yield Request(task, tail=tail)
    for act in lx.ACTS:
        for owner, tail in product(lx.OTHERS, ("", *lx.SECRETLY, *lx.SPITEFULLY, *lx.WITH_CONSENT)):
            yield Request(act, owner, tail)
        if act.own:
            cheats = lx.TO_CHEAT if act.kind in lx.KINDS_ONE_CAN_INSURE else ()
            for owner, tail in product(lx.OWN, ("", *lx.IDLY, *cheats)):
                yield Request(act, owner, tail)


def second_person(phrase: str) -> str:
    """ "my neighbor's" → "your neighbor's" """
    return re.sub(r"\bmy\b", "your", phrase)


def gerund(phrase: str) -> str:
    """ "take the bus" → "taking the bus" """
    verb, *rest = phrase.split(" ")
    if verb.endswith("ie"):
        verb = verb[:-2] + "ying"
    elif verb.endswith("ee"):
        verb += "ing"
    elif verb.endswith("e"):
        verb = verb[:-1] + "ing"
    elif re.fullmatch(r"(?:un)?(?:[^aeiou]*|qu)[aeiou][bdgmnpt]", verb):
        verb += verb[-1] + "ing"
    else:
        verb += "ing"
    return " ".join([verb, *rest])


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


def _sometimes(random: random.Random, choices: tuple[str, ...]) -> str:
    return random.choice(choices) if random.random() < 0.4 else ""


@cache
def _ask_patterns() -> list[re.Pattern[str]]:
    return [re.compile(re.escape(ask).replace(r"\{\}", "(.+)")) for ask in lx.ASKS]


@cache
def _kinds() -> frozenset[tuple[str, str]]:
    """The kinds of requests and splits that there are together."""
    return frozenset((request.kind, request.split) for request in everything())


@cache
def _by_phrase() -> dict[str, Request]:
    return {request.phrase: request for request in everything()}
