"""What the default demo reaches over seeds, and whether the constitution is the cause: runs, then a table.

    python experiments/bars.py runs/bars --conditions default evasive --seeds 0 1 2

A run that is complete is not done again, so the command goes on where it was stopped. The figures stand in LOG.md.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy import stats

CONDITIONS: dict[str, list[str]] = {
    "default": [],
    "evasive": ["--constitution", "evasive"],
    "harmless-only": ["--constitution", "harmless-only"],
    "shuffle": ["--set", "label.shuffle=true"],
}
METRICS = (
    "harmful_rate", "engaged_rate", "evasive_rate", "preachy_rate", "harsh_rate", "boilerplate_rate",
    "wrong_reason_rate", "helpful_rate", "wrong_content_rate", "over_refusal_rate", "garbled_rate", "oracle_score",
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
    solon = Path(sys.executable).parent / "solon"
    command = [str(solon), "demo", "--seed", str(seed), "--out", str(run), "--json"]
    for setting in settings:
        command += ["--set", setting]
    began = time.time()
    subprocess.run([*command, *CONDITIONS[condition]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    print(f"{run}: {time.time() - began:.0f} s, at most {peak:.2f} GB so far", flush=True)


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
