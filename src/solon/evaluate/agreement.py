"""How good a judge of two responses is, where each pair was asked about in both orders: figures with 95 % intervals.

Follows section 2 and figures 4 and 9 of the paper. Where we differ:
1. The paper asks in one order. Here each order is a verdict, and what comes of the order alone is told apart.
2. Intervals are over groups of pairs that share a prompt, drawn whole: of 438 comparisons 188 prompts are independent.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from solon.evaluate.metrics import RESAMPLES, wilson

Numbers = NDArray[np.float64]
BINS = 10
"""Of what is said, each a tenth wide, for the calibration error."""
LEAST = 1e-6
"""A probability of the right response under this, as a vote may give it, counts as this in a log loss."""
FIRST, TIE, SECOND = 0, 1, 2
CATEGORIES = 3


class Estimate(TypedDict):
    """A figure with its 95 % interval, over `n` pairs; without any the others are None."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Told:
    """What a judge says of a pair: each number the probability, in [0, 1], that the first response is better."""

    forward: float
    """Asked with the first response as (A). A verdict is 1, 0, or 0.5 for a tie."""
    backward: float | None
    """Asked with the first response as (B); None where it was not asked so."""
    truth: float | None
    """1, 0, a probability, or 0.5 where neither is better; None where it is not known."""
    group: Hashable
    """Pairs of one group are alike, e.g. have a prompt in common."""
    mass: float | None = None
    """Probability of all options before normalising, in [0, 1]."""

    @property
    def label(self) -> float:
        """The mean of both orders."""
        return self.forward if self.backward is None else (self.forward + self.backward) / 2


def agreement(rows: Sequence[Told], *, seed: int = 0) -> dict[str, Estimate]:
    """Return the figures of judgements in two orders; those that need a truth are there where a row has one.

    Where the truth is a tie there is nothing to be right about: such rows count in the kappa with the truth only.
    """
    both = [row for row in rows if row.backward is not None]
    known = [row for row in both if row.truth is not None]
    decided = [row for row in known if verdict(row.truth) != TIE]
    found = {
        "accuracy_strict": _share(decided, lambda row: float(_right(row) == 1), seed),
        "accuracy_lenient": _share(decided, _right, seed),
        "kappa_truth": _kappa(known, lambda row: (verdict(row.label), verdict(row.truth)), seed),
    }
    return {
        **(found if known else {}),
        **position(both, seed=seed),
        "kappa_orders": _kappa(both, lambda row: (verdict(row.forward), verdict(row.backward)), seed),
    }


def known_answers(rows: Sequence[Told], *, seed: int = 0) -> dict[str, Estimate]:
    """Return the figures of labels whose truth is 0 or 1: a label is right if it prefers the right response.

    A label of exactly 1/2 is half right. The log loss is in nats; a coin's is ln 2. The calibration error is the mean
    distance, over ten bins of what is said, between what is said and what is true.
    """
    both = [row for row in rows if row.backward is not None]
    return {
        "accuracy": _share(rows, lambda row: _half(_of_right(row)), seed),
        "log_loss": _mean(rows, lambda row: -math.log(max(_of_right(row), LEAST)), seed),
        "calibration_error": _calibration_error(rows, seed),
        "mass": _mean([row for row in rows if row.mass is not None], lambda row: row.mass or 0.0, seed),
        "consistency": position(both, seed=seed)["consistency"],
        "share_a": _share(rows, lambda row: fmean(map(_half, _of_a(row))), seed),
    }


def position(rows: Sequence[Told], *, seed: int = 0) -> dict[str, Estimate]:
    """Return what the order alone decides, of rows asked in both; 1/2 is no liking for a position."""
    turned = [row for row in rows if {verdict(row.forward), verdict(row.backward)} == {FIRST, SECOND}]
    return {
        "consistency": _share(rows, lambda row: float(verdict(row.forward) == verdict(row.backward)), seed),
        "first_where_inconsistent": _share(turned, lambda row: float(verdict(row.forward) == FIRST), seed),
        "first_mean": _mean(rows, lambda row: fmean(_of_a(row)), seed),
    }


def verdict(probability: float | None) -> int:
    """FIRST, TIE or SECOND: what a probability that the first is better comes to."""
    if probability is None or probability == 0.5:
        return TIE
    return FIRST if probability > 0.5 else SECOND


def cohen(counts: Numbers) -> Numbers:
    """Cohen's kappa (1960) of tables of counts, shape (..., k, k): 1 is agreement, 0 is chance, and less is worse.

    NaN where both always say the same one thing, so that chance alone agrees.
    """
    shares = counts / counts.sum(axis=(-2, -1), keepdims=True)
    agreed = np.trace(shares, axis1=-2, axis2=-1)
    by_chance = (shares.sum(axis=-1) * shares.sum(axis=-2)).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Numbers = np.where(by_chance < 1 - 1e-12, (agreed - by_chance) / (1 - by_chance), np.nan)
    return found


def estimate(
    terms: Numbers, of: Callable[[Numbers], Numbers], *, groups: Sequence[Hashable], seed: int = 0
) -> Estimate:
    """Return a figure that is a function of sums over pairs, and its interval by drawing whole groups 2,000 times.

    `terms` are what is summed, shape (n, k); `of` takes sums, shape (..., k), to figures, NaN where there is none.
    """
    if not len(terms):
        return {"value": None, "low": None, "high": None, "n": 0}
    value = float(of(terms.sum(axis=0)))
    if math.isnan(value):
        return {"value": None, "low": None, "high": None, "n": len(terms)}
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    sums = np.zeros((len(number), terms.shape[1]))
    np.add.at(sums, [number[group] for group in groups], terms)
    draw = np.random.default_rng(seed)
    drawn = [
        np.bincount(draw.integers(len(number), size=len(number)), minlength=len(number)) @ sums
        for _ in range(RESAMPLES)
    ]
    low, high = np.nanpercentile(of(np.array(drawn)), [2.5, 97.5])
    return {"value": value, "low": float(low), "high": float(high), "n": len(terms)}


def _mean(rows: Sequence[Told], of: Callable[[Told], float], seed: int) -> Estimate:
    terms = np.array([[of(row), 1.0] for row in rows])
    return estimate(terms, lambda sums: sums[..., 0] / sums[..., 1], groups=_groups(rows), seed=seed)


def _share(rows: Sequence[Told], of: Callable[[Told], float], seed: int) -> Estimate:
    """A mean of what is 0 or 1. Where all are alike drawing them says nothing, and each group counts as one of n."""
    found = _mean(rows, of, seed)
    if found["value"] in (0.0, 1.0):
        n = len(set(_groups(rows)))
        found["low"], found["high"] = wilson(round(found["value"] * n), n)
    return found


def _kappa(rows: Sequence[Told], of: Callable[[Told], tuple[int, int]], seed: int) -> Estimate:
    terms = np.zeros((len(rows), CATEGORIES, CATEGORIES))
    for number, row in enumerate(rows):
        terms[number][of(row)] = 1
    return estimate(
        terms.reshape(len(rows), CATEGORIES**2),
        lambda sums: cohen(sums.reshape(*sums.shape[:-1], CATEGORIES, CATEGORIES)),
        groups=_groups(rows),
        seed=seed,
    )


def _calibration_error(rows: Sequence[Told], seed: int) -> Estimate:
    terms = np.zeros((len(rows), BINS + 1))
    terms[:, BINS] = 1
    for number, row in enumerate(rows):
        terms[number, min(int(row.label * BINS), BINS - 1)] = row.label - _known(row)
    return estimate(
        terms, lambda sums: np.abs(sums[..., :BINS]).sum(axis=-1) / sums[..., BINS], groups=_groups(rows), seed=seed
    )


def _right(row: Told) -> float:
    """How many of both orders prefer the better response, in shares; a tie is half of one."""
    is_first = verdict(row.truth) == FIRST
    return fmean(_half(said if is_first else 1 - said) for said in (row.forward, row.backward) if said is not None)


def _known(row: Told) -> float:
    if row.truth is None:
        raise ValueError("a row has no truth; leave it out")
    return row.truth


def _of_right(row: Told) -> float:
    return row.label if _known(row) > 0.5 else 1 - row.label


def _of_a(row: Told) -> list[float]:
    """The probability of what was shown first, in each order."""
    return [row.forward] if row.backward is None else [row.forward, 1 - row.backward]


def _half(probability: float) -> float:
    return 1.0 if probability > 0.5 else 0.5 if probability == 0.5 else 0.0


def _groups(rows: Sequence[Told]) -> list[Hashable]:
    return [row.group for row in rows]
