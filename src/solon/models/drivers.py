"""How chains meet a model: in rounds, for models that compute batches; each alone, for servers that batch themselves.

A driver hands every reply to the journal before the chain sees it: replies are what a run must never lose. What is on
file already is not asked again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from solon.chains import Chain, Reply, Request
from solon.errors import Stopped, UsageError
from solon.models.base import Model, Server

T = TypeVar("T")
Ended = Callable[[str, T], None]
"""Takes the row that a chain ended with, by the id of the chain, at once; many rows do not fit into memory."""
_Turn = tuple[str, int]
"""A row, and which of its questions, from 0."""
_Asking = Generator[tuple[Request, ...], Any, T]
"""A chain that always asks several questions, if only one."""


@dataclass(frozen=True)
class Answered:
    """One reply and the question it answers: the `turn`-th (from 0) of the chain of `row`."""

    row: str
    turn: int
    request: Request
    reply: Reply


class Journal(Protocol):
    """Where replies are kept."""

    def recall(self, row: str, turn: int, request: Request) -> Reply | None:
        """Return the reply on file, if any.

        Raises:
            UsageError: another question is on file there.
        """

    def keep(self, batch: Sequence[Answered]) -> None:
        """Put replies that were computed together on file, all or none."""


class Heard:
    """A journal that remembers, as long as it is there, all that was asked and answered, and keeps nothing on file."""

    def __init__(self) -> None:
        self.all: list[Answered] = []

    def recall(self, row: str, turn: int, request: Request) -> Reply | None:
        """Nothing is on file."""

    def keep(self, batch: Sequence[Answered]) -> None:
        """Remember."""
        self.all.extend(batch)


def drive(
    chains: Iterable[tuple[str, Chain[T]]],
    model: Model | Server,
    *,
    journal: Journal,
    group: int = 256,
    ended: Ended[T] | None = None,
) -> dict[str, T]:
    """Drive chains as suits the model; rows by the id of their chain, if `ended` does not take them as they end.

    `group` is that of `in_rounds`.
    """
    if not isinstance(model, Server):
        return in_rounds(chains, model, journal=journal, group=group, ended=ended)

    async def asked() -> dict[str, T]:
        async with model:
            width = model.width
            return await each_alone(
                chains, model.answer, journal=journal, width=width.most, turn=width.turn, ended=ended
            )

    return asyncio.run(asked())


def in_rounds(
    chains: Iterable[tuple[str, Chain[T]]],
    model: Model,
    *,
    journal: Journal,
    group: int = 256,
    ended: Ended[T] | None = None,
) -> dict[str, T]:
    """Drive `group` chains at a time, round after round; rows as of `drive`.

    What a batch computes depends, in the last bits, on its shape. A group of chains therefore starts together and takes
    in no latecomers, and a batch is kept as a whole, so that the same groups give the same rows, killed or not.
    """
    rows: dict[str, T] = {}
    chains = _told_apart(chains)
    while members := dict(islice(chains, group)):
        _one_group(members, model, journal, ended or rows.__setitem__)
    return rows


def _one_group(chains: dict[str, _Asking[T]], model: Model, journal: Journal, ended: Ended[T]) -> None:
    turns = dict.fromkeys(chains, 0)
    replies: dict[str, tuple[Reply, ...] | None] = dict.fromkeys(chains)
    while replies:
        asked: dict[str, dict[_Turn, Request]] = {}
        for row, heard in replies.items():
            try:
                questions = chains[row].send(heard)
            except StopIteration as end:
                ended(row, end.value)
                continue
            asked[row] = {(row, turn): question for turn, question in enumerate(questions, turns[row])}
            turns[row] += len(questions)
        told = _one_round(
            {turn: question for each in asked.values() for turn, question in each.items()}, model, journal
        )
        replies = {row: tuple(told[turn] for turn in each) for row, each in asked.items()}


def _one_round(asked: Mapping[_Turn, Request], model: Model, journal: Journal) -> dict[_Turn, Reply]:
    on_file = {turn: journal.recall(*turn, request) for turn, request in asked.items()}
    replies = {turn: reply for turn, reply in on_file.items() if reply is not None}
    order = list(asked)
    for batch in model.batches(list(asked.values())):
        members = [order[i] for i in batch]
        if all(turn in replies for turn in members):
            continue
        answers = zip(members, model.answer([asked[turn] for turn in members]), strict=True)
        news = {turn: reply for turn, reply in answers if turn not in replies}  # what is on file stands
        journal.keep([Answered(*turn, asked[turn], reply) for turn, reply in news.items()])
        replies |= news
    return replies


async def each_alone(
    chains: Iterable[tuple[str, Chain[T]]],
    answer: Callable[[Request], Awaitable[Reply]],
    *,
    journal: Journal,
    width: int,
    turn: Callable[[int], AbstractAsyncContextManager[None]] = lambda order: nullcontext(),
    ended: Ended[T] | None = None,
) -> dict[str, T]:
    """Drive `width` chains side by side, each to its end before the next begins; rows as of `drive`.

    A question is asked within `turn(order)`, which may make it wait; `order` is that in which the chains began. After
    `Stopped` nothing more is asked, and what is under way is still answered.

    Depth first: a server with a prefix cache meets the turns of a chain back to back. On a simulated server 77 % of
    prompt tokens were cached, against none when every turn queues anew (`benchmarks/orchestration.py`).
    """
    rows: dict[str, T] = {}
    take = ended or rows.__setitem__
    begun = enumerate(_told_apart(chains))
    stops: list[Stopped] = []

    async def ask(order: int, row: str, number: int, request: Request) -> Reply:
        async with turn(order):
            if stops:
                raise stops[0]
            reply = await answer(request)
        journal.keep([Answered(row, number, request, reply)])
        return reply

    async def worker() -> None:
        for order, (row, chain) in begun:
            replies: tuple[Reply, ...] | None = None
            number = 0
            while True:
                try:
                    questions = chain.send(replies)
                except StopIteration as end:
                    take(row, end.value)
                    break
                replies = ()
                for request in questions:  # one after another, so that the next find what they share in the cache
                    reply = journal.recall(row, number, request) or await ask(order, row, number, request)
                    replies += (reply,)
                    number += 1

    async def until_stopped() -> None:
        try:
            await worker()
        except Stopped as stopped:
            stops.append(stopped)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(width):
                tasks.create_task(until_stopped())
    except ExceptionGroup as failed:  # a caller tells errors apart by their own type
        raise failed.exceptions[0] from None
    if stops:
        raise stops[0]
    return rows


def _told_apart(chains: Iterable[tuple[str, Chain[T]]]) -> Iterator[tuple[str, _Asking[T]]]:
    seen: set[str] = set()
    for row, chain in chains:
        if row in seen:
            raise UsageError(f"two rows have the id {row!r}, so that one would be lost: give each an id of its own")
        seen.add(row)
        yield row, _in_tuples(chain)


def _in_tuples(chain: Chain[T]) -> _Asking[T]:
    """The chain, as one whose every turn is a tuple of questions."""
    replies: Any = None
    while True:
        try:
            asked = chain.send(replies)
        except StopIteration as end:
            ended: T = end.value
            return ended
        if isinstance(asked, tuple):
            replies = yield asked
        else:
            (replies,) = yield (asked,)
