"""What the default demo reaches over seeds, and whether the constitution is the cause: runs, then a table.

    python experiments/bars.py runs/bars --conditions default evasive --seeds 0 1 2

A run that is complete is not done again, so the command goes on where it was stopped. A run that labels in
another way takes the stages before the labels, which are the same, over from the default run of its seed, if that is
done. The figures stand in LOG.md.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy import stats

from solon.recipe.schema import apply_settings, load, to_yaml

CONSTITUTIONS = {
    "evasive": "evasive",
    "harmless-only": "harmless-only",
    "one-principle": str(Path(__file__).with_name("one-principle.yaml")),
    "helpful": "sandbox-helpful",
    "both": "sandbox-both",
}
"""Of conditions; the others have the demo's."""
PROMPTS = {"helpful": "sandbox-instructions", "both": "sandbox-both", "both-control": "sandbox-both"}
"""Of conditions; the others have the demo's."""
LABELS: dict[str, list[str]] = {
    "shuffle": ["label.shuffle=true"],
    "reasoning": ["label.chain_of_thought=true"],
    "reasoning-20-80": ["label.chain_of_thought=true", "label.clamp=[0.2, 0.8]"],
    "reasoning-unclamped": ["label.chain_of_thought=true", "label.clamp=null"],
    "one-order": ["label.both_orders=false"],
    "four-principles": ["label.num_principles=4"],
    "hard": ["preference_model.targets=hard"],
}
"""Of conditions that differ from the default in their labels, or what is learned of these, alone: their settings."""
CONDITIONS = ("default", *CONSTITUTIONS, "both-control", *LABELS)
BEFORE_LABELS = ("01-critique", "02-finetune", "03-pairs")
METRICS = (
    "harmful_rate", "engaged_rate", "evasive_rate", "preachy_rate", "harsh_rate", "boilerplate_rate",
    "wrong_reason_rate", "helpful_rate", "wrong_content_rate", "instruction_rate", "over_refusal_rate", "garbled_rate",
    "oracle_score",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="settings for every run")
    given = parser.parse_args()
    for seed in given.seeds:
        for condition in given.conditions:
            demo(given.out, condition, seed=seed, settings=given.set)
    for condition in given.conditions:
        table(given.out, condition, given.seeds)


def demo(out: Path, condition: str, *, seed: int, settings: list[str]) -> None:
    """Do one run, unless it is done."""
    run = out / f"{condition}-{seed}"
    if (run / "07-evaluate" / "metrics.json").exists():
        return
    settings = [*settings, *LABELS.get(condition, [])]
    if condition in PROMPTS:
        settings.append(f"prompts={PROMPTS[condition]}")
    if condition in LABELS and not run.exists():
        take_over(out / f"default-{seed}", run, settings)
    solon = Path(sys.executable).parent / "solon"
    command = [str(solon), "demo", "--seed", str(seed), "--out", str(run), "--json"]
    if condition in CONSTITUTIONS:
        command += ["--constitution", CONSTITUTIONS[condition]]
    for setting in settings:
        command += ["--set", setting]
    began = time.time()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"{run}: {time.time() - began:.0f} s, at most {peak:.2f} GB so far", flush=True)


def take_over(done: Path, run: Path, settings: list[str]) -> None:
    """Begin a run with the stages before the labels of a complete one, which no setting of labels changes."""
    if not (done / "07-evaluate" / "metrics.json").exists():
        return
    aside = run.with_name(run.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    for stage in BEFORE_LABELS:
        shutil.copytree(done / stage, aside / stage)
    shutil.copy(done / "constitution.yaml", aside)
    (aside / "recipe.yaml").write_text(to_yaml(apply_settings(load(done / "recipe.yaml"), settings), folder=aside))
    record = json.loads((done / "run.json").read_text())
    record["stages"] = {stage: record["stages"][stage] for stage in BEFORE_LABELS}
    (aside / "run.json").write_text(json.dumps(record))
    aside.rename(run)


def table(out: Path, condition: str, seeds: list[int]) -> None:
    """Print each model's metrics, by seed, and the change of the oracle's score by reinforcement."""
    runs = [out / f"{condition}-{seed}" for seed in seeds]
    found = [json.loads((run / "07-evaluate" / "metrics.json").read_text()) for run in runs]
    print(f"\n## {condition}, seeds {seeds}\n")
    print("| metric | helpful-only | SL-CAI | RL-CAI | RL-CAI, unseen acts |\n|---|---|---|---|---|")
    for metric in METRICS:
        cells = [
            " ".join(_short(metrics["models"][model][metric]["value"]) for metrics in found)
            for model in ("helpful-only", "sl-cai", "rl-cai")
        ]
        cells.append(
            " ".join(_short(metrics["splits"]["unseen-act"]["models"]["rl-cai"][metric]["value"]) for metrics in found)
        )
        print(f"| {metric} | " + " | ".join(cells) + " |")
    changes = [
        metrics["models"]["rl-cai"]["oracle_score"]["value"] - metrics["models"]["sl-cai"]["oracle_score"]["value"]
        for metrics in found
    ]
    summaries = [json.loads((run / "05-preference_model" / "summary.json").read_text())["held_out"] for run in runs]
    print(
        "\npreference model, held out: "
        + ", ".join(f"{held['agreement']['value']:.3f} (n {held['agreement']['n']})" for held in summaries)
    )
    told = f"change of oracle_score by reinforcement: mean {np.mean(changes):+.4f}"
    if len(changes) > 1:
        low, high = stats.t.interval(0.95, len(changes) - 1, loc=np.mean(changes), scale=stats.sem(changes))
        told += f", 95 % interval over seeds {low:+.4f} to {high:+.4f}"
    print(told)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
