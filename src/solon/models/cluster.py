"""Where workers of a Ray cluster run: how many fit, and whether they begin. `spread` gives them work.

Ray waits in silence for what does not fit, so what fits is counted first; what is lost later is told.
"""

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

from solon.errors import UsageError

ROWS = 32
BEGIN_SECONDS = 120.0
"""In which a worker's process must begin: it takes some, and may have to wait for a stage before to let go."""
WATCH_SECONDS = 10.0
REACH_SECONDS = 10.0


@dataclass(frozen=True)
class Cluster:
    """Where workers run, as a person says it."""

    address: str = "local"
    """ "local" starts Ray on this machine; "auto" finds the cluster that this machine belongs to; or "HOST:PORT"."""
    workers: int | None = None
    """None takes as many as fit."""
    gpus_per_worker: float | None = None
    """None takes one for a model that is loaded, where the cluster has GPUs."""
    rows: int = ROWS
    """Rows that ask a server which a worker takes, and returns, at a time: what a lost node costs for each worker."""
    warn: Callable[[str], None] = lambda warning: None
    """Told when nodes are lost."""


@dataclass(frozen=True)
class Place:
    """What a worker takes up, and for how many there is room."""

    cluster: Cluster
    cpus: int
    gpus: float
    workers: int


def placed(cluster: Cluster, *, cpus: int, loads: bool) -> Place:
    """Connect to the cluster and find room for workers of so many CPUs each, that load a model or ask a server.

    Raises:
        UsageError: Ray is not installed, there is no such cluster, or it has not so much room.
    """
    ray = connected(cluster.address)
    gpus = 0.0 if not loads else cluster.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if ray.cluster_resources().get("GPU") else 0.0
    each = f"{cpus} CPU{'s' if cpus > 1 else ''}" + (f" and {gpus:g} GPU{'s' if gpus > 1 else ''}" if gpus else "")
    room = _room(cpus, gpus)
    if room < (cluster.workers or 1):
        there = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in _nodes())
        fix = f"give --workers {room}" if room else "lower --gpus-per-worker or models.threads"
        raise UsageError(
            f"{cluster.workers or 1} workers of {each} each do not fit into the cluster, which has room for {room} "
            f"(its nodes have {there}): {fix}, or add nodes"
        )
    place = Place(cluster, cpus, gpus, cluster.workers or room)
    try:
        ray.get(remote(place, _begin, times=0).remote(), timeout=BEGIN_SECONDS)
    except ray.exceptions.GetTimeoutError as error:
        raise UsageError(
            f"no worker of {each} began within {BEGIN_SECONDS:g} seconds: others use the cluster, or its nodes do not "
            "answer (`ray status`); wait for them, or ask for less"
        ) from error
    return place


def shared(place: Place, *, concurrency: int) -> Place:
    """The place for workers that share a server, each of which asks a part of `concurrency` questions at once.

    Raises:
        UsageError: there are not so many.
    """
    wanted = place.cluster.workers
    if wanted is None:  # more would ask less than each can
        return replace(place, workers=min(place.workers, -(-concurrency // place.cluster.rows)))
    if wanted > concurrency:
        raise UsageError(
            f"{wanted} workers cannot share models.concurrency {concurrency}, the questions that a server is asked at "
            f"once: raise it, or give --workers {concurrency}"
        )
    return place


@contextmanager
def watched(place: Place, workers: int) -> Iterator[None]:
    """Warn where nodes are lost and workers have no room any more: Ray waits for it. What it says goes to stderr."""
    over = threading.Event()

    def watch() -> None:
        before = workers
        while not over.wait(WATCH_SECONDS):
            room = min(workers, _room(place.cpus, place.gpus))
            if room < before:
                todo = "" if room else ": add nodes and it goes on, or stop it; no answer that came back is lost"
                place.cluster.warn(
                    f"nodes of the cluster were lost; there is room for {room} of {workers} workers{todo}"
                )
            before = room

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        over.set()
        thread.join()


def connected(address: str) -> Any:
    """Ray, connected."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError(
            'workers on a cluster need Ray, which is not installed here: `pip install "solon[ray]"`, also on the nodes'
        ) from error
    if ray.is_initialized():
        return ray
    if address not in ("auto", "local"):
        _unless_reached(address)
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _not_there(address, error) from error
    finally:
        if in_main_thread:  # Ray ends the process at a SIGTERM, and the run is to end itself
            signal.signal(signal.SIGTERM, before)
    return ray


def _unless_reached(address: str) -> None:
    """Ray tries for minutes, and says so in its own words."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except (OSError, ValueError) as error:
        raise _not_there(address, error) from error


def _not_there(address: str, error: Exception) -> UsageError:
    return UsageError(
        f"there is no Ray cluster at {address!r}: {error}\nStart one with `ray start --head`, name it HOST:PORT, or "
        'take "local", which starts Ray on this machine'
    )


def remote(place: Place, function: Callable[..., Any], *, times: int = 1) -> Any:
    """A function that is called in a worker's place, in a process that ends after so many `times`, 0 for never."""
    import ray

    return ray.remote(num_cpus=place.cpus, num_gpus=place.gpus, max_calls=times)(function)


def _begin() -> None:
    pass


def _nodes() -> list[dict[str, float]]:
    """What each living node has."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _room(cpus: int, gpus: float) -> int:
    """How many workers fit: each into one node."""
    return sum(
        min(int(node.get("CPU", 0) // cpus), _shares(node.get("GPU", 0), gpus) if gpus else sys.maxsize)
        for node in _nodes()
    )


def _shares(there: float, each: float) -> int:
    """How often a number of GPUs, or a part of one, is there."""
    return int(there // each) if each >= 1 else int(there) * int(1 // each)
