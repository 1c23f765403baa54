"""What a feedback model's answers are: each a choice between two responses, or the reason why it is none."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from solon.chains import Choice, Failure
from solon.prompts import Form
from solon.records import State
from solon.stages import flaws


@dataclass(frozen=True)
class Lost:
    """What came in place of a choice."""

    state: State
    reason: str


def checked(choice: Choice | Failure) -> Choice | Lost:
    """The choice, if it is one: two probabilities that sum to 1, and their mass, all in [0, 1]."""
    if isinstance(choice, Failure):
        return Lost("failed", choice.reason)
    numbers = (*(choice.probabilities or ()), choice.mass)
    is_possible = all(isinstance(p, float | int) and 0 <= p <= 1 for p in numbers)  # NaN is not
    if not is_possible or len(numbers) != 3 or not math.isclose(sum(choice.probabilities), 1, abs_tol=1e-3):
        return Lost("failed", f"impossible probabilities {choice.probabilities} of mass {choice.mass}")
    return choice


def counted(votes: Sequence[str], form: Form) -> Choice | Lost:
    """The share of each option among the votes that are one option and no more; the mass is the share of such votes."""
    told = [vote.strip().removeprefix(form.ANSWER_PREFILL.strip()).strip("() .") for vote in votes]
    first, second = (told.count(option) for option in form.OPTIONS)
    valid = first + second
    if not valid:
        state: State = "refused" if any(map(flaws.refuses, votes)) else "unparsed"
        return Lost(state, f"none of {len(votes)} votes is {' or '.join(form.OPTIONS)}")
    return Choice((first / valid, second / valid), valid / len(votes), "votes")


def mean(said: Sequence[Choice | Lost], *, min_mass: float) -> Choice | Lost:
    """The mean of the choices, without those of less mass, if there are others; what was lost has no mass.

    Where all was lost, how most of it was.
    """
    choices = [each for each in said if isinstance(each, Choice)]
    if not choices:
        lost = [each for each in said if isinstance(each, Lost)]
        commonest, _ = Counter(each.state for each in lost).most_common(1)[0]
        return next(each for each in lost if each.state == commonest)
    sure = [choice for choice in choices if choice.mass >= min_mass] or choices
    first, second = (fmean(choice.probabilities[option] for choice in sure) for option in (0, 1))
    return Choice((first, second), sum(choice.mass for choice in choices) / len(said), choices[0].source)
