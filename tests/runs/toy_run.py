"""A small run that can be killed anywhere: chains of several turns, and a fake model that writes down every question.

The fake's replies depend on what is asked together, as the last bits of a real model's do, so that a batch that is
computed again with other members would show in the rows.
"""

import hashlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

from solon.chains import (
    Chain,
    Choice,
    Completion,
    Failed,
    Failure,
    Generate,
    Reply,
    Request,
    Sampling,
    choose,
    choose_each,
    generate,
)
from solon.models.drivers import in_rounds
from solon.models.fake import Fake
from solon.records import Prompt, Row, user
from solon.runs import journal, open_run, tables
from solon.runs.files import Reached, unwatched
from solon.runs.journal import digest_of

FILES = {"recipe.yaml": "seed: 0\n", "constitution.yaml": "principles:\n- id: kind\n"}
SETTINGS = {"model": {"name": "fake"}, "seed": 0}
PROMPTS: list[Prompt] = [
    {"id": f"p{i}", "prompt": [user(f"Question {i}?")], "drop_reason": None, "kind": "red-team"} for i in range(30)
]


class Told(Row):
    """What the chain of one prompt was told."""

    texts: list[str]
    probability: float | None
    others: list[float | None]
    """Of questions that were asked at once; None of one that failed."""


def told(prompt: Prompt) -> Chain[Told]:
    texts: list[str] = []
    row = Told(id=prompt["id"], prompt=prompt["prompt"], drop_reason=None, texts=texts, probability=None, others=[])
    try:
        for turn in range(int(prompt["id"][1:]) % 4):
            asked = [*prompt["prompt"], user("\n".join(texts))]
            texts.append((yield from generate(asked, Sampling(), seed=turn)).text)
        choice = yield from choose([user(f"{prompt['id']}: {texts}")], ("A", "B"))
    except Failed as failed:
        return {**row, "drop_reason": str(failed)}
    said = yield from choose_each([f"{prompt['id']}: {n}" for n in range(len(texts))], ("A", "B"))
    others = [each.probabilities[0] if isinstance(each, Choice) else None for each in said]
    return {**row, "probability": choice.probabilities[0], "others": others}


class Together:
    """A fake that answers a question by what else is in its batch, and writes the digests of questions to `log`."""

    def __init__(self, log: Path):
        self._log = log
        self.identity: dict[str, Any] = {}
        self.batches = Fake(lambda request: Failure("not asked"), batch_size=4).batches

    def answer(self, requests: list[Request]) -> list[Reply]:
        digests = [digest_of(request) for request in requests]
        with self._log.open("a") as log:
            log.write("".join(f"{digest}\n" for digest in digests))
        return [self._reply(request, "".join([digest_of(request), *digests])) for request in requests]

    def _reply(self, request: Request, key: str) -> Reply:
        draw = int(hashlib.sha256(key.encode()).hexdigest(), 16)
        if draw % 7 == 0:
            return Failure("too long")
        if isinstance(request, Generate):
            return Completion(f"{draw} \x1b[31m é \ud800", tokens=draw % 50)
        probability = draw / 2**256
        return Choice((probability, 1 - probability), mass=probability)


def play(path: Path, log: Path, *, reached: Reached = unwatched) -> Sequence[dict[str, Any]]:
    """Do the run, or go on with it: what one command does."""
    with (
        patch.object(tables, "ROWS_PER_FILE", 8),
        patch.object(journal, "SYNC_LINES", 3),
        open_run(path, files=FILES, reached=reached) as run,
    ):
        stage = run.stage("01-toy", SETTINGS)
        if not stage.complete:
            sealing = stage.sealing(row_type=Told)

            def chains() -> Iterator[tuple[str, Chain[Told]]]:
                for prompt in PROMPTS:
                    sealing.begin(prompt["id"])
                    yield prompt["id"], told(prompt)

            def ended(id: str, row: Told) -> None:
                sealing.take(id, [row])

            in_rounds(chains(), Together(log), journal=stage.journal, group=8, ended=ended)
            stage.end(sealing)
        return stage.read()


def play_until(path: Path, log: Path, *, die: Callable[[str, int], bool]) -> None:
    """Do the run, and die by SIGKILL at the first point that says so: `die(name, how many points came before)`."""
    count = 0

    def reached(point: str) -> None:
        nonlocal count
        if die(point, count):
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1

    play(path, log, reached=reached)


def play_until_point(path: Path, log: Path, nth: int) -> None:
    play_until(path, log, die=lambda point, count: count == nth)


def play_until_line(path: Path, log: Path, lines: int) -> None:
    """Die when this session has written so many lines of the journal."""
    written = 0

    def die(point: str, count: int) -> bool:
        nonlocal written
        written += point == "journal.after-write"
        return written == lines

    play_until(path, log, die=die)
