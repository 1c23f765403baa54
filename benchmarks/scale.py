"""What a row costs, of few and of many: memory and time of a stage that asks, its journal and its tables included.

Every row is a prompt that is answered, criticised and revised once (three questions) by a model that answers at once
(`solon.models.fake`), in a run folder and by the path that every stage takes, `recipe.work.ask`, and read once; then
the same command again, with the tables taken away, which makes them anew from the journal. Each number of rows has a
process of its own.

    python benchmarks/scale.py 10000 100000
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from solon.chains import Completion, Generate, Reply, Request
from solon.constitution import load as constitutions
from solon.models.fake import Fake
from solon.recipe.named_model import ModelOptions, named
from solon.recipe.work import Asking, Helper, ask
from solon.records import Prompt, Revision, user
from solon.runs import open_run
from solon.stages.critique import CritiqueConfig, critique_and_revise

ANSWER = "A response of which every word is there for its length alone, as no one reads it. " * 8
"""660 characters, or 150 tokens."""


def reply(request: Request) -> Reply:
    """Another text to each question."""
    assert isinstance(request, Generate)
    return Completion(f"{request.seed} {ANSWER}", tokens=150, prompt_tokens=300)


class Prompts(Sequence[Prompt]):
    """So many, of 200 characters, each made when it is asked for, so that they take no memory of their own."""

    def __init__(self, many: int):
        self.many = many

    def __len__(self) -> int:
        return self.many

    def __getitem__(self, n: Any) -> Any:
        if n >= self.many:
            raise IndexError(n)
        text = f"Question {n}: {'what to do? ' * 16}"
        return {"id": f"p{n}", "prompt": [user(text)], "drop_reason": None, "kind": "red-team"}


def once(out: Path, rows: Sequence[Prompt]) -> float:
    """Do the stage, and return its seconds."""
    model = Fake(reply, batch_size=64)
    model.asked = deque(maxlen=0)  # it would remember every question
    helper = Helper(named("fake"), ModelOptions())
    helper.model = model
    asking = Asking(
        rows=rows,
        chain=partial(critique_and_revise, constitution=constitutions.load("harmless")),
        config=CritiqueConfig(num_revisions=1),
        questions=lambda row: 3,
        row_type=Revision,
        first=True,
    )
    began = time.monotonic()
    with open_run(out, files={}) as run:
        made = ask(run, "01-critique", asking, helper=helper, progress=lambda *told: None)
        assert sum(1 for row in made) == len(rows)
    return time.monotonic() - began


def peak() -> float:
    """Megabytes that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def child(many: int, out: Path) -> None:
    began = peak()
    again = (out / "01-critique" / "journal.jsonl").exists()
    (out / "01-critique" / "summary.json").unlink(missing_ok=True)
    seconds = once(out, Prompts(many))
    cpu = time.process_time()
    print(json.dumps({"again": again, "began": began, "peak": peak(), "s": seconds, "cpu": cpu}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=int, nargs="+")
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.out:
        child(given.rows[0], given.out)
        return
    print("| rows | | peak MB | of these before the stage | CPU ms a row | wall ms a row |\n|---|---|---|---|---|---|")
    for many in given.rows:
        with tempfile.TemporaryDirectory() as out:
            for _ in range(2):
                me = [sys.executable, __file__, str(many), "--out", out]
                done = json.loads(subprocess.run(me, stdout=subprocess.PIPE, text=True, check=True).stdout)
                what = "from the journal" if done["again"] else "asked"
                cpu, wall = (f"{1000 * done[key] / many:.2f}" for key in ("cpu", "s"))
                print(f"| {many} | {what} | {done['peak']:.0f} | {done['began']:.0f} | {cpu} | {wall} |", flush=True)


if __name__ == "__main__":
    main()
