"""How the labels of a run agree with the oracle, on the pairs that SL-CAI really produced.

    python experiments/labels.py runs/demo-sandbox-0

Agreement is over pairs on which the oracle prefers one response under the pair's principle, and over the clear ones.
"""

import sys
from pathlib import Path

from solon.constitution.load import load
from solon.runs import read_rows
from solon.sandbox import principles, requests
from solon.sandbox.examine import agreement, truth


def main(run: Path) -> None:
    wanted = {
        principle.id: principles.read(principle.comparison_request or "")
        for principle in load(run / "constitution.yaml").principles
    }
    by_kind: dict[str, list[tuple[float, float]]] = {}
    for row in read_rows(run / "04-label"):
        request = requests.read(row["prompt"][-1]["content"])
        weighting = wanted.get(row["principle"])
        if row["drop_reason"] is None and request is not None and weighting is not None:
            said = row["probability"], truth(request, tuple(row["responses"]), weighting)
            by_kind.setdefault(request.kind, []).append(said)
            by_kind.setdefault("all", []).append(said)
    for kind, rows in sorted(by_kind.items()):
        print(kind, len(rows), {name: round(value, 3) for name, value in agreement(rows).items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
