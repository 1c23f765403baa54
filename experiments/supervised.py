"""What becomes of answers in critique and revision, over seeds: figures 5, 6 and 7 of the paper, and examples.

    python experiments/supervised.py runs/supervised --seeds 0 1 2

Every run stops after its critiques, so it takes a minute; one that is complete is not done again. The table gives,
after each revision, the share of harmful requests that are complied with and of look-alikes that are declined, as the
oracle reads them; and how diverse the responses to harmful requests are: different pairs of words for each pair, and
the entropy of the ways to respond, in bits. A second table says why: of what complies with harm and is a problem under
the principle drawn, how much the critique finds, and how much the revision leaves, found or not. Each is the mean over
seeds, with the 95 % interval of Student's t over these. The figures stand in LOG.md.
"""

import argparse
import math
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import stats

from solon.constitution import load as constitutions
from solon.evaluate.metrics import DECLINES
from solon.runs import read_rows
from solon.sandbox import documents, oracle, principles, requests, responses
from solon.sandbox.principles import Weighting

COUNTS = (1, 2, 4, 8, 16)
SHOWN = 3
CLEARLY: tuple[Weighting, ...] = (Weighting(harmless=1), Weighting(calm=1), Weighting(harmless=1, calm=1))
"""What the principles of the conditions with examples mean, in clear words."""
AMBIGUOUSLY = {"caring": ("harmless", "helpful"), "careful": ("harmless", "exact"), "considerate": ("calm", "helpful")}
"""The same in ambiguous words: what is meant, and the other meaning."""
CONDITIONS = (
    "critiqued", "direct", *(f"{n}-principles" for n in COUNTS),
    "clear", "clear-shown", "ambiguous", "ambiguous-shown", "ambiguous-other",
)  # fmt: skip
Found = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for seed in given.seeds:
        for condition in given.conditions:
            run(given.out, condition, seed=seed)
    print("| condition | what | after 0, 1, ... revisions |\n|---|---|---|")
    tell(given.out, given.conditions, given.seeds, measure)
    print("\n| condition | of harm that is a problem | at revision 1, 2, ... |\n|---|---|---|")
    tell(given.out, given.conditions, given.seeds, left_of_harm)


def tell(out: Path, conditions: list[str], seeds: list[int], measured: Callable[[Path], Found]) -> None:
    """Print rows of a table."""
    for condition in conditions:
        found = [measured(out / f"{condition}-{seed}") for seed in seeds]
        for what in found[0]:
            cells = [interval([each[what][number] for each in found]) for number in range(len(found[0][what]))]
            print(f"| {condition} | {what} | {' · '.join(cells)} |")


def run(out: Path, condition: str, *, seed: int) -> None:
    """Do the critiques of one condition, unless they are done."""
    folder = out / f"{condition}-{seed}"
    if (folder / "01-critique" / "summary.json").exists():
        return
    settings = ["num_prompts=500", "helpful_prompts=null", "critique.num_revisions=4"]
    settings += ["critique.critique=false"] if condition == "direct" else []
    command = [str(Path(sys.executable).parent / "solon"), "demo", "--seed", str(seed), "--until", "critique"]
    command += ["--out", str(folder), "--json"]
    if (told := constitution(condition, seed)) is not None:
        path = out / f"{condition}-{seed}.yaml"
        path.write_text(yaml.safe_dump(told, sort_keys=False, width=1000))
        command += ["--constitution", str(path)]
    for setting in settings:
        command += ["--set", setting]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def constitution(condition: str, seed: int) -> dict[str, Any] | None:
    """The constitution of a condition; None is the demo's own."""
    draw = random.Random(repr((seed, condition.removesuffix("-shown").removesuffix("-other"))))
    if condition.endswith("-principles"):
        weightings = list(good(random.Random(seed)))[: int(condition.split("-")[0])]
        return {"name": condition, "principles": [principle(f"p{i}", w, draw) for i, w in enumerate(weightings)]}
    if condition.startswith("clear"):
        rows = [principle(f"clear-{i}", weighting, draw) for i, weighting in enumerate(CLEARLY)]
        meant = [(weighting, weighting) for weighting in CLEARLY]
    elif condition.startswith("ambiguous"):
        rows = [worded(word, f"more {word}", draw) for word in AMBIGUOUSLY]
        meant = [(Weighting(**{one: 1}), Weighting(**{other: 1})) for one, other in AMBIGUOUSLY.values()]
    else:
        return None
    for row, (weighting, other) in zip(rows, meant, strict=True):
        if condition.endswith("-shown"):
            row["exemplars"] = exemplars(row, weighting, other, draw)
        elif condition.endswith("-other"):
            row["exemplars"] = exemplars(row, other, weighting, draw)
    return {"name": condition, "principles": rows}


def good(draw: random.Random) -> Iterator[Weighting]:
    """Sixteen principles that want harm declined and all else done: the demo's kind."""
    asked = [requests.read(text) for text in ("How do I take my boss's bicycle?", "How do I bake bread?")]
    found = [
        weighting
        for weighting in principles.weightings(unseen=False)
        if min(weight for _, weight in weighting.items()) > 0
        and weighting.harmless
        and [oracle.best(request, weighting).behaviour for request in asked if request] == ["engage", "comply"]
    ]
    return iter(draw.sample(found, COUNTS[-1]))


def principle(name: str, weighting: Weighting, draw: random.Random) -> dict[str, Any]:
    return worded(name, principles.word(weighting, "{}", draw), draw)


def worded(name: str, items: str, draw: random.Random) -> dict[str, Any]:
    return {
        "id": name,
        "critique_request": draw.choice(principles.CRITIQUES).format(items),
        "revision_request": draw.choice(principles.REVISIONS).format(items),
        "comparison_request": draw.choice(principles.COMPARISONS).format(items),
    }


def exemplars(row: dict[str, Any], meant: Weighting, other: Weighting, draw: random.Random) -> dict[str, Any]:
    """Revisions that mend something and, where there is another meaning, tell it from that."""
    shown: list[dict[str, Any]] = []
    while len(shown) < SHOWN:
        request, response = documents.draw_case(draw)
        verdict, if_other = (oracle.critique(request, responses.read(request, response), it) for it in (meant, other))
        if verdict.better is not None and (verdict != if_other or meant == other):
            shown.append(
                {
                    "prompt": requests.ask(request),
                    "response": response,
                    "critique": documents.write_critique(request, verdict.problem, draw),
                    "revision": documents.write_revision(request, response, verdict, draw),
                }
            )
    return {"revisions": shown}


def measure(folder: Path) -> Found:
    """Shares of a run after each number of revisions, and how diverse the responses to harmful requests are."""
    told: dict[str, list[tuple[requests.Request, list[str]]]] = {"harmful": [], "look-alike": []}
    for row in read_rows(folder / "01-critique"):
        request = requests.read(row["prompt"][0]["content"])
        if request is not None and row["drop_reason"] is None:
            told[request.kind].append((request, [row["response"], *(step["revision"] for step in row["steps"])]))
    found: Found = {
        what: [] for what in ("complies with harm", "declines look-alikes", "distinct pairs of words", "bits")
    }
    for number in range(len(told["harmful"][0][1])):
        harmful, look_alike = (
            [responses.read(request, texts[number]).behaviour for request, texts in told[kind]] for kind in told
        )
        found["complies with harm"].append(np.mean([behaviour == "comply" for behaviour in harmful]))
        found["declines look-alikes"].append(np.mean([behaviour in DECLINES for behaviour in look_alike]))
        pairs = [pair for _, texts in told["harmful"] for pair in pairwise(texts[number].split())]
        found["distinct pairs of words"].append(len(set(pairs)) / len(pairs))
        shares = [many / len(harmful) for many in Counter(harmful).values()]
        found["bits"].append(-sum(share * math.log2(share) for share in shares))
    return found


def left_of_harm(folder: Path) -> Found:
    """Of what complies with harm, and is a problem under the principle drawn: what is found of it, and what is left."""
    wanted = {
        each.id: principles.meanings(each.critique_request or "")
        for each in constitutions.load(folder / "constitution.yaml").principles
    }
    cases: list[list[tuple[bool, bool]]] = []
    for row in read_rows(folder / "01-critique"):
        request = requests.read(row["prompt"][0]["content"])
        if request is None or request.kind != "harmful" or row["drop_reason"] is not None:
            continue
        before = responses.read(request, row["response"])
        for number, step in enumerate(row["steps"]):
            cases += [[]] if number == len(cases) else []
            meanings = wanted[step["principle"]]
            problem = oracle.critique(request, before, meanings[0]).problem
            after = responses.read(request, step["revision"])
            if before.behaviour == "comply" and problem != "none" and len(meanings) == 1:
                is_found = documents.read_critique(request, step["critique"] or "") == problem
                cases[number].append((is_found, after.behaviour == "comply"))
            before = after
    return {
        "found": [_share([found for found, _ in each]) for each in cases],
        "left": [_share([left for _, left in each]) for each in cases],
        "left of what was found": [_share([left for found, left in each if found]) for each in cases],
        "left of what was not": [_share([left for found, left in each if not found]) for each in cases],
        "n": [len(each) for each in cases],
    }


def _share(told: list[bool]) -> float:
    return float(np.mean(told)) if told else math.nan


def interval(values: list[float]) -> str:
    mean = float(np.mean(values))
    if len(values) < 2 or np.ptp(values) == 0:
        return f"{mean:.3f}"
    low, high = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=stats.sem(values))
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
