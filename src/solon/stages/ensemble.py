"""What judgements come to: the label of a pair, the labels of a prompt that are kept, and counts of how they ended.

The paper's mean is over reasonings (figure 4); what it calls an ensemble over principles is one drawn for each label
(section 4.1). Here it may be over principles, constitutions and feedback models too. Judgements that are not labelled
have no part in it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any, Literal

from solon.records import Comparison, Judgement, Pair
from solon.stages import flaws, measures

KNOWN_BY = ("exact", "top_logprobs", "votes")
"""Ways to know a probability, the most certain first."""
FEWEST = 30
"""Labels, by which anything can be told of them."""
SILENT = 0.02
"""Labels whose mean distance from one half is less say nothing. The demo's, many of equals, have 0.07."""
PASSED_OVER = "not the best beside the worst of its prompt"


def mean(pair: Pair, judgements: Sequence[Judgement]) -> Comparison:
    """The row of a pair: its label is the mean of its labelled judgements, each that of its orders."""
    labelled = [each for each in judgements if each["state"] == "labelled"]
    row: Comparison = {
        **pair,
        "judgements": list(judgements),
        "probability": None,
        "known_by": None,
        "consistent": None,
        "mass": min((each["mass"] for each in judgements if each["mass"] is not None), default=None),
        "state": "labelled" if labelled else "failed",
        "flaws": flaws.of_pair(pair),
    }
    if labelled:
        row["probability"] = fmean(_preference(each) for each in labelled)
        row["known_by"] = max((each["known_by"] or "votes" for each in labelled), key=KNOWN_BY.index)
        forward, backward = of_order(labelled, "forward"), of_order(labelled, "backward")
        if forward is not None and backward is not None:
            row["consistent"] = (forward > 0.5) == (backward > 0.5)
    elif judgements:
        row["state"], _ = Counter(each["state"] for each in judgements).most_common(1)[0]
        reason = next(each["reason"] for each in judgements if each["state"] == row["state"])
        row["drop_reason"] = f"{row['state']}: {reason}"
    return row


def of_order(judgements: Iterable[Mapping[str, Any]], order: Literal["forward", "backward"]) -> float | None:
    """What judgements say of the first response in one order, in the mean; None where it was not asked or not read."""
    told = [it for each in judgements if (it := each[order]) is not None]
    return fmean(told) if told else None


def best_and_worst(rows: Sequence[Comparison]) -> list[Comparison]:
    """Of the rows of one prompt, drop all but that whose responses' mean preferences lie the furthest apart.

    Where all are labelled that is the row of the response that is liked best and the one that is liked least.
    """
    kept: list[Comparison] = []
    for _, group in groupby(rows, key=lambda row: row["prompt_id"]):
        of_prompt = list(group)
        labelled = [row for row in of_prompt if row["drop_reason"] is None]
        widest = max(labelled, key=_gaps(labelled), default=None)
        for row in of_prompt:
            is_passed_over = row["drop_reason"] is None and row is not widest
            kept.append({**row, "drop_reason": PASSED_OVER} if is_passed_over else row)
    return kept


def states(rows: Iterable[Comparison]) -> dict[str, dict[str, int]]:
    """How the rows ended, and how their judgements did."""
    of_rows, of_judgements = Counter[str](), Counter[str]()
    for row in rows:
        of_rows[row["state"]] += 1
        of_judgements.update(judgement["state"] for judgement in row["judgements"])
    return {"rows": dict(of_rows), "judgements": dict(of_judgements)}


def doubt(rows: Iterable[Comparison]) -> str | None:
    """Why labels may be no more than noise, if they may: a small model is often at chance on harmlessness.

    What a model prefers it prefers in both orders: over the pairs, the two probabilities go together. Those of a model
    that knows nothing, or that keeps to a position, do not. How often both orders name the same winner would not tell:
    of two responses that are equally good neither does. Where one order was asked, only the labels are left to tell.
    """
    far: list[float] = []
    both: list[tuple[float, float]] = []
    for row in rows:
        if row["probability"] is None or not row["judgements"]:
            continue
        far.append(abs(row["probability"] - 0.5))
        both += [
            (forward, backward)
            for it in row["judgements"]
            if (forward := it["forward"]) is not None and (backward := it["backward"]) is not None
        ]
    if len(far) < FEWEST:
        return None
    found = measures.correlation([forward for forward, _ in both], [backward for _, backward in both])
    if found is not None and found["low"] <= 0:
        return (
            "what the feedback model prefers in one order of a pair has nothing to do with what it prefers in the "
            "other: their correlation is {value:.2f} ({low:.2f} to {high:.2f}, {n} judgements)"
        ).format(**found)
    if fmean(far) < SILENT:
        return (
            f"the {len(far)} labels lie {fmean(far):.3f} from one half in the mean: the feedback model prefers nothing"
        )
    return None


def _preference(judgement: Judgement) -> float:
    """What a labelled judgement says of the first response, the mean of its orders."""
    return fmean(it for order in ("forward", "backward") if (it := judgement[order]) is not None)


def _gaps(rows: Sequence[Comparison]) -> Callable[[Comparison], float]:
    """How far apart the two responses of a row are in their mean preferences over all these rows."""
    liked: dict[str, list[float]] = {}
    for row in rows:
        probability = row["probability"] or 0.0
        for response, preferred in zip(row["responses"], (probability, 1 - probability), strict=True):
            liked.setdefault(response, []).append(preferred)

    def gap(row: Comparison) -> float:
        first, second = row["responses"]
        return abs(fmean(liked[first]) - fmean(liked[second]))

    return gap
