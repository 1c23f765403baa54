"""Chains on a Ray cluster: Ray Data gives groups of rows to workers, and the head, who ordered them, keeps the journal.

A worker loads its model once, makes the chains of a group of rows with the replies that are on file for them, drives
them as on a laptop, and returns the new replies and the rows. The head alone writes: a run is resumed on a laptop as on
a cluster, and a lost node costs the group that each of its workers had under way. Ray Data gives such a group to
another worker; what came back before is on file, and is not given out again.

A model that workers load computes together what a group asks (`drivers.in_rounds`), so that the groups are those of a
laptop, and then the rows are too. Rows that ask a server do not depend on one another, and their groups are smaller.

What goes wrong with Ray Data elsewhere, and cannot here:
1. Workers that do not fit into the cluster would be waited for in silence: `cluster` counts first how many fit.
2. Small inputs are fused into one task: each group is a block of its own.
3. Ray's own stage for servers asks one question at a time: workers here ask many side by side.
4. Rows at which a process ends would be tried for ever: they are tried so often, and then stop the run.
5. A stop would throw away what is under way: workers begin nothing more, and what they have is waited for.

Rows, replies and functions travel by pickle, as all does in Ray: who can reach a cluster can run code on it, which is
why Ray asks for a token by default.
"""

import logging
import pickle
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from solon.chains import Chain, Reply, Request
from solon.errors import ModelError, Stopped, UsageError
from solon.models.base import Model, Server
from solon.models.cluster import Place, connected, remote, watched
from solon.models.drivers import Answered, Ended, Journal, drive, in_rounds

T = TypeVar("T")
Row = Mapping[str, Any]
Load = Callable[[], Model | Server]
_Turn = tuple[str, int]

MOST_TIMES = 4
"""A group is begun: so many nodes may be lost in the midst of it."""


def identity(place: Place, load: Load) -> dict[str, Any]:
    """What the model of a worker says that it is, and its `form`.

    Raises:
        UsageError, ModelError: as `load` does.
    """
    found = connected(place.cluster.address).get(remote(place, _identity).remote(load))
    if isinstance(found, Exception):
        raise found
    told: dict[str, Any] = found
    return told


def told_by(model: Model | Server) -> dict[str, Any]:
    """What a model says that it is, and its `form`."""
    return {**model.identity, "form": model.form}


def spread(
    rows: Iterable[Row],
    make: Callable[[Row], Chain[T]],
    *,
    place: Place,
    load: Load,
    identity: Mapping[str, Any],
    group: int | None,
    journal: Journal,
    ended: Ended[T] | None = None,
) -> dict[str, T]:
    """Drive a chain for each row on the cluster; what they end with, by the ids of the rows, as of `drivers.drive`.

    `identity` is what every worker's model must say that it is. `group` is that of `in_rounds` for a model that is
    loaded, None for a server.

    Raises:
        UsageError: a worker's model is another one, or cannot be loaded.
        ModelError: a model cannot answer.
        Stopped: `journal` says so; what was under way has come back and is on file.
    """
    found: dict[str, T] = {}
    take = ended or found.__setitem__
    taken: set[str] = set()
    units: list[_Unit] = []

    def note(rows: Mapping[str, T]) -> None:
        for row, made in rows.items():
            if row not in taken:
                taken.add(row)
                take(row, made)

    rows = iter(rows)
    while members := list(islice(rows, group or place.cluster.rows)):
        on_file, replies = _replayed(members, make, journal)
        note(on_file)
        if group is None:  # rows that ask a server do not need those beside them
            members = [row for row in members if row["id"] not in on_file]
        if not on_file.keys() >= {row["id"] for row in members}:
            units.append(_Unit(members, replies))
    if not units:
        return found
    halted: Exception | None = None
    gate = _gate()
    with closing(_returned(units, _Job(load, make, dict(identity), gate), place)) as stream:
        for returned in stream:
            for batch in returned.batches:
                try:
                    journal.keep(batch)
                except Stopped as stopped:
                    halted = halted or stopped
            note(returned.ended)
            halted = halted or returned.error
            if halted:
                gate.close.remote()
    if halted:
        raise halted
    return found


@dataclass(frozen=True)
class _Unit:
    """What a worker takes at a time."""

    rows: Sequence[Row]
    replies: Mapping[_Turn, Reply]
    """Those on file."""


@dataclass
class _Returned:
    """What comes back of it."""

    batches: list[Sequence[Answered]] = field(default_factory=list)
    """New replies, as they were computed together."""
    ended: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None
    """What stopped the worker, after these replies."""


@dataclass(frozen=True)
class _Job:
    """What all workers are given once."""

    load: Load
    make: Callable[[Row], Chain[Any]]
    identity: Mapping[str, Any]
    gate: Any


class _Held:
    """A worker's journal: what is on file, and what is to be returned."""

    def __init__(self, replies: Mapping[_Turn, Reply], returned: _Returned):
        self.replies = replies
        self.returned = returned

    def recall(self, row: str, turn: int, request: Request) -> Reply | None:
        return self.replies.get((row, turn))

    def keep(self, batch: Sequence[Answered]) -> None:
        self.returned.batches.append(batch)


class _Worker:
    """What Ray Data calls with one unit after another, as tables of one cell: Arrow cannot hold every text of a row."""

    def __init__(self, job: _Job):
        self.job = job
        self.model: Model | Server | None = None

    def __call__(self, table: Any) -> Any:
        return _table(self.answer(_read(table)))

    def answer(self, unit: _Unit) -> _Returned:
        import ray

        returned = _Returned()
        first = unit.rows[0]["id"]
        times = ray.get(self.job.gate.begin.remote(first))
        if not times:
            return returned
        try:
            if times > MOST_TIMES:
                raise ModelError(
                    f"the {len(unit.rows)} rows from {first!r} on were given to {MOST_TIMES} workers, and each ended "
                    "in the midst of them, its process and all. Most likely there is too little memory: set a smaller "
                    "models.batch_size, or give a worker more"
                )
            if self.model is None:
                model = self.job.load()
                _unless_the_same(self.job.identity, told_by(model))
                self.model = model
            chains = ((row["id"], self.job.make(row)) for row in unit.rows)
            held = _Held(unit.replies, returned)
            returned.ended = drive(chains, self.model, journal=held, group=len(unit.rows))
        except (UsageError, ModelError) as error:
            returned.error = error
        return returned


class _Gate:
    """Says whether a group may be begun, and how often it was. Lives beside the head, so that no lost node takes it."""

    def __init__(self) -> None:
        self.opened = True
        self.begun: Counter[str] = Counter()

    def close(self) -> None:
        self.opened = False

    def begin(self, first: str) -> int:
        self.begun[first] += self.opened
        return self.begun[first] if self.opened else 0


class _Unanswered(Exception):
    """A chain asks what is not on file."""


class _Nobody:
    """A model that answers nothing: what it drives is replayed."""

    def batches(self, requests: Sequence[Request]) -> list[list[int]]:
        return [list(range(len(requests)))]

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        raise _Unanswered


class _Remembered:
    """The head's journal, which is asked once for each reply: what it says goes to the worker."""

    def __init__(self, journal: Journal, replies: dict[_Turn, Reply]):
        self.journal = journal
        self.replies = replies

    def recall(self, row: str, turn: int, request: Request) -> Reply | None:
        reply = self.journal.recall(row, turn, request)
        if reply is not None:
            self.replies[row, turn] = reply
        return reply


def _replayed(
    rows: Sequence[Row], make: Callable[[Row], Chain[T]], journal: Journal
) -> tuple[dict[str, T], dict[_Turn, Reply]]:
    """What the rows end with whose replies are all on file, and the replies of all of them."""
    ended: dict[str, T] = {}
    replies: dict[_Turn, Reply] = {}
    remembered: Any = _Remembered(journal, replies)
    nobody: Any = _Nobody()
    for row in rows:
        try:
            ended |= in_rounds([(row["id"], make(row))], nobody, journal=remembered)
        except _Unanswered:
            continue
    return ended, replies


def _returned(units: Sequence[_Unit], job: _Job, place: Place) -> Generator[_Returned, None, None]:
    """Yield what workers return, as it comes."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    workers = min(place.workers, len(units))
    blocks = ray.data.from_arrow([_table(unit) for unit in units])
    results = blocks.map_batches(
        _Worker,
        fn_constructor_args=(job,),
        batch_size=None,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),  # none waits for another
        num_cpus=place.cpus,
        num_gpus=place.gpus or None,
    )
    with watched(place, workers):
        for table in results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for cell in table["pickled"]:
                returned: _Returned = pickle.loads(cell.as_py())
                yield returned


def _identity(load: Load) -> dict[str, Any] | Exception:
    try:
        return told_by(load())
    except (UsageError, ModelError) as error:
        return error


def _unless_the_same(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    differ = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
    if differ:
        import ray

        told = "; ".join(f"{key} is {found.get(key)!r}, not {wanted.get(key)!r}" for key in differ)
        raise UsageError(
            f"the model of a worker on {ray.util.get_node_ip_address()} is another one than that of the stage: {told}. "
            "Rows of both must not be mixed: use nodes that are alike, with the same versions and files"
        )


def _gate() -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(num_cpus=0)(_Gate).options(scheduling_strategy=here).remote()


def _table(value: Any) -> Any:
    import pyarrow as pa

    return pa.table({"pickled": pa.array([pickle.dumps(value)], pa.large_binary())})


def _read(table: Any) -> Any:
    return pickle.loads(table["pickled"][0].as_py())
