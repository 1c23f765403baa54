"""Whenever a run is killed, the same command ends it as if nothing had been."""

import json
import multiprocessing
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from toy_run import play, play_until_line, play_until_point

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["pytest", "solon.runs", "solon.models.fake"])  # so that a process is a fork


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    points: list[str] = []
    play(folder / "run", folder / "asked", reached=points.append)
    return {"points": points, "files": contents(folder / "run"), "asked": asked(folder / "asked")}


def contents(run: Path) -> dict[str, bytes]:
    """All that must not depend on kills; `run.json` tells of times, `lock` of a process."""
    names = {str(path.relative_to(run)): path for path in run.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in names.items() if name not in ("run.json", "lock")}


def asked(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def on_file(run: Path) -> set[str]:
    journal = run / "01-toy" / "journal.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return {reply["digest"] for line in lines for reply in json.loads(line)["replies"]}


def first_and_last(points: list[str]) -> list[int]:
    """Where each point is reached for the first time, and where for the last."""
    first = {point: nth for nth, point in reversed(list(enumerate(points)))}
    last = {point: nth for nth, point in enumerate(points)}
    return sorted({*first.values(), *last.values()})


def in_a_process_that_is_killed(target: Any, *args: Any) -> None:
    process = CONTEXT.Process(target=target, args=args)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def test_a_kill_at_any_point_changes_no_byte_and_asks_nothing_twice(unbroken, tmp_path):
    assert {"journal.before-write", "journal.after-write", "journal.after-fsync"} <= set(unbroken["points"])
    for file in ("recipe.yaml", "run.json", "stage.json", "00000.parquet", "00002.parquet", "summary.json"):
        for moment in ("before-write", "before-rename", "after-rename"):
            assert f"{file}.{moment}" in unbroken["points"]

    for nth in first_and_last(unbroken["points"]):
        point = unbroken["points"][nth]
        run, log = tmp_path / f"{nth}", tmp_path / f"{nth}.asked"
        in_a_process_that_is_killed(play_until_point, run, log, nth)
        known, before = on_file(run), asked(log)
        play(run, log)
        assert contents(run) == unbroken["files"], point
        assert known.isdisjoint(asked(log)[len(before) :]), point
        assert len(asked(log)) <= len(unbroken["asked"]) + 4, point  # no more than the batch in flight again


@pytest.mark.parametrize("line", sorted(random.Random(0).sample(range(1, 20), 10)))
def test_a_kill_after_any_line_asks_no_question_twice(unbroken, tmp_path, line):
    in_a_process_that_is_killed(play_until_line, tmp_path / "run", tmp_path / "asked", line)
    play(tmp_path / "run", tmp_path / "asked")
    assert contents(tmp_path / "run") == unbroken["files"]
    assert asked(tmp_path / "asked") == unbroken["asked"]


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_end(unbroken, tmp_path):
    run, log = tmp_path / "run", tmp_path / "asked"
    while len(asked(log)) < len(unbroken["asked"]):
        in_a_process_that_is_killed(play_until_line, run, log, 1)
    play(run, log)
    assert contents(run) == unbroken["files"]
    assert asked(log) == unbroken["asked"]


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_a_torn_last_line_is_asked_again_and_no_other(unbroken, tmp_path, cut):
    run, log = tmp_path / "run", tmp_path / "asked"
    in_a_process_that_is_killed(play_until_line, run, log, 7)
    journal = run / "01-toy" / "journal.jsonl"
    torn = json.loads(journal.read_bytes().splitlines()[-1])["replies"]
    journal.write_bytes(journal.read_bytes()[:-cut])
    play(run, log)
    assert contents(run) == unbroken["files"]
    assert len(asked(log)) == len(unbroken["asked"]) + len(torn)


def test_a_journal_cut_before_a_damaged_line_gives_the_same_rows(unbroken, tmp_path):
    play(tmp_path / "run", tmp_path / "asked")
    journal = tmp_path / "run" / "01-toy" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:5]))
    (tmp_path / "run" / "01-toy" / "summary.json").unlink()
    play(tmp_path / "run", tmp_path / "asked")
    assert contents(tmp_path / "run") == unbroken["files"]
