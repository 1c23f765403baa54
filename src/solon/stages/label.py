"""AI preference labels: a feedback model says which of two responses is better (paper, section 4.1).

Where we differ from the paper:
1. Each pair is asked about in both orders and the probabilities averaged, which cancels a liking for "(A)".
2. A pair on which the two orders disagree is kept, with its soft label, and marked `consistent: False`.
3. Where the model wants to say neither "A" nor "B" the row is dropped as an abstention, not normalised into a label.
4. Responses that quote a mark of the question, such as "(A)", are text, are asked about, and are named in `flaws`.
5. `shuffle` turns half of the labels round: a control that any gain must disappear under.
"""

import math
from dataclasses import dataclass, field

from solon import prompts
from solon.chains import Chain, Choice, Failed, Sampling, choose, generate
from solon.constitution import exemplars
from solon.constitution.exemplars import ExemplarsConfig
from solon.constitution.schema import Constitution, Principle
from solon.errors import UsageError
from solon.prompts import FormChoice
from solon.records import Comparison, Pair, Prompt, draw_seed, rng
from solon.stages import flaws


@dataclass(frozen=True)
class PairsConfig:
    """Settings of `sample_pair`."""

    max_tokens: int = 512
    """The longest response; the paper does not say. What is cut there is dropped."""
    temperature: float = 1.0
    """ "We always sample at temperature T = 1" (section 3.2)."""
    seed: int = 0
    """Decides the responses; the two of a pair never share a seed."""


@dataclass(frozen=True)
class LabelConfig:
    """Settings of `label`."""

    chain_of_thought: bool = False
    """Let the feedback model reason before it chooses (section 4.1)."""
    clamp: tuple[float, float] | None = (0.4, 0.6)
    """Bounds of a label given after reasoning, which is nearly always too sure: "clamping the probabilities to lie
    within the 40-60 percent range" (section 4.1). Other labels are not clamped."""
    both_orders: bool = True
    """Ask twice, with the responses swapped; the paper asks once."""
    exemplars: ExemplarsConfig = field(default_factory=ExemplarsConfig)
    form: FormChoice = "auto"
    """How to ask: in "chat" turns, or in the paper's "transcript"; "auto" takes what suits the model."""
    min_mass: float = 0.1
    """Probability of "A" and "B" together, in either order, under which the feedback model is taken to abstain."""
    shuffle: bool = False
    """The control: p becomes 1 - p with probability 1/2."""
    max_tokens: int = 512
    """The longest reasoning. What is cut there is dropped."""
    temperature: float = 1.0
    """Of the reasoning; the choice is read off, not sampled."""
    seed: int = 0
    """Decides the principle each pair is judged by, the reasoning and the shuffle."""


def sample_pair(prompt: Prompt, *, config: PairsConfig) -> Chain[Pair]:
    """Draw two responses to `prompt`; identical ones have nothing to compare and are dropped."""
    row: Pair = {"id": prompt["id"], "prompt": prompt["prompt"], "drop_reason": None, "responses": []}
    sampling = Sampling(config.max_tokens, config.temperature)
    try:
        for number in range(2):
            seed = draw_seed(config.seed, prompt["id"], number)
            completion = yield from generate(prompt["prompt"], sampling, seed)
            if completion.flaw is not None:
                raise Failed(f"response {number + 1} {completion.flaw}")
            row["responses"].append(completion.text.strip())
    except Failed as failed:
        row["drop_reason"] = str(failed)
    if len(set(row["responses"])) < len(row["responses"]):
        row["drop_reason"] = "identical responses"
    return row


def label(pair: Pair, *, constitution: Constitution, config: LabelConfig) -> Chain[Comparison]:
    """Give the probability, under a principle drawn for this pair, that its first response is the better one.

    Raises:
        UsageError: no principle has a comparison request.
    """
    usable = constitution.for_comparison
    if not usable:
        raise UsageError("No principle of the constitution has a comparison_request; add one, or leave out this stage.")
    principle = exemplars.draw_principle(usable, rng(config.seed, pair["id"], "principle"))
    row: Comparison = {
        **pair,
        "principle": principle.id,
        "probability": None,
        "consistent": None,
        "mass": None,
        "reasoning": [],
        "flaws": flaws.of_pair(pair),
    }
    try:
        yield from _ask_and_label(row, constitution, principle=principle, config=config)
    except Failed as failed:
        row["drop_reason"] = str(failed)
    return row


def _ask_and_label(
    row: Comparison, constitution: Constitution, *, principle: Principle, config: LabelConfig
) -> Chain[None]:
    first, second = row["responses"]
    forward = yield from _ask(row, constitution, (first, second), principle=principle, config=config)
    mass = forward.mass
    probability = forward.probabilities[0]
    if config.both_orders:
        backward = yield from _ask(row, constitution, (second, first), principle=principle, config=config)
        mass = min(mass, backward.mass)
        row["consistent"] = (probability > 0.5) == (backward.probabilities[1] > 0.5)
        probability = (probability + backward.probabilities[1]) / 2
    row["mass"] = mass
    if mass < config.min_mass:
        raise Failed(f"abstained: the options have a mass of {mass:.3g}, under {config.min_mass:g}")

    if config.chain_of_thought and config.clamp is not None:
        low, high = config.clamp
        probability = min(max(probability, low), high)
    if config.shuffle and rng(config.seed, row["id"], "shuffle").random() < 0.5:
        probability = 1 - probability
    row["probability"] = probability


def _ask(
    row: Comparison,
    constitution: Constitution,
    responses: tuple[str, str],
    *,
    principle: Principle,
    config: LabelConfig,
) -> Chain[Choice]:
    """Ask in one order, after reasoning where that is wanted, which goes into the row as it comes.

    Both orders are shown the same examples.
    """
    form = prompts.form(config.form)
    draw = rng(config.seed, row["id"], "exemplars")
    request = prompts.comparison_request(principle.comparison_request or "", constitution.hard_constraints)
    if not config.chain_of_thought:
        examples = exemplars.comparisons(constitution, principle, config=config.exemplars, draw=draw)
        asked = form.comparison(row["prompt"], responses, request, exemplars=examples)
    else:
        reasoned = exemplars.reasonings(
            constitution, principle, config=config.exemplars, draw=draw, verbatim=config.form == "transcript"
        )
        asked = form.reasoning(row["prompt"], responses, request, exemplars=reasoned)
        order = len(row["reasoning"]) + 1
        sampling = Sampling(config.max_tokens, config.temperature, stop=form.STOP)
        seed = draw_seed(config.seed, row["id"], order, "reasoning")
        completion = yield from generate(asked, sampling, seed, form.REASONING_PREFILL)
        row["reasoning"].append(completion.text.strip())
        if completion.flaw is not None:
            raise Failed(f"reasoning {order} {completion.flaw}")
        asked = form.read_out(asked, completion.text)
    choice = yield from choose(asked, form.OPTIONS, form.ANSWER_PREFILL)

    possible = all(0 <= p <= 1 for p in (*choice.probabilities, choice.mass))  # NaN is not
    if not possible or len(choice.probabilities) != 2 or not math.isclose(sum(choice.probabilities), 1, abs_tol=1e-3):
        raise Failed(f"impossible probabilities {choice.probabilities} of mass {choice.mass}")
    return choice
