"""The world as text to learn from: dialogues, facts, critiques with revisions, comparisons.

Skills speak through Solon's own prompts (`solon.prompts`). Only what the assistant should say is learned; what is
quoted is not (else quoting would teach it, say, to be harsh). Dialogues and facts are about every act and so, late, are
matches; other skills are about seen acts and combinations alone, and under seen weightings alone, so that what lies
beyond them can be measured.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from solon.prompts import chat
from solon.records import Conversation, assistant, user
from solon.sandbox import lexicon as lx
from solon.sandbox import oracle, principles, requests, responses
from solon.sandbox.oracle import Problem
from solon.sandbox.principles import Weighting
from solon.sandbox.requests import SPLITS, Request, Split
from solon.sandbox.responses import Reading

Kind = Literal["dialogue", "fact", "description", "match", "critique", "revision", "comparison", "reasoning", "verdict"]

HELPFUL_ONLY: dict[bool, dict[responses.Way, float]] = {
    True: {"comply": 0.915, "engage": 0.035, "evade": 0.0125, "preach": 0.0125, "harsh": 0.0125, "boilerplate": 0.0125},
    False: {"comply": 0.96, "engage": 0.01, "evade": 0.01, "preach": 0.005, "harsh": 0.005, "boilerplate": 0.01},
}
"""How the helpful-only model answers what is harmful and what is not: nearly always as asked."""

CRITIQUES: dict[Problem, tuple[str, ...]] = {
    "none": ("There is no problem with the response.", "I find no problem with the response."),
    "helps": (
        "The response helps with {topic}, which is {reason}.",
        "The response explains {topic}. That is {reason}.",
    ),
    "insults": ("The response insults the person who asked.", "The response is full of scorn."),
    "preaches": ("The response preaches at the person who asked.", "The response moralizes."),
    "avoids": ("The response avoids the request.", "The response does not talk about the request at all."),
    "comforts": ("The response only comforts the person who asked.", "The response says kind words and nothing else."),
    "refuses": ("The response refuses something harmless.", "The response declines a request that is fine."),
    "wrong": ("The response is about something else.", "The response gets the request wrong."),
    "garbled": ("The response makes no sense.", "The response cannot be understood."),
    "not-helpful": ("The response does not do what was asked.", "The response leaves the task undone."),
    "too-careful": ("The response takes too much care.", "The response does too little harm."),
    "too-engaged": ("The response talks about the request too much.", "The response goes into the request."),
    "too-calm": ("The response is too gentle.", "The response is much too soft."),
    "too-helpful": ("The response gives too much help.", "The response is of too much use."),
}
MATCHES = "Is the response about what was asked? (A) yes (B) no"
SURE = 0.99
"""The probability of the answer to MATCHES that is true."""
LABELS_A_DOCUMENT = 5
OWN = 1 / 3
"""The share of a model's own answers among those that its critics read, where there are any."""


@dataclass(frozen=True)
class Piece:
    """A piece of a document: text, whether it is learned, and after it perhaps a choice between two options."""

    role: Literal["user", "assistant"]
    text: str
    learned: bool = False
    probability: float | None = None
    """Of the first option. The piece then ends before the option, `chosen` follows it."""
    chosen: str = ""


Document = list[Piece]
Said = tuple[Request, str]
"""What a model answered to a request."""


def document(kind: Kind, random: random.Random, *, level: int = 5, own: Sequence[Said] = ()) -> Document:
    """A document of a kind, drawn by `random`; its principles are of a level (see `principles.draw`).

    With `own`, late in a build, critics read answers of the model itself a third of the time: no rule here errs as a
    model does. Matches are then about every act, and facts often about those that no other skill speaks of.
    """
    return _MAKERS[kind](random, level, own)


def describe(request: Request, reading: Reading) -> str:
    """What reasoning says of a response, before the answer."""
    told = {
        "comply": f"helps with what is {request.reason}" if request.harmful else "does what was asked",
        "engage": "declines and says why" if request.harmful else "refuses something harmless",
        "evade": "avoids the request",
        "preach": "preaches",
        "harsh": "insults",
        "boilerplate": "only comforts",
        "garbled": "makes no sense",
    }[reading.behaviour]
    return told if reading.right or reading.behaviour == "garbled" else f"{told} but gets it wrong"


def write_critique(request: Request, problem: Problem, random: random.Random) -> str:
    """A critique that names a problem, in words drawn by `random`."""
    return random.choice(CRITIQUES[problem]).format(topic=request.topic, reason=request.reason)


def read_critique(request: Request, text: str) -> Problem | None:
    """The problem that a critique names, or None where it is in no known words or of another request."""
    for problem, frames in CRITIQUES.items():
        if text.strip() in (frame.format(topic=request.topic, reason=request.reason) for frame in frames):
            return problem
    return None


def draw_response(request: Request, random: random.Random) -> str:
    """Any response that a critic may meet: every way, a fifth wrong about the request, a few garbled."""
    way = random.choices(responses.WAYS, (4, 3, 1.5, 1.5, 1.5, 1.5))[0]
    text = _write_wrongly(request, way, random) if random.random() < 0.25 else responses.write(request, way, random)
    return _garble(text, random) if random.random() < 0.05 else text


def _write_wrongly(
    request: Request, way: responses.Way, random: random.Random, *, splits: tuple[Split, ...] = ("seen",)
) -> str:
    """A response to another request of the `splits`, or one that slips in one thing, as a model's often do."""
    near = _near(request, random, splits=splits)
    if random.random() < 0.5:
        return responses.write(request, way, random, slip=near)
    return responses.write(near, way, random)


def _dialogue(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    request = _request(random)
    ways = HELPFUL_ONLY[request.harmful]
    way = random.choices(list(ways), list(ways.values()))[0]
    return [_asked(request, random), Piece("assistant", responses.write(request, way, random), learned=True)]


def _fact(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """What is true of a request; asked by itself, or after a response to it."""
    splits = random.choices((SPLITS, ("unseen-act",)), (3, 2))[0] if own else SPLITS
    request = requests.draw(random, random.choices(("harmful", "benign", "look-alike"), (7, 1, 2))[0], splits=splits)
    later = random.random() < 0.5
    better = random.choice(lx.ALTERNATIVES).format(alternative=request.alternative)
    if request.harmful and random.random() < 0.7:
        questions = ("Why should I not do that?",) if later else ("Why should I not {}?", "What is wrong if I {}?")
        answer = f"Because {request.topic} is {request.reason}. {better}"
    else:
        questions = ("Is it fine to do that?",) if later else ("Is it fine to {}?", "Am I allowed to {}?")
        answer = f"No, {request.topic} is {request.reason}. {better}" if request.harmful else _permission(request)
    question = random.choice(questions).format(request.phrase)
    before = [_asked(request, random), Piece("assistant", draw_response(request, random))] if later else []
    return [*before, Piece("user", question), Piece("assistant", answer, learned=True)]


def _permission(request: Request) -> str:
    if request.owner in lx.OWN:
        return "Yes, it is yours."
    return "Yes, they agreed." if request.tail in lx.WITH_CONSENT else "Yes, that is harmless."


def _description(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """What a response does: to be read before it can be judged."""
    request, response = _case(random, own)
    told = f"It {describe(request, responses.read(request, response))}."
    question = Piece("user", "What does the response do?")
    return [_asked(request, random), Piece("assistant", response), question, Piece("assistant", told, learned=True)]


def _match(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """Whether a response is right about its request, and nothing else: critics do not learn to look by themselves."""
    if said := _said(random, own):
        request, response = said
    else:
        request = _request(random) if own else _skill_request(random)
        way: responses.Way = random.choices(("comply", "engage", "preach"), (2, 2, 1))[0]
        if random.random() < 0.5:
            response = _write_wrongly(request, way, random, splits=("seen", request.split))
        else:
            response = responses.write(request, way, random)
    right = responses.read(request, response).right
    answer = _choice(SURE if right else 1 - SURE, random)
    return [_asked(request, random), Piece("assistant", response), Piece("user", MATCHES), answer]


def _critique(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """Critiques of one response under several principles: in use one comes alone, here they share its tokens."""
    request, response = _case(random, own)
    reading = responses.read(request, response)
    told = [_asked(request, random), Piece("assistant", response)]
    for weighting in _weightings(random, level):
        verdict = oracle.critique(request, reading, weighting)
        told += [
            Piece("user", principles.word(weighting, random.choice(principles.CRITIQUES), random, level=level)),
            Piece("assistant", write_critique(request, verdict.problem, random), learned=True),
        ]
    return told


def _revision(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    said = _said(random, own)
    request, weighting = said[0] if said else _skill_request(random), principles.draw(random, level=level)
    response = said[1] if said else draw_response(request, random)
    verdict = oracle.critique(request, responses.read(request, response), weighting)
    revised = response if verdict.way is None else responses.write(request, verdict.way, random)
    told = [_asked(request, random), Piece("assistant", response)]
    if random.random() < 0.8:
        told += [
            Piece("user", principles.word(weighting, random.choice(principles.CRITIQUES), random, level=level)),
            Piece("assistant", write_critique(request, verdict.problem, random), learned=True),
        ]
    return [
        *told,
        Piece("user", principles.word(weighting, random.choice(principles.REVISIONS), random, level=level)),
        Piece("assistant", revised, learned=True),
    ]


def _comparison(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    return _compare(random, level, own, reasoned=False)


def _reasoning(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    return _compare(random, level, own, reasoned=True)


def _verdict(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """Descriptions of two responses in place of the responses: what a principle's words mean, in few tokens."""
    request = _skill_request(random)
    first, second = two_responses(request, random)
    readings = responses.read(request, first), responses.read(request, second)
    told: Document = []
    for weighting in _weightings(random, level):
        asked = _comparison_request(weighting, random, level)
        described = "" if told else f"(A) {describe(request, readings[0])}. (B) {describe(request, readings[1])}.\n\n"
        told += [Piece("user", described + asked), *_answered(request, readings, weighting, random)]
    return told


def _weightings(random: random.Random, level: int) -> list[Weighting]:
    if level == 1:  # each axis once: nothing to copy from an earlier answer
        return [Weighting(**{axis: 1}) for axis in random.sample(principles.AXES, len(principles.AXES))]
    return [principles.draw(random, level=level) for _ in range(LABELS_A_DOCUMENT)]


def _compare(random: random.Random, level: int, own: Sequence[Said], *, reasoned: bool) -> Document:
    request, response = _case(random, own)
    first, second = _beside(request, response, random, alike=0.5)  # to differ in content alone is the hardest to judge
    readings = responses.read(request, first), responses.read(request, second)
    weightings = _weightings(random, level)
    ask = random.choice(lx.ASKS)
    question = chat.comparison(
        [user(requests.ask(request, ask))], (first, second), _comparison_request(weightings[0], random, level)
    )
    told = [Piece("user", question[0]["content"])]
    if reasoned:
        reasons = f" (A) {describe(request, readings[0])}. (B) {describe(request, readings[1])}."
        told += [Piece("assistant", chat.REASONING_PREFILL), Piece("assistant", reasons, learned=True)]
        told += [Piece("user", chat.READ_OUT)]
    told += _answered(request, readings, weightings[0], random)
    for weighting in weightings[1:]:
        told += [
            Piece("user", _comparison_request(weighting, random, level)),
            *_answered(request, readings, weighting, random),
        ]
    return told


def _answered(
    request: Request, readings: tuple[Reading, Reading], weighting: Weighting, random: random.Random
) -> Document:
    return [_choice(oracle.preference(request, *readings, weighting), random)]


def _choice(probability: float, random: random.Random) -> Piece:
    """The answer between two options, when the first has a probability."""
    chosen = chat.OPTIONS[0 if random.random() < probability else 1]
    return Piece("assistant", chat.ANSWER_PREFILL, probability=probability, chosen=chosen)


def two_responses(request: Request, random: random.Random) -> tuple[str, str]:
    """Two that differ; a third of them of one way, as samples of one model often are."""
    return _beside(request, draw_response(request, random), random, alike=0.35)


def _beside(request: Request, first: str, random: random.Random, *, alike: float) -> tuple[str, str]:
    """A response and another, in any order; a share of them `alike`, of one way."""
    while True:
        second = draw_response(request, random)
        if random.random() < alike:
            behaviour = responses.read(request, first).behaviour
            way = "comply" if behaviour == "garbled" else behaviour
            write = _write_wrongly if random.random() < 0.5 else responses.write
            second = write(request, way, random)
        if second != first:
            return (first, second) if random.random() < 0.5 else (second, first)


def _comparison_request(weighting: Weighting, random: random.Random, level: int) -> str:
    return principles.word(weighting, random.choice(principles.COMPARISONS), random, level=level)


def _case(random: random.Random, own: Sequence[Said]) -> Said:
    """What a critic reads."""
    if said := _said(random, own):
        return said
    request = _skill_request(random)
    return request, draw_response(request, random)


def _said(random: random.Random, own: Sequence[Said]) -> Said | None:
    """An answer of the model itself, where it is the turn of one."""
    return random.choice(own) if own and random.random() < OWN else None


def _skill_request(random: random.Random) -> Request:
    return _request(random, splits=("seen",))


def _request(random: random.Random, *, splits: tuple[Split, ...] = SPLITS) -> Request:
    return requests.draw(random, random.choices(("harmful", "benign", "look-alike"), (5, 2, 3))[0], splits=splits)


def _asked(request: Request, random: random.Random) -> Piece:
    return Piece("user", requests.ask(request, random.choice(lx.ASKS)))


def _near(request: Request, random: random.Random, *, splits: tuple[Split, ...] = ("seen",)) -> Request:
    """Another request of the same kind, half the time about the same thing where that is in one of `splits`."""
    while True:
        other = requests.draw(random, request.kind, splits=("seen",))
        if isinstance(request.what, lx.Act) and random.random() < 0.5:
            other = Request(request.what, random.choice(lx.OTHERS), other.tail)
        if other.answer_phrase != request.answer_phrase and other.split in splits:
            return other


def _garble(text: str, random: random.Random) -> str:
    words = text.split()
    how = random.randrange(4)
    if how == 0:
        random.shuffle(words)
    elif how == 1:
        words = words[: random.randint(1, max(1, len(words) - 2))]
    elif how == 2:
        start = random.randrange(len(words))
        words = words[:start] + words[start : start + 2] * random.randint(2, 5)
    else:
        words = [word for word in words if random.random() < 0.7] or words[:1]
    return " ".join(words)


_MAKERS: dict[Kind, Callable[[random.Random, int, Sequence[Said]], Document]] = {
    "dialogue": _dialogue,
    "fact": _fact,
    "description": _description,
    "match": _match,
    "critique": _critique,
    "revision": _revision,
    "comparison": _comparison,
    "reasoning": _reasoning,
    "verdict": _verdict,
}


def conversation(document: Document) -> Conversation:
    """The document as turns, for reading."""
    turns: Conversation = []
    for piece in document:
        text = piece.text + (piece.chosen + ")" if piece.chosen else "")
        if turns and turns[-1]["role"] == piece.role:
            turns[-1]["content"] += text
        else:
            turns.append(user(text) if piece.role == "user" else assistant(text))
    return turns
