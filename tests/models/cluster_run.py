"""A run whose model is asked on a cluster, by workers that write down every question, and can be slow."""

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from toy_run import FILES, PROMPTS, SETTINGS, Together, Told, told

from solon.chains import Reply, Request
from solon.models.cluster import Cluster, placed
from solon.models.spread import identity, spread
from solon.runs import open_run

GROUP = 3


class Slow(Together):
    """Waits for each batch."""

    form = "chat"

    def __init__(self, log: Path, seconds: float):
        super().__init__(log / f"{os.getpid()}.asked")
        self.seconds = seconds

    def answer(self, requests: list[Request]) -> list[Reply]:
        time.sleep(self.seconds)
        return super().answer(requests)


def load(log: Path, seconds: float) -> Slow:
    return Slow(log, seconds)


def play(path: Path, log: Path, *, seconds: float = 0.0, workers: int = 4, came: Any = lambda: None) -> list[Any]:
    """Do the run, or go on with it; `came` is called whenever something came back."""
    log.mkdir(exist_ok=True)
    loads = partial(load, log, seconds)
    with open_run(path, files=FILES) as run:
        stage = run.stage("01-toy", SETTINGS)
        if not stage.complete:
            keep = stage.journal.keep

            def kept(batch: Any) -> None:
                keep(batch)
                came()

            stage.journal.keep = kept  # type: ignore[method-assign]
            place = placed(Cluster("auto", workers), cpus=1, loads=True)
            who = identity(place, loads)
            rows = spread(PROMPTS, told, place=place, load=loads, identity=who, group=GROUP, journal=stage.journal)
            ids = [prompt["id"] for prompt in PROMPTS]
            stage.seal([rows[id] for id in ids], row_type=Told, ids=ids)
        return stage.read()


def asked(log: Path) -> list[str]:
    """The digests of all questions, of all workers."""
    return [digest for file in sorted(log.glob("*.asked")) for digest in file.read_text().split()]


if __name__ == "__main__":
    play(Path(sys.argv[1]), Path(sys.argv[2]), seconds=float(sys.argv[3]), workers=2)
