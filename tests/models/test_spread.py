"""On a cluster rows are those of a laptop; a lost node or head costs the groups that were under way, and no reply."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'solon[ray]'")

import cluster_run
from ray.cluster_utils import Cluster as LocalCluster
from toy_run import FILES, PROMPTS, SETTINGS, Told, Together, told

from solon.models.drivers import in_rounds
from solon.runs import open_run


@pytest.fixture(scope="module")
def nodes():
    """A cluster of a head and two more nodes on this machine, of two CPUs each, shared by the tests of this file."""
    here = Path(__file__).parent
    os.environ["PYTHONPATH"] = os.pathsep.join([str(here), str(here.parent / "runs"), *sys.path])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = LocalCluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    others = [cluster.add_node(num_cpus=2) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, others
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def laptop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laptop")
    with open_run(folder / "run", files=FILES) as run:
        stage = run.stage("01-toy", SETTINGS)
        chains = ((prompt["id"], told(prompt)) for prompt in PROMPTS)
        rows = in_rounds(chains, Together(folder / "asked"), journal=stage.journal, group=cluster_run.GROUP)
        ids = [prompt["id"] for prompt in PROMPTS]
        stage.seal([rows[id] for id in ids], row_type=Told, ids=ids)
    return folder


def table(run: Path) -> bytes:
    return (run / "01-toy" / "00000.parquet").read_bytes()


def on_file(run: Path) -> list[str]:
    journal = run / "01-toy" / "journal.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [reply["digest"] for line in lines for reply in json.loads(line)["replies"]]


def test_rows_of_a_cluster_are_those_of_a_laptop(nodes, laptop, tmp_path):
    t=time.time()
    cluster_run.play(tmp_path / "run", tmp_path / "asked")
    print("play", time.time()-t)
    assert table(tmp_path / "run") == table(laptop / "run")
    assert sorted(cluster_run.asked(tmp_path / "asked")) == sorted((laptop / "asked").read_text().split())
    assert len(list((tmp_path / "asked").iterdir())) > 1


def test_a_lost_node_costs_the_groups_that_were_under_way_there(nodes, laptop, tmp_path):
    cluster, others = nodes
    known: list[str] = []
    before: list[str] = []

    def came() -> None:
        if not known and len(on_file(tmp_path / "run")) >= 12:
            known.extend(on_file(tmp_path / "run"))
            before.extend(cluster_run.asked(tmp_path / "asked"))
            cluster.remove_node(others.pop(), allow_graceful=False)

    t=time.time()
    cluster_run.play(tmp_path / "run", tmp_path / "asked", seconds=0.2, came=came)
    print("play", time.time()-t)
    asked = cluster_run.asked(tmp_path / "asked")
    assert table(tmp_path / "run") == table(laptop / "run")
    assert len(set(on_file(tmp_path / "run"))) == len(on_file(tmp_path / "run"))
    twice = {digest for digest in asked if asked.count(digest) > 1}
    assert twice.isdisjoint(known)
    print(len(twice), len(asked), len(before))
    cluster.add_node(num_cpus=2)
