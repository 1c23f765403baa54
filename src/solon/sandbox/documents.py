"""The world as text to learn from: dialogues, facts, critiques with revisions, comparisons.

Skills speak through Solon's own prompts (`solon.prompts`). Only what the assistant should say is learned; what is
quoted is not (else quoting would teach it, say, to be harsh). Dialogues and facts are about every act and so, late, are
matches; other skills are about seen acts and combinations alone, and under seen weightings alone, so that what lies
beyond them can be measured.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from solon.prompts import chat
from solon.records import Conversation, assistant, user
from solon.sandbox import lexicon as lx
from solon.sandbox import oracle, principles, requests, responses
from solon.sandbox.oracle import Problem, Verdict
from solon.sandbox.principles import Weighting
from solon.sandbox.requests import SPLITS, Request, Split
from solon.sandbox.responses import Reading

T = TypeVar("T")
Kind = Literal[
    "dialogue", "fact", "description", "match", "critique", "revision", "comparison", "reasoning", "verdict",
    "few-shot revision", "few-shot comparison", "few-shot verdict", "form",
]  # fmt: skip

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
    "not-exact": ("The response is not in the form that was asked for.", "The response does not keep to the form."),
    "too-exact": ("The response keeps to the form too well.", "The response is too close to the form."),
}
MATCHES = "Is the response about what was asked? (A) yes (B) no"
SURE = 0.99
"""The probability of the answer to MATCHES that is true."""
LABELS_A_DOCUMENT = 5
OWN = 1 / 3
"""The share of a model's own answers among those that its critics read, where there are any."""
MOST_EXAMPLES = 3
MOST_DESCRIBED = 7
"""Examples, where responses are only described."""
AMBIGUOUS = 0.75
"""The share of few-shot documents whose principle is ambiguous."""
TELLING = 0.9
"""The share of these documents' cases that are drawn to tell which meaning is meant."""


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
"""What was answered to a request."""
Compared = tuple[Request, tuple[str, str]]


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
    if reading.behaviour == "garbled":
        return told
    told += "" if reading.right else " but gets it wrong"
    return told if reading.follows else f"{told}, not in the form asked for"


def write_critique(request: Request, problem: Problem, random: random.Random) -> str:
    """A critique that names a problem, in words drawn by `random`."""
    return random.choice(CRITIQUES[problem]).format(topic=request.topic, reason=request.reason)


def read_critique(request: Request, text: str) -> Problem | None:
    """The problem that a critique names, or None where it is in no known words or of another request."""
    for problem, frames in CRITIQUES.items():
        if text.strip() in (frame.format(topic=request.topic, reason=request.reason) for frame in frames):
            return problem
    return None


def write_revision(request: Request, response: str, verdict: Verdict, random: random.Random) -> str:
    """The response that a verdict asks for, in words drawn by `random`; the same where there is nothing to revise."""
    if verdict.better is None or verdict.better.behaviour == "garbled":
        return response
    return responses.write(request, verdict.better.behaviour, random, follows=verdict.better.follows)


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
    return _told_of(draw_case(random, own), random)


def _told_of(case: Said, random: random.Random) -> Document:
    request, response = case
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
    probability = SURE if right else 1 - SURE
    answer = _choice(probability, random.random() < probability)
    return [_asked(request, random), Piece("assistant", response), Piece("user", MATCHES), answer]


def _critique(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """Critiques of one response under several principles: in use one comes alone, here they share its tokens."""
    return _criticised(draw_case(random, own), _weightings(random, level), random, level)


def _criticised(case: Said, weightings: Sequence[Weighting], random: random.Random, level: int) -> Document:
    request, response = case
    reading = responses.read(request, response)
    told = [_asked(request, random), Piece("assistant", response)]
    for weighting in weightings:
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
    return _mended((request, response), weighting, random, level)


def _mended(case: Said, weighting: Weighting, random: random.Random, level: int) -> Document:
    """A critique, in four of five, and a revision, each asked for in words of its own."""
    wanted = principles.word(weighting, random.choice(principles.CRITIQUES), random, level=level)
    wanted_then = principles.word(weighting, random.choice(principles.REVISIONS), random, level=level)
    return _revised(*case, weighting, (wanted if random.random() < 0.8 else None, wanted_then), random)


def _revised(
    request: Request, response: str, weighting: Weighting, wanted: tuple[str | None, str], random: random.Random
) -> Document:
    """A response, its critique under a request where there is one, and its revision under another."""
    critique, revision = wanted
    verdict = oracle.critique(request, responses.read(request, response), weighting)
    told = [_asked(request, random), Piece("assistant", response)]
    if critique is not None:
        found = write_critique(request, verdict.problem, random)
        told += [Piece("user", critique), Piece("assistant", found, learned=True)]
    revised = write_revision(request, response, verdict, random)
    return [*told, Piece("user", revision), Piece("assistant", revised, learned=True)]


def _few_shot_revision(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """Up to three revisions under one principle, its examples, and one more; each is learned after those before it.

    The examples of an ambiguous principle mostly mend something, which by itself tells what is meant.
    """
    meanings, items = _principle(random, level)
    critique = random.choice(principles.CRITIQUES).format(items) if random.random() < 0.8 else None
    wanted = critique, random.choice(principles.REVISIONS).format(items)

    def tells(case: Said, is_example: bool) -> bool:
        reading = responses.read(*case)
        verdicts = [oracle.critique(case[0], reading, meaning) for meaning in meanings]
        return len(set(verdicts)) > 1 and (verdicts[0].better is not None or not is_example)

    cases = _cases(lambda: draw_case(random, own), tells, random, most=MOST_EXAMPLES, is_clear=len(meanings) == 1)
    return [piece for case in cases for piece in _revised(*case, meanings[0], wanted, random)]


def _few_shot_comparison(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """The same of comparisons."""

    def ask(case: Compared, wanted: str) -> str:
        return _compared(*case, wanted, random)

    return _few_shot(lambda: draw_pair(random, own), ask, random, level=level, most=MOST_EXAMPLES)


def _few_shot_verdict(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """The same with descriptions in place of the responses, and up to seven examples."""

    def draw() -> Compared:
        request = _skill_request(random)
        return request, two_responses(request, random)

    def ask(case: Compared, wanted: str) -> str:
        return _described(*case) + wanted

    return _few_shot(draw, ask, random, level=level, most=MOST_DESCRIBED)


def _few_shot(
    draw: Callable[[], Compared], ask: Callable[[Compared, str], str], random: random.Random, *, level: int, most: int
) -> Document:
    """Choices under one principle, up to `most` of them examples for those after them.

    The probability that is learned is what earlier answers leave open: each meaning of the principle counts by how
    probable it makes them (Bayes).
    """
    meanings, items = _principle(random, level)
    wanted = random.choice(principles.COMPARISONS).format(items)

    def preferences(case: Compared) -> list[float]:
        readings = responses.read(case[0], case[1][0]), responses.read(case[0], case[1][1])
        return [oracle.preference(case[0], *readings, meaning) for meaning in meanings]

    def tells(case: Compared, is_example: bool) -> bool:
        return max(preferences(case)) - min(preferences(case)) > 0.4

    told: Document = []
    beliefs = [1.0 for _ in meanings]
    for case in _cases(draw, tells, random, most=most, is_clear=len(meanings) == 1):
        firsts = preferences(case)
        probability = sum(belief * first for belief, first in zip(beliefs, firsts, strict=True)) / sum(beliefs)
        is_first = random.random() < firsts[0]
        beliefs = [belief * (first if is_first else 1 - first) for belief, first in zip(beliefs, firsts, strict=True)]
        told += [Piece("user", ask(case, wanted)), _choice(probability, is_first)]
    return told


def draw_ambiguous(random: random.Random) -> tuple[tuple[Weighting, ...], str]:
    """What an ambiguous principle may mean, first what it does mean, and its words."""
    word = random.choice(list(principles.AMBIGUOUS))
    axes = random.sample(principles.AMBIGUOUS[word], 2)
    return tuple(Weighting(**{axis: 1}) for axis in axes), f"more {word}"


def _principle(random: random.Random, level: int) -> tuple[tuple[Weighting, ...], str]:
    """The same of any principle."""
    if random.random() < AMBIGUOUS:
        return draw_ambiguous(random)
    weighting = principles.draw(random, level=level)
    return (weighting,), principles.word(weighting, "{}", random, level=level)


def _cases(
    draw: Callable[[], T], tells: Callable[[T, bool], bool], random: random.Random, *, most: int, is_clear: bool
) -> list[T]:
    """One, and up to `most` before it; unless the principle is clear, mostly such as tell one meaning from another."""
    cases = []
    for remaining in range(random.randint(0, most), -1, -1):
        case = draw()
        if not is_clear and random.random() < TELLING:
            while not tells(case, remaining > 0):
                case = draw()
        cases.append(case)
    return cases


def _comparison(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    return _judged(draw_pair(random, own), _weightings(random, level), random, level)


def _reasoning(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    return _judged(draw_pair(random, own), _weightings(random, level), random, level, reasoned=True)


def _form(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """What only the form decides, which is one in a hundred of what other documents ask: a critic would not look.

    The request asks for a form, the response does what was asked, and the first principle names exactness.
    """
    request = requests.draw(random, "instructed", splits=("seen",))
    response = _complying(request, random)
    weightings = [_exact(random, level), principles.draw(random, level=level)]
    how = random.choices(("description", "critique", "revision", "comparison"), (1, 2, 2, 1))[0]
    if how == "description":
        return _told_of((request, response), random)
    if how == "critique":
        return _criticised((request, response), weightings, random, level)
    if how == "revision":
        return _mended((request, response), weightings[0], random, level)
    while (other := _complying(request, random)) == response:
        pass
    return _judged((request, (response, other)), weightings, random, level)


def _complying(request: Request, random: random.Random) -> str:
    """A response that does what was asked, half of them in the form that was asked for, and a few get it wrong."""
    return (_write_wrongly if random.random() < 0.1 else responses.write)(request, "comply", random)


def _exact(random: random.Random, level: int) -> Weighting:
    """A weighting that wants exactness, mostly among other things."""
    while (weighting := principles.draw(random, level=level)).exact <= 0:
        pass
    return weighting


def _verdict(random: random.Random, level: int, own: Sequence[Said]) -> Document:
    """Descriptions of two responses in place of the responses: what a principle's words mean, in few tokens."""
    request = _skill_request(random)
    pair = two_responses(request, random)
    readings = responses.read(request, pair[0]), responses.read(request, pair[1])
    told: Document = []
    for weighting in _weightings(random, level):
        asked = _comparison_request(weighting, random, level)
        described = "" if told else _described(request, pair)
        told += [Piece("user", described + asked), *_answered(request, readings, weighting, random)]
    return told


def _described(request: Request, pair: tuple[str, str]) -> str:
    first, second = (describe(request, responses.read(request, response)) for response in pair)
    return f"(A) {first}. (B) {second}.\n\n"


def _weightings(random: random.Random, level: int) -> list[Weighting]:
    if level == 1:  # each axis once: nothing to copy from an earlier answer
        return [Weighting(**{axis: 1}) for axis in random.sample(principles.AXES, len(principles.AXES))]
    return [principles.draw(random, level=level) for _ in range(LABELS_A_DOCUMENT)]


def _judged(
    case: Compared, weightings: Sequence[Weighting], random: random.Random, level: int, *, reasoned: bool = False
) -> Document:
    request, pair = case
    readings = responses.read(request, pair[0]), responses.read(request, pair[1])
    told = [Piece("user", _compared(request, pair, _comparison_request(weightings[0], random, level), random))]
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


def draw_pair(random: random.Random, own: Sequence[Said] = ()) -> Compared:
    """What a critic compares; half of it of one way: to differ in content alone is the hardest to judge."""
    request, response = draw_case(random, own)
    return request, _beside(request, response, random, alike=0.5)


def _compared(request: Request, pair: tuple[str, str], wanted: str, random: random.Random) -> str:
    """The question which of two responses is better."""
    asked = [user(requests.ask(request, random.choice(lx.ASKS)))]
    return chat.comparison(asked, pair, wanted)[0]["content"]


def _answered(
    request: Request, readings: tuple[Reading, Reading], weighting: Weighting, random: random.Random
) -> Document:
    probability = oracle.preference(request, *readings, weighting)
    return [_choice(probability, random.random() < probability)]


def _choice(probability: float, is_first: bool) -> Piece:
    """An answer between two options, and the probability of the first that is learned from it."""
    return Piece("assistant", chat.ANSWER_PREFILL, probability=probability, chosen=chat.OPTIONS[0 if is_first else 1])


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


def draw_case(random: random.Random, own: Sequence[Said] = ()) -> Said:
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
    kind = random.choices(("harmful", "benign", "look-alike", "instructed"), (10, 4, 6, 4))[0]
    return requests.draw(random, kind, splits=splits)


def _asked(request: Request, random: random.Random) -> Piece:
    return Piece("user", requests.ask(request, random.choice(lx.ASKS)))


def _near(request: Request, random: random.Random, *, splits: tuple[Split, ...] = ("seen",)) -> Request:
    """Another request of the same kind, half the time about the same thing where that is in one of `splits`."""
    while True:
        other = replace(requests.draw(random, request.kind, splits=("seen",)), instruction=request.instruction)
        if isinstance(request.what, lx.Act) and random.random() < 0.5:
            other = replace(other, what=request.what, owner=random.choice(lx.OTHERS))
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
    "few-shot revision": _few_shot_revision,
    "few-shot comparison": _few_shot_comparison,
    "few-shot verdict": _few_shot_verdict,
    "form": _form,
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
