"""On a cluster the rows are those of a laptop; a lost node costs what was under way there, and a stop costs nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'solon[ray]'")

import cluster_run
import ray
import served_run
from cluster_run import GROUP, Ways, play
from ray.cluster_utils import Cluster as LocalCluster
from server import Behaviour, Scripted

from solon import recipe as recipes
from solon.errors import ModelError, Stopped, UsageError
from solon.models.cluster import Cluster, placed
from solon.models.spread import _unless_the_same

pytestmark = pytest.mark.slow

QUICKLY = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000, "health_check_failure_threshold": 3}


@pytest.fixture(scope="module")
def nodes():
    """Three nodes on this machine: a head without a CPU to spare, and two of two CPUs, which workers take all of."""
    here = Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (here, here.parent / "runs", *sys.path))))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("OMP_NUM_THREADS", "1")
        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": QUICKLY}
        cluster = LocalCluster(initialize_head=True, head_node_args=head)
        others = [cluster.add_node(num_cpus=2) for _ in range(2)]
        patch.setenv("RAY_ADDRESS", cluster.address)
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster, others
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="module")
def laptop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laptop")
    play(folder / "run", folder / "asked", workers=None)
    return folder


def table(run: Path) -> bytes:
    return (run / "01-toy" / "00000.parquet").read_bytes()


def replies(run: Path) -> list[dict[str, str]]:
    """Those on file."""
    journal = run / "01-toy" / "journal.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [reply for line in lines for reply in json.loads(line)["replies"]]


def asked(log: Path) -> list[str]:
    """The digests of all questions that reached a model."""
    return [digest for file in log.glob("*.asked") for digest in file.read_text().split()]


def rows_of(digests, run: Path) -> set[str]:
    return {reply["row"] for reply in replies(run) if reply["digest"] in digests}


@pytest.mark.long
def test_rows_of_a_cluster_are_those_of_a_laptop_and_no_cpu_need_be_free(nodes, laptop, tmp_path):
    play(tmp_path / "run", tmp_path / "asked", Ways(seconds=0.3), workers=4)
    assert table(tmp_path / "run") == table(laptop / "run")
    assert sorted(asked(tmp_path / "asked")) == sorted(asked(laptop / "asked"))
    assert len(list((tmp_path / "asked").iterdir())) > 1


def test_a_lost_node_costs_the_group_that_each_of_its_workers_had_under_way(nodes, laptop, tmp_path):
    cluster, others = nodes
    run, log = tmp_path / "run", tmp_path / "asked"
    known: list[str] = []

    def lose_a_node() -> None:
        if not known and len(replies(run)) > 12:
            known.extend(reply["digest"] for reply in replies(run))
            cluster.remove_node(others.pop(), allow_graceful=False)

    play(run, log, Ways(seconds=0.3), workers=4, came=lose_a_node)
    others.append(cluster.add_node(num_cpus=2))
    assert table(run) == table(laptop / "run")
    assert all(times == 1 for times in Counter(reply["digest"] for reply in replies(run)).values())
    twice = {digest for digest, times in Counter(asked(log)).items() if times > 1}
    assert known
    assert twice.isdisjoint(known)
    assert len(rows_of(twice, run)) <= 2 * GROUP


@pytest.mark.long
def test_a_head_that_is_killed_goes_on_and_asks_nothing_that_is_on_file(nodes, laptop, tmp_path):
    run, log = tmp_path / "run", tmp_path / "asked"
    head = subprocess.Popen([sys.executable, cluster_run.__file__, str(run), str(log), "0.3"])
    while len(replies(run)) < 8:
        assert head.poll() is None
        time.sleep(0.05)
    head.send_signal(signal.SIGKILL)
    head.wait()
    known, before = {reply["digest"] for reply in replies(run)}, Counter(asked(log))
    play(run, log, workers=None)  # on a laptop
    assert table(run) == table(laptop / "run")
    assert known.isdisjoint(Counter(asked(log)) - before)


@pytest.mark.long
def test_a_model_that_fails_stops_the_run_as_it_does_here_and_what_came_back_is_on_file(nodes, laptop, tmp_path):
    run, log = tmp_path / "run", tmp_path / "asked"
    with pytest.raises(ModelError, match=r"^no quota$"):
        play(run, log, Ways(breaks="p22: "), workers=2)
    assert sorted(reply["digest"] for reply in replies(run)) == sorted(asked(log))
    play(run, log, workers=None)
    assert table(run) == table(laptop / "run")
    assert sorted(asked(log)) == sorted(asked(laptop / "asked"))


@pytest.mark.long
def test_a_stop_begins_nothing_more_and_waits_for_what_is_under_way(nodes, laptop, tmp_path):
    run, log = tmp_path / "run", tmp_path / "asked"

    def stop() -> None:
        raise Stopped("enough")

    with pytest.raises(Stopped, match="enough"):
        play(run, log, Ways(seconds=0.3), workers=2, came=stop)
    assert sorted(reply["digest"] for reply in replies(run)) == sorted(asked(log))
    assert len(rows_of(asked(log), run)) <= 4 * GROUP
    play(run, log, workers=None)
    assert sorted(asked(log)) == sorted(asked(laptop / "asked"))


@pytest.mark.long
def test_rows_at_which_every_process_ends_are_not_tried_for_ever(nodes, tmp_path):
    with pytest.raises(ModelError, match=r"the 3 rows from 'p3' on were given to 4 workers.*too little memory"):
        play(tmp_path / "run", tmp_path / "asked", Ways(dies="Question 5?"), workers=2)


@pytest.mark.long
def test_a_server_is_asked_no_more_at_once_by_all_workers_than_by_one(nodes, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with Scripted(Behaviour()) as server:
        for out, cluster in (("here", None), ("there", Cluster("auto", 2, rows=2))):
            served_run.play(server.name(), tmp_path / out, until="critique", cluster=cluster)
            assert server.most <= 4
    tables = [(tmp_path / out / "01-critique" / "00000.parquet").read_bytes() for out in ("here", "there")]
    assert tables[0] == tables[1]


@pytest.mark.long
def test_a_real_model_gives_the_same_stage_on_a_cluster_byte_for_byte(nodes, tmp_path):
    settings = ["models.threads=1", "models.group=4", "num_prompts=8", "num_helpful_prompts=4"]
    recipe = recipes.apply_settings(recipes.load("demo"), settings)
    for out, cluster in (("here", None), ("there", Cluster("auto", 2))):
        recipes.run(recipe, out=tmp_path / out, until="critique", cluster=cluster)
    for name in ("stage.json", "00000.parquet"):
        one, other = (tmp_path / out / "01-critique" / name for out in ("here", "there"))
        assert one.read_bytes() == other.read_bytes()


def test_workers_that_do_not_fit_are_refused_and_not_waited_for(nodes):
    with pytest.raises(UsageError, match=r"5 workers of 1 CPU each do not fit .* room for 4 .*give --workers 4"):
        placed(Cluster("auto", 5), cpus=1, loads=True)
    with pytest.raises(UsageError, match=r"1 workers of 1 CPU and 1 GPU each do not fit .* lower --gpus-per-worker"):
        placed(Cluster("auto", gpus_per_worker=1), cpus=1, loads=True)
    assert placed(Cluster("auto"), cpus=2, loads=True).workers == 2


def test_workers_whose_models_are_not_alike_are_refused(nodes):
    with pytest.raises(UsageError, match=r"device is 'NVIDIA A100', not 'NVIDIA H100'.*use nodes that are alike"):
        _unless_the_same({"device": "NVIDIA H100", "threads": 1}, {"device": "NVIDIA A100", "threads": 1})
