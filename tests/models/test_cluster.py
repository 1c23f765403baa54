"""Where workers run is settled before anything is asked; this file needs no Ray."""

import sys
import time

import pytest

from solon.errors import UsageError
from solon.models import cluster
from solon.models.cluster import Cluster, Place, placed, shared, watched


def test_without_ray_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r'not installed here: `pip install "solon\[ray\]"`'):
        placed(Cluster(), cpus=1, loads=True)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:1", "127.0.0.1:port"])
def test_a_cluster_that_is_not_there_is_not_tried_for_minutes(address):
    with pytest.raises(UsageError, match=r"there is no Ray cluster at .*\n.*`ray start --head`"):
        cluster._unless_reached(address)


@pytest.mark.parametrize(
    ("cpus", "gpus", "room"), [(1, 0, 15), (2, 0, 7), (1, 1, 4), (1, 4, 1), (1, 0.5, 8), (4, 0.25, 2), (9, 0, 0)]
)
def test_a_worker_fits_into_one_node_or_not_at_all(cpus, gpus, room, monkeypatch):
    there = [{"CPU": 8.0, "GPU": 4.0}, {"CPU": 7.0}, {"memory": 5.0}]
    monkeypatch.setattr(cluster, "_nodes", lambda: there)
    assert cluster._room(cpus, gpus) == room


def test_lost_nodes_are_told_and_what_ray_says_is_no_result(monkeypatch, capsys):
    told: list[str] = []
    rooms = iter([9, 4, 2, 2])
    monkeypatch.setattr(cluster, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(cluster, "_room", lambda cpus, gpus: next(rooms, 0))
    with watched(Place(Cluster(warn=told.append), 1, 0.0, 9), 4):
        print("a node died")
        until = time.monotonic() + 10
        while len(told) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    print("a result")
    assert told[0] == "nodes of the cluster were lost; there is room for 2 of 4 workers"
    assert told[1].startswith("nodes of the cluster were lost; there is room for 0 of 4 workers: add nodes")
    assert len(told) == 2
    assert capsys.readouterr() == ("a result\n", "a node died\n")


def test_workers_share_what_a_server_is_asked_at_once():
    def workers(given: int | None, *, room: int, concurrency: int) -> int:
        return shared(Place(Cluster(workers=given), 1, 0.0, given or room), concurrency=concurrency).workers

    assert workers(None, room=100, concurrency=64) == 2  # each asks 32 rows at a time
    assert workers(None, room=1, concurrency=64) == 1
    assert workers(8, room=100, concurrency=64) == 8
    with pytest.raises(UsageError, match=r"8 workers cannot share models.concurrency 4.*--workers 4"):
        workers(8, room=100, concurrency=4)
