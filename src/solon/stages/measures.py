"""How good a preference model is, and what it goes by: measured on comparisons that were held out from it.

All is a function of what is on file of each held-out comparison, so that an ensemble is measured as one model is.
Intervals are of 95 %: Wilson's for shares; for means and correlations the bootstrap over comparisons, since the two
responses of one are alike.
"""

import math
from collections.abc import Callable, Sequence
from statistics import fmean, pstdev
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

NEAR_EVEN = 0.05
"""A label this near to 1/2 names no winner to agree with."""
CLEAR = 0.1
"""A judge's scores that differ by less are taken for equals. In the sandbox the ways to decline badly are that near to
one another; to comply and to decline are not."""
BINS = 10
RESAMPLES = 2000

Estimate = dict[str, Any]
"""A number as "value", with its interval from "low" to "high", and the "n" that it is of."""


class HeldOut(TypedDict):
    """A held-out comparison: the label, and what the preference model says. The order is that of the responses."""

    id: str
    source: Literal["ai", "human"]
    label: float
    predicted: float
    """σ(r₁ − r₂)."""
    scores: list[float]
    """r₁ and r₂."""
    lengths: list[int]
    """In tokens."""
    judged: list[float] | None
    """What a judge that knows the truth says; None where none was asked."""


def together(members: Sequence[Sequence[HeldOut]], means: Sequence[float]) -> tuple[list[HeldOut], float]:
    """What the models of an ensemble say together, each less its mean; and their scores' mean standard deviation."""
    found: list[HeldOut] = []
    deviations: list[float] = []
    for rows in zip(*members, strict=True):
        centred = [[row["scores"][i] - mean for row, mean in zip(rows, means, strict=True)] for i in (0, 1)]
        first, second = map(fmean, centred)
        row = rows[0].copy()
        row.update({"scores": [first, second], "predicted": sigmoid(first - second)})
        found.append(row)
        deviations += map(pstdev, centred)
    return found, fmean(deviations)


def measured(rows: Sequence[HeldOut]) -> dict[str, Any]:
    """All measures: "held_out", how good it is, also by source where there are two; "bias", what it goes by."""
    told = _measure(rows)
    sources = sorted({row["source"] for row in rows})
    if len(sources) > 1:
        told["by_source"] = {source: _measure([row for row in rows if row["source"] == source]) for source in sources}
    return {"held_out": {**told, "oracle": against_judge(rows)}, "bias": bias(rows)}


def measure(labels: Sequence[float], predicted: Sequence[float]) -> dict[str, Any]:
    """Say how well predicted probabilities that the first response is better fit the labels.

    `log_loss` is the cross-entropy in nats; its floor is the labels' own entropy, so `excess` is what a better model
    could still gain. `ece` is the expected calibration error over the bins of `reliability`. `agreement` is with the
    likelier winner, leaving out labels near even. None where there are no pairs.
    """
    decided = [(p > 0.5) == (q > 0.5) for p, q in zip(labels, predicted, strict=True) if _is_decided(p)]
    log_loss = _mean([_cross_entropy(p, q) for p, q in zip(labels, predicted, strict=True)])
    entropy = _mean([_cross_entropy(p, p) for p in labels])
    bins = reliability(labels, predicted)
    gaps = [abs(it["predicted"] - it["label"]["value"]) for it in bins]
    return {
        "n": len(labels),
        "agreement": _share(decided),
        "log_loss": log_loss,
        "excess": None if log_loss is None or entropy is None else log_loss - entropy,
        "ece": float(np.average(gaps, weights=[it["label"]["n"] for it in bins])) if bins else None,
        "reliability": bins,
    }


def reliability(labels: Sequence[float], predicted: Sequence[float]) -> list[dict[str, Any]]:
    """Figure 9 of the paper, for the preference model: in tenths of what is predicted, its mean and the mean label."""
    members: dict[int, list[tuple[float, float]]] = {}
    for p, q in zip(labels, predicted, strict=True):
        members.setdefault(min(int(q * BINS), BINS - 1), []).append((p, q))
    return [
        {"predicted": fmean(q for _, q in within), "label": _average([p for p, _ in within])}
        for _, within in sorted(members.items())
    ]


def against_judge(rows: Sequence[HeldOut]) -> dict[str, Estimate | None] | None:
    """How often the preference model, and beside it the labels, prefer the response that a judge finds clearly better.

    None where no judge was asked.
    """
    judged = [(row, row["judged"]) for row in rows if row["judged"] is not None]
    if not judged:
        return None
    clear = [(row, first > second) for row, (first, second) in judged if abs(first - second) >= CLEAR]
    return {
        "preference_model": _share([(row["predicted"] > 0.5) == better for row, better in clear]),
        "labels": _share([(row["label"] > 0.5) == better for row, better in clear if _is_decided(row["label"])]),
    }


def bias(rows: Sequence[HeldOut]) -> dict[str, Any]:
    """What the preference model goes by, beside what its labels do; what it has beyond them is its own.

    "length": `score` is the correlation of a response's score with its length over all responses. `within` are those
    between the two responses of one comparison, of the difference of lengths with that of the scores, with the
    probability predicted and with the label, less 1/2 each; which of the two stands first makes no difference to them.
    `longer_wins` is how often the longer one is preferred, where the label names a winner.

    "first": the mean probability that the first response is the better one, 1/2 without a liking for the position. The
    preference model sees one response at a time and can have none; a feedback model can.
    """
    scores = np.array([row["scores"] for row in rows], dtype=float).reshape(-1, 2)
    lengths = np.array([row["lengths"] for row in rows], dtype=float).reshape(-1, 2)
    predicted, labels = (np.array([row[key] for row in rows], dtype=float) for key in ("predicted", "label"))
    longer = [
        (row, row["lengths"][0] > row["lengths"][1])
        for row in rows
        if row["lengths"][0] != row["lengths"][1] and _is_decided(row["label"])
    ]
    return {
        "length": {
            "score": correlation(scores, lengths),
            "within": {
                "score": correlation(_apart(scores), _apart(lengths)),
                "predicted": correlation(np.column_stack([predicted, 1 - predicted]), _apart(lengths)),
                "label": correlation(np.column_stack([labels, 1 - labels]), _apart(lengths)),
            },
            "longer_wins": {
                "preference_model": _share([(row["predicted"] > 0.5) == is_longer for row, is_longer in longer]),
                "labels": _share([(row["label"] > 0.5) == is_longer for row, is_longer in longer]),
            },
        },
        "first": {"preference_model": _average(predicted), "labels": _average(labels)},
    }


def correlation(x: Sequence[float] | NDArray[Any], y: Sequence[float] | NDArray[Any]) -> Estimate | None:
    """Pearson's, of one or more numbers for each of n pairs; None of fewer than three, and where one does not vary."""
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if len(xs) < 3 or not (np.ptp(xs) and np.ptp(ys)):
        return None
    return _estimate(lambda drawn: float(np.corrcoef(xs[drawn].ravel(), ys[drawn].ravel())[0, 1]), len(xs))


def sigmoid(x: float) -> float:
    """The probability that a difference of scores stands for."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _measure(rows: Sequence[HeldOut]) -> dict[str, Any]:
    return measure([row["label"] for row in rows], [row["predicted"] for row in rows])


def _is_decided(label: float) -> bool:
    return abs(label - 0.5) >= NEAR_EVEN


def _share(hits: Sequence[bool]) -> Estimate | None:
    if not hits:
        return None
    from scipy.stats import binomtest  # slow to import, and reached by the command line

    interval = binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    share = {"value": sum(hits) / len(hits), "low": float(interval.low), "high": float(interval.high)}
    return {**share, "n": len(hits)}


def _average(values: Sequence[float] | NDArray[Any]) -> Estimate | None:
    of = np.asarray(values, dtype=float)
    return _estimate(lambda drawn: float(of[drawn].mean()), len(of)) if len(of) else None


def _apart(values: NDArray[Any]) -> NDArray[Any]:
    """The values of each comparison less their mean."""
    apart: NDArray[Any] = values - values.mean(axis=1, keepdims=True)
    return apart


def _estimate(statistic: Callable[[NDArray[Any]], float], n: int) -> Estimate:
    """A statistic of n > 0 comparisons, given by their numbers."""
    generator = np.random.default_rng(0)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may not vary, and is left out
        drawn = [statistic(generator.integers(n, size=n)) for _ in range(RESAMPLES)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {"value": statistic(np.arange(n)), "low": float(low), "high": float(high), "n": n}


def _cross_entropy(p: float, q: float) -> float:
    q = min(max(q, 1e-12), 1 - 1e-12)
    return -p * math.log(q) - (1 - p) * math.log1p(-q)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
