"""A run whose model is asked by workers on a cluster: each writes down what it was asked, and can be slow, or break."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from toy_run import FILES, PROMPTS, SETTINGS, Together, Told, told

from solon.chains import Reply, Request
from solon.errors import ModelError
from solon.models.cluster import Cluster, placed
from solon.models.drivers import Answered, in_rounds
from solon.models.spread import identity, spread
from solon.runs import open_run

GROUP = 3


@dataclass(frozen=True)
class Ways:
    """How the model behaves."""

    seconds: float = 0.0
    """A batch takes."""
    breaks: str = "never"
    """In which text of a question it cannot answer any more."""
    dies: str = "never"
    """In which its process ends."""


class Breaking(Together):
    """One of these ways."""

    form = "chat"

    def __init__(self, log: Path, ways: Ways):
        super().__init__(log / f"{os.getpid()}.asked")
        self.ways = ways

    def answer(self, requests: list[Request]) -> list[Reply]:
        time.sleep(self.ways.seconds)
        told = str(requests)
        if self.ways.dies in told:
            os._exit(1)
        if self.ways.breaks in told:
            raise ModelError("no quota")
        return super().answer(requests)


def play(
    path: Path,
    log: Path,
    ways: Ways = Ways(),
    *,
    workers: int | None = 4,
    came: Callable[[], None] = lambda: None,
) -> None:
    """Do the run on a cluster, or go on with it; without `workers`, in this process. `came` follows each line kept."""
    log.mkdir(exist_ok=True)
    load = partial(Breaking, log, ways)
    with open_run(path, files=FILES) as run:
        stage = run.stage("01-toy", SETTINGS)
        if stage.complete:
            return
        journal = _Followed(stage.journal, came)
        if workers is None:
            chains = ((prompt["id"], told(prompt)) for prompt in PROMPTS)
            rows: dict[str, Any] = in_rounds(chains, load(), journal=journal, group=GROUP)
        else:
            place = placed(Cluster("auto", workers), cpus=1, loads=True)
            who = identity(place, load)
            rows = spread(PROMPTS, told, place=place, load=load, identity=who, group=GROUP, journal=journal)
        ids = [prompt["id"] for prompt in PROMPTS]
        stage.seal([rows[id] for id in ids], row_type=Told, ids=ids)


class _Followed:
    def __init__(self, journal: Any, came: Callable[[], None]):
        self.journal = journal
        self.recall = journal.recall
        self.came = came

    def keep(self, batch: list[Answered]) -> None:
        self.journal.keep(batch)
        self.came()


if __name__ == "__main__":
    play(Path(sys.argv[1]), Path(sys.argv[2]), Ways(seconds=float(sys.argv[3])), workers=2)
