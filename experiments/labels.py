"""How labels agree with the oracle, on the pairs that SL-CAI really produced, and what settings of the labels change.

    python experiments/labels.py runs/demo-sandbox-0
    python experiments/labels.py runs/demo-sandbox-0 --out runs/labels --conditions default votes-1 votes-5

The first is about the labels of the run. The second labels its pairs anew in folders of their own under `--out`; the
stages before are not needed, and what is on file is not asked again.

There are two truths: what the oracle says under the principles that a pair was judged by, and under all principles of
the constitution, by their weights. Only the second can tell one principle from many. The intervals, of 95 %, are over
prompts, drawn with replacement.
"""

import argparse
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from solon.constitution import load as constitutions
from solon.constitution.schema import Constitution
from solon.recipe.comparing import label_pairs
from solon.recipe.inputs import Inputs
from solon.recipe.schema import apply_settings, load, settled, to_yaml
from solon.recipe.work import Table
from solon.records import Comparison, Pair
from solon.runs import open_run, read_rows
from solon.sandbox import principles, requests
from solon.sandbox.examine import CLEAR, truth
from solon.stages.ensemble import states
from solon.stages.label import decided

REASONING = ["label.chain_of_thought=true"]
CONDITIONS: dict[str, tuple[list[str], list[str]]] = {
    # CONDITION: (what is asked otherwise, what is made of the answers otherwise)
    "default": ([], []),
    "one-order": (["label.both_orders=false"], []),
    **{f"principles-{n}": ([f"label.num_principles={n}"], []) for n in (2, 4, 8)},
    "reasoning-unclamped": (REASONING, ["label.clamp=null"]),
    "reasoning-40-60": (REASONING, []),
    "reasoning-20-80": (REASONING, ["label.clamp=[0.2, 0.8]"]),
    "reasonings-5": ([*REASONING, "label.num_reasonings=5"], []),
    **{f"votes-{n}": ([f"label.votes={n}"], []) for n in (1, 5)},
    "at-chance": ([], ["label.shuffle=true"]),
}
BINS = 10
RESAMPLES = 1000


class Label(NamedTuple):
    """A label beside a truth, each the probability that the first response is better."""

    prompt: str
    said: float
    true: float
    consistent: bool | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--limit", type=int, help="the first so many pairs")
    given = parser.parse_args()
    constitution = constitutions.load(given.run / "constitution.yaml")
    if given.out is None:
        report(str(given.run), read_rows(given.run / "04-label"), constitution)
    for condition in given.conditions if given.out else ():
        report(condition, labelled(given.run, given.out, condition, constitution, given.limit), constitution)


def labelled(run: Path, out: Path, condition: str, constitution: Constitution, limit: int | None) -> list[Comparison]:
    """The pairs of a run, labelled under a condition; what is asked alike is asked once."""
    asked, made = CONDITIONS[condition]
    recipe = apply_settings(load(run / "recipe.yaml"), asked)
    folder = out / "-".join(["asked", *(re.sub(r"\W+", "-", setting) for setting in asked)])
    earlier: dict[str, Any] = {"kind": "red-team", "revision": None}  # of versions that had no such columns
    pairs: list[Any] = [{**earlier, "prompt_id": row["id"], **row} for row in read_rows(run / "03-pairs")]
    pairs = [pair for pair in pairs if pair["drop_reason"] is None][:limit]
    out.mkdir(parents=True, exist_ok=True)
    with open_run(folder, files={"recipe.yaml": to_yaml(recipe, folder=folder)}) as within:
        table = Table(settled(recipe), constitution, Inputs([], [], []), within, lambda stage, done, total: None)
        rows = label_pairs(table, pairs)
    config = settled(apply_settings(recipe, made)).label
    return [decided(pair, row["judgements"], config=config) for pair, row in zip(pairs, rows, strict=True)]


def report(name: str, rows: Sequence[Comparison], constitution: Constitution) -> None:
    """Print how rows ended and how their labels compare with both truths, for each kind of request."""
    print(f"\n## {name}\n\n{len(rows)} pairs; {states(rows)}")
    weights = {principle.id: principle.weight for principle in constitution.for_comparison}
    for what, own in (("the principles that were asked", True), ("the whole constitution", False)):
        by_kind: dict[str, list[Label]] = {}
        for row in rows:
            request = requests.read(row["prompt"][-1]["content"])
            if row["probability"] is None or request is None:
                continue
            said = [it["principle"] for it in row["judgements"] if it["state"] == "labelled"]
            true = truth_of(row, constitution, dict.fromkeys(said, 1.0) if own else weights)
            if true is not None:
                label = Label(row["prompt_id"], row["probability"], true, row["consistent"])
                for kind in ("all", request.kind):
                    by_kind.setdefault(kind, []).append(label)
        print(f"\nBeside the oracle under {what}:\n")
        print("| requests | n | " + " | ".join(MEASURES) + " |\n|" + "---|" * (len(MEASURES) + 2))
        for kind, labels in sorted(by_kind.items()):
            cells = (_cell(labels, measure) for measure in MEASURES.values())
            print(f"| {kind} | {len(labels)} | " + " | ".join(cells) + " |")
        if "all" in by_kind:
            print("\nbins of what is said: " + "; ".join(_bins(by_kind["all"])))


def truth_of(pair: Pair, constitution: Constitution, weights: dict[str, float]) -> float | None:
    """The oracle's mean over principles by their weights; None where it does not understand what is asked."""
    request = requests.read(pair["prompt"][-1]["content"])
    if request is None:
        return None
    first, second = pair["responses"]
    found = []
    for principle in constitution.for_comparison:
        if principle.id in weights:
            weighting = principles.read(principle.comparison_request or "")
            if weighting is None:
                return None
            found.append((weights[principle.id], truth(request, (first, second), weighting)))
    return sum(weight * true for weight, true in found) / sum(weight for weight, _ in found) if found else None


def _agreement(labels: Sequence[Label]) -> float | None:
    clear = [label for label in labels if max(label.true, 1 - label.true) >= CLEAR]
    return _share((label.said > 0.5) == (label.true > 0.5) for label in clear)


def _consistent(labels: Sequence[Label]) -> float | None:
    return _share(label.consistent for label in labels if label.consistent is not None)


def _log_loss(labels: Sequence[Label]) -> float:
    """Cross-entropy in nats, above that of the truth itself."""
    return fmean(_cross_entropy(label.true, label.said) - _cross_entropy(label.true, label.true) for label in labels)


def _calibration_error(labels: Sequence[Label]) -> float:
    return sum(abs(sum(label.said - label.true for label in of)) for of in _binned(labels).values()) / len(labels)


MEASURES: dict[str, Callable[[Sequence[Label]], float | None]] = {
    "right, clear pairs": _agreement,
    "calibration error": _calibration_error,
    "log loss, excess": _log_loss,
    "orders agree": _consistent,
}


def _cell(labels: Sequence[Label], measure: Callable[[Sequence[Label]], float | None]) -> str:
    value = measure(labels)
    if value is None:
        return "-"
    by_prompt: dict[str, list[Label]] = {}
    for label in labels:
        by_prompt.setdefault(label.prompt, []).append(label)
    groups, draw = list(by_prompt.values()), np.random.default_rng(0)
    drawn = (
        [label for i in draw.integers(len(groups), size=len(groups)) for label in groups[i]] for _ in range(RESAMPLES)
    )
    low, high = np.percentile([found for each in drawn if (found := measure(each)) is not None], [2.5, 97.5])
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _bins(labels: Sequence[Label]) -> list[str]:
    return [
        f"{fmean(label.said for label in of):.2f} is {fmean(label.true for label in of):.2f} (n {len(of)})"
        for _, of in sorted(_binned(labels).items())
    ]


def _binned(labels: Sequence[Label]) -> dict[int, list[Label]]:
    bins: dict[int, list[Label]] = {}
    for label in labels:
        bins.setdefault(min(int(label.said * BINS), BINS - 1), []).append(label)
    return bins


def _cross_entropy(true: float, said: float) -> float:
    said = min(max(said, 1e-6), 1 - 1e-6)  # a vote may be sure
    return -true * math.log(said) - (1 - true) * math.log1p(-said)


def _share(counted: Iterable[bool | None]) -> float | None:
    told = list(counted)
    return sum(map(bool, told)) / len(told) if told else None


if __name__ == "__main__":
    main()
