"""What a preference model learns from its labels, over seeds: their kind, their number, and two that say nothing.

    python experiments/preference_models.py runs/preference --runs runs/bars/default-0 runs/bars/default-1 …

Each run is a complete one of the demo. Its pairs are labelled anew as each condition says (what is asked alike is asked
once), a preference model is trained on the labels, and compares two fresh answers of the run's SL-CAI to each held-out
prompt, of which it has seen none. The truth is the oracle's under all principles of the constitution, by their weights.
What is done already is not done again. The table gives the mean over runs, with the 95 % interval of Student's t over
these. The figures stand in LOG.md.
"""

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from labels import CONDITIONS as LABELLED
from labels import MEASURES, Label, labelled, truth_of
from supervised import interval

from solon import sandbox
from solon.chains import Sampling
from solon.constitution import load as constitutions
from solon.constitution.schema import Constitution
from solon.models.transformers import load
from solon.recipe.schema import load as load_recipe
from solon.recipe.schema import settled
from solon.records import Comparison, draw_seed, rng
from solon.runs import read_rows
from solon.sandbox.examine import ask_all, say
from solon.stages.preference_model import PreferenceModelConfig, score, train_preference_model

UNTRAINED = "untrained"
LABELLED[UNTRAINED] = (["label.min_mass=0"], [])
"""A feedback model that knows nothing: the sandbox's with random weights, which must not abstain here."""


class Condition(NamedTuple):
    """What a preference model is trained on: labels, in which form, and how many."""

    labels: str
    targets: str = "soft"
    most: int | None = None


CONDITIONS = {
    "soft": Condition("default"),
    "hard": Condition("default", "hard"),
    "margin": Condition("default", "margin"),
    "one-order": Condition("one-order"),
    "4-principles": Condition("principles-4"),
    "reasoning": Condition("reasoning-unclamped"),
    "reasoning-20-80": Condition("reasoning-20-80"),
    "reasoning-40-60": Condition("reasoning-40-60"),
    "reasoning-hard": Condition("reasoning-unclamped", "hard"),
    **{f"{n}-comparisons": Condition("default", most=n) for n in (50, 100, 200, 400, 800)},
    "shuffled": Condition("at-chance"),
    "untrained-feedback": Condition(UNTRAINED),
}
TESTED = ("right, clear pairs", "calibration error", "log loss, excess")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", nargs="+", type=Path, required=True)
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    given = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in given.conditions}
    for run in given.runs:
        for name in given.conditions:
            found[name].append(measured(run, given.out / run.name, name))
            print(f"{run.name}, {name}: {found[name][-1]}", file=sys.stderr, flush=True)
    print("| labels | comparisons | " + " | ".join(TESTED) + " |\n|" + "---|" * (len(TESTED) + 2))
    for name, of_runs in found.items():
        many = " ".join(f"{each['trained on']:.0f}" for each in of_runs)
        cells = (interval([each[measure] for each in of_runs]) for measure in TESTED)
        print(f"| {name} | {many} | " + " | ".join(cells) + " |")


def measured(run: Path, out: Path, name: str) -> dict[str, float]:
    """Train on the labels of a condition, unless that is done, and compare the test pairs."""
    condition, folder = CONDITIONS[name], out / name
    if (done := folder / "measured.json").exists():
        told: dict[str, float] = json.loads(done.read_text())
        return told
    constitution = constitutions.load(run / "constitution.yaml")
    rows = [row for row in labels(run, out, condition, constitution) if row["drop_reason"] is None]
    rows.sort(key=lambda row: rng(0, row["id"]).random())
    rows = rows[: condition.most]
    recipe = settled(load_recipe(run / "recipe.yaml"))
    config: PreferenceModelConfig = replace(recipe.preference_model, targets=condition.targets, held_out=0.0)  # type: ignore[arg-type]
    model = str(sandbox.model_path())
    train_preference_model(rows, model=model, out=folder, config=config, progress=lambda done, total: None)
    pairs = test_pairs(run, out)
    scores = score(
        folder / "model",
        [pair["prompt"] for pair in pairs for _ in (0, 1)],
        [text for p in pairs for text in p["responses"]],
    )
    weights = {principle.id: principle.weight for principle in constitution.for_comparison}
    compared = [
        Label(pair["id"], float(1 / (1 + np.exp(second - first))), true, None)
        for pair, first, second in zip(pairs, scores[::2], scores[1::2], strict=True)
        if (true := truth_of(pair, constitution, weights)) is not None
    ]
    told = {measure: math.nan if (value := MEASURES[measure](compared)) is None else value for measure in TESTED}
    told |= {"trained on": len(rows), "tested on": len(compared)}
    done.write_text(json.dumps(told))
    return told


def labels(run: Path, out: Path, condition: Condition, constitution: Constitution) -> list[Comparison]:
    """The run's pairs as the condition labels them."""
    if condition.labels == UNTRAINED:
        LABELLED[UNTRAINED] = ([f"feedback_model={untrained(out)}", "label.min_mass=0"], [])
    return labelled(run, out / "labels", condition.labels, constitution, None)


def untrained(out: Path) -> Path:
    """The sandbox's model with random weights."""
    folder = out / "untrained"
    if not (folder / "config.json").exists():
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

        torch.manual_seed(0)
        AutoTokenizer.from_pretrained(sandbox.model_path()).save_pretrained(folder)
        AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(sandbox.model_path())).save_pretrained(folder)
    return folder


def test_pairs(run: Path, out: Path) -> list[Any]:
    """Two fresh answers of SL-CAI to each held-out prompt, where they differ."""
    path = out / "test-pairs.json"
    if not path.exists():
        model, sampling = load(str(run / "02-finetune" / "model")), Sampling(max_tokens=64)
        prompts = [row["prompt"] for row in read_rows(run / "07-evaluate" / "sl-cai")]
        asked = [(i, prompt, side) for i, prompt in enumerate(prompts) for side in (0, 1)]
        said = ask_all(model, [say(prompt, draw_seed(0, "test", i, side), sampling) for i, prompt, side in asked])
        pairs = [
            {"id": str(i), "prompt": prompt, "responses": [first, second]}
            for i, (prompt, first, second) in enumerate(zip(prompts, said[::2], said[1::2], strict=True))
            if first != second
        ]
        path.write_text(json.dumps(pairs))
    told: list[Any] = json.loads(path.read_text())
    return told


if __name__ == "__main__":
    main()
