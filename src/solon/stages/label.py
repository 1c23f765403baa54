"""AI preference labels: a feedback model says which of two responses is better (paper, section 4.1).

What it says of a pair under one principle, in both orders, is a judgement. A label is the mean of one judgement, as in
the paper, or of several (`ensemble`). What cannot be read is kept with its reason, and never becomes a default.

Where we differ from the paper:
1. Each pair is asked about in both orders and the probabilities averaged, which cancels a liking for "(A)".
2. A pair on which the two orders disagree is kept, with its soft label, and marked `consistent: False`.
3. Where the model wants to say neither "A" nor "B" it abstains; what is left for them is not normalised into a label.
4. A pair may be judged under several principles, of several constitutions; the paper draws one for each label.
5. Where a backend gives no probabilities, sampled answers are counted.
6. Responses that quote a mark of the question, such as "(A)", are text, are asked about, and are named in `flaws`.
7. `shuffle` turns half of the labels round: a control that any gain must disappear under.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from solon import prompts
from solon.chains import Asked, Chain, Choice, Failed, Sampling, choose, choose_each, generate
from solon.constitution import exemplars
from solon.constitution.exemplars import ExemplarsConfig
from solon.constitution.schema import Constitution, Principle
from solon.errors import UsageError
from solon.prompts import FormChoice
from solon.records import Comparison, Judgement, Pair, Reasoning, draw_seed, rng
from solon.stages import answers, ensemble, flaws
from solon.stages.answers import Lost


@dataclass(frozen=True)
class LabelConfig:
    """Settings of `label`. A label is soft; a preference model that is to learn hard ones has a setting for that."""

    chain_of_thought: bool = False
    """Let the feedback model reason before it chooses (section 4.1)."""
    clamp: tuple[float, float] | None = (0.4, 0.6)
    """Bounds of a label given after reasoning, which is nearly always too sure: "clamping the probabilities to lie
    within the 40-60 percent range" (section 4.1). Other labels are not clamped."""
    both_orders: bool = True
    """Ask twice, with the responses swapped; the paper asks once."""
    num_principles: int = 1
    """Of each constitution, drawn by their weights, none twice. The paper's "ensemble" over 16 is one, drawn anew for
    each label (section 4.1)."""
    num_reasonings: int = 1
    """In each order; what is read off after them is averaged. The paper also tries 5 (figure 4)."""
    votes: int | None = None
    """For backends that give no probabilities: so many sampled answers are counted."""
    assume_revisions: bool = False
    """Take a revision to be better than the response it revises, and ask nobody, as later recipes do."""
    keep: Literal["all", "best-worst"] = "all"
    """Of the labels of one prompt: all, or that of the responses which are liked the best and the least."""
    exemplars: ExemplarsConfig = field(default_factory=ExemplarsConfig)
    form: FormChoice = "auto"
    """How to ask: in "chat" turns, or in the paper's "transcript"; "auto" takes what suits the model."""
    min_mass: float = 0.1
    """Probability of "A" and "B" together, in either order, under which the feedback model is taken to abstain."""
    shuffle: bool = False
    """The control: p becomes 1 - p with probability 1/2."""
    max_tokens: int = 512
    """The longest reasoning, or vote. What is cut there is not read."""
    temperature: float = 1.0
    """Of the reasoning. The choice is read off, not sampled; votes are drawn at 1."""
    seed: int = 0
    """Decides the principles each pair is judged by, the reasoning, the votes and the shuffle."""


@dataclass(frozen=True)
class _Case:
    """A pair under one principle."""

    pair: Pair
    constitution: Constitution
    principle: Principle
    number: int
    """Which judgement of the pair it becomes, from 0."""
    config: LabelConfig


@dataclass(frozen=True)
class _Answer:
    """What was said in one order, after one reasoning or none."""

    swapped: bool
    said: Choice | Lost
    reasoning: Reasoning | None = None


def label(pair: Pair, *, constitutions: Sequence[Constitution], config: LabelConfig) -> Chain[Comparison]:
    """Judge a pair under principles of each constitution, drawn for this pair.

    What cannot be read in one order is not asked about in the other.

    Raises:
        UsageError: a constitution has no principle with a comparison request.
    """
    is_asked = flaws.unfit(pair) is None and not _is_assumed(pair, config)
    cases = _cases(pair, constitutions, config) if is_asked else []
    heard: dict[int, list[_Answer]] = {case.number: [] for case in cases}
    going = cases
    for swapped in _orders(config):
        for case, answer in (yield from _heard(going, swapped=swapped, config=config)):
            heard[case.number].append(answer)
        going = [case for case in going if any(isinstance(each.said, Choice) for each in heard[case.number])]
    judgements = [_judgement(case, heard[case.number]) for case in cases]
    return decided(pair, judgements, config=config)


def decided(pair: Pair, judgements: Sequence[Judgement], *, config: LabelConfig) -> Comparison:
    """The row of a pair, given all that was said of it."""
    row = ensemble.mean(pair, judgements)
    if (unfit := flaws.unfit(pair)) is not None:
        row["drop_reason"] = f"failed: {unfit}"
    elif _is_assumed(pair, config):
        row["state"], row["known_by"], row["drop_reason"] = "labelled", "assumed", None
        row["probability"] = float(pair["revision"] == 1)
    elif row["probability"] is not None and config.chain_of_thought and config.clamp is not None:
        low, high = config.clamp
        row["probability"] = min(max(row["probability"], low), high)
    is_turned = config.shuffle and rng(config.seed, row["id"], "shuffle").random() < 0.5
    if is_turned and row["probability"] is not None:
        row["probability"] = 1 - row["probability"]
    return row


def pooled(
    pairs: Sequence[Pair], judged: Mapping[str, Sequence[Comparison]], *, config: LabelConfig
) -> list[Comparison]:
    """The rows of pairs that several feedback models have judged, given those of each by its name."""
    return [
        decided(
            pair,
            [{**told, "model": model} for model, rows in judged.items() for told in rows[number]["judgements"]],
            config=config,
        )
        for number, pair in enumerate(pairs)
    ]


def num_questions(constitutions: Sequence[Constitution], config: LabelConfig) -> int:
    """How many a pair asks at most."""
    principles = sum(min(config.num_principles, len(each.for_comparison)) for each in constitutions)
    return principles * len(_orders(config)) * config.num_reasonings * (config.chain_of_thought + (config.votes or 1))


def _is_assumed(pair: Pair, config: LabelConfig) -> bool:
    return config.assume_revisions and pair["revision"] is not None


def _orders(config: LabelConfig) -> tuple[bool, ...]:
    """Whether the responses are swapped, each time that is asked."""
    return (False, True) if config.both_orders else (False,)


def _cases(pair: Pair, constitutions: Sequence[Constitution], config: LabelConfig) -> list[_Case]:
    draw = rng(config.seed, pair["id"], "principle")
    cases: list[_Case] = []
    for constitution in constitutions:
        usable = constitution.for_comparison
        if not usable:
            name = constitution.name
            raise UsageError(f"No principle of {name} has a comparison_request; add one, or leave out this stage.")
        for principle in exemplars.draw_principles(usable, config.num_principles, draw):
            cases.append(_Case(pair, constitution, principle, len(cases), config))
    return cases


def _judgement(case: _Case, heard: Sequence[_Answer]) -> Judgement:
    config = case.config
    orders = {
        swapped: answers.mean([each.said for each in heard if each.swapped == swapped], min_mass=config.min_mass)
        for swapped in dict.fromkeys(each.swapped for each in heard)
    }
    read = {swapped: said for swapped, said in orders.items() if isinstance(said, Choice)}
    lost = next((said for said in orders.values() if isinstance(said, Lost)), None)
    mass = min((choice.mass for choice in read.values()), default=0.0)
    if lost is None and mass < config.min_mass:
        lost = Lost("abstained", f"the options have a mass of {mass:.3g}, under {config.min_mass:g}")
    return {
        "model": None,
        "constitution": case.constitution.name,
        "principle": case.principle.id,
        "forward": read[False].probabilities[0] if False in read else None,
        "backward": read[True].probabilities[1] if True in read else None,
        "mass": mass if read else None,
        "known_by": next((choice.source for choice in read.values()), None),
        "reasoning": [each.reasoning for each in heard if each.reasoning is not None],
        "state": lost.state if lost else "labelled",
        "reason": lost.reason if lost else None,
    }


def _heard(cases: Sequence[_Case], *, swapped: bool, config: LabelConfig) -> Chain[list[tuple[_Case, _Answer]]]:
    """What is said of each case in one order. Where there is only a choice to be made, of all cases at once."""
    asked = [(case, number) for case in cases for number in range(config.num_reasonings)]
    if config.chain_of_thought or config.votes is not None:
        heard = []
        for case, number in asked:
            heard.append((case, (yield from _ask(case, swapped=swapped, number=number))))
        return heard
    form = prompts.form(config.form)
    questions = [_question(case, swapped) for case, _ in asked]
    replies = yield from choose_each(questions, form.OPTIONS, form.ANSWER_PREFILL)
    return [(case, _Answer(swapped, answers.checked(reply))) for (case, _), reply in zip(asked, replies, strict=True)]


def _ask(case: _Case, *, swapped: bool, number: int) -> Chain[_Answer]:
    """Ask once, the `number`-th time (from 0) in this order; after reasoning where that is wanted."""
    config, form = case.config, prompts.form(case.config.form)
    number += 1 + swapped * config.num_reasonings
    key = case.pair["id"], case.number * len(_orders(config)) * config.num_reasonings + number
    reasoning: Reasoning | None = None
    try:
        asked = _question(case, swapped)
        if config.chain_of_thought:
            sampling = Sampling(config.max_tokens, config.temperature, stop=form.STOP)
            seed = draw_seed(config.seed, *key, "reasoning")
            completion = yield from generate(asked, sampling, seed, form.REASONING_PREFILL)
            reasoning = {"text": completion.text.strip(), "thinking": completion.thinking, "swapped": swapped}
            if flaws.refuses(completion.text):
                return _Answer(swapped, Lost("refused", f"reasoning {number} is a refusal"), reasoning)
            if completion.flaw is not None:
                return _Answer(swapped, Lost("unparsed", f"reasoning {number} {completion.flaw}"), reasoning)
            asked = form.read_out(asked, completion.text)
        said = yield from _choice(asked, config, key=key)
    except Failed as failed:
        said = Lost("failed", str(failed))
    return _Answer(swapped, said, reasoning)


def _choice(asked: Asked, config: LabelConfig, *, key: tuple[str, int]) -> Chain[Choice | Lost]:
    form = prompts.form(config.form)
    if config.votes is None:
        return answers.checked((yield from choose(asked, form.OPTIONS, form.ANSWER_PREFILL)))
    sampling = Sampling(config.max_tokens, stop=(*form.STOP, ")"))
    votes = []
    for number in range(config.votes):
        seed = draw_seed(config.seed, *key, number, "vote")
        completion = yield from generate(asked, sampling, seed, form.ANSWER_PREFILL)
        votes.append(completion.text)
    return answers.counted(votes, form)


def _question(case: _Case, swapped: bool) -> Asked:
    """All ways of asking are shown the same examples."""
    pair, principle, config = case.pair, case.principle, case.config
    form = prompts.form(config.form)
    first, second = pair["responses"]
    responses = (second, first) if swapped else (first, second)
    draw = rng(config.seed, pair["id"], "exemplars")
    request = prompts.comparison_request(principle.comparison_request or "", case.constitution.hard_constraints)
    if not config.chain_of_thought:
        examples = exemplars.comparisons(case.constitution, principle, config=config.exemplars, draw=draw)
        return form.comparison(pair["prompt"], responses, request, exemplars=examples)
    reasoned = exemplars.reasonings(
        case.constitution, principle, config=config.exemplars, draw=draw, verbatim=config.form == "transcript"
    )
    return form.reasoning(pair["prompt"], responses, request, exemplars=reasoned)
