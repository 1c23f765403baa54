"""A run folder: made once, gone on with, held by one process, never mixed and never overwritten."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from solon.chains import Completion, Generate
from solon.errors import UsageError
from solon.models.drivers import Answered
from solon.records import Row, user
from solon.runs import open_run, read_rows, read_summary

FILES = {"recipe.yaml": "constitution: harmless\nseed: 0\n", "constitution.yaml": "é\r\n"}
SETTINGS = {"model": {"name": "a", "options": (1, 2)}, "temperature": 1.0}


class Made(Row):
    of: str


def row(id: str, drop_reason: str | None = None) -> Row:
    return {"id": id, "prompt": [user("Hello?")], "drop_reason": drop_reason}


def seal_one(path: Path, rows: list[Row], **kwargs: Any) -> None:
    with open_run(path, files=FILES) as run:
        run.stage("01-critique", SETTINGS).seal(rows, row_type=Row, **kwargs)


# the folder


def test_a_run_copies_what_the_person_wrote_and_says_what_made_it(tmp_path):
    with open_run(tmp_path / "runs" / "demo", files=FILES) as run:
        assert (run.path / "recipe.yaml").read_bytes().decode() == FILES["recipe.yaml"]
        assert (run.path / "constitution.yaml").read_bytes().decode() == FILES["constitution.yaml"]
        about = json.loads((run.path / "run.json").read_text())
    assert {"python", "solon", "torch", "transformers", "trl", "pyarrow"} <= about["versions"].keys()
    assert about["hardware"]["cpus"] == os.cpu_count()
    assert datetime.now(UTC) - datetime.fromisoformat(about["begun"]) < timedelta(minutes=1)


def test_a_run_that_goes_on_keeps_the_date_on_which_it_began(tmp_path):
    with open_run(tmp_path / "run", files=FILES):
        pass
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "begun": "2022-12-15T00:00:00+00:00"}))
    with open_run(tmp_path / "run", files=FILES):
        pass
    assert json.loads((tmp_path / "run" / "run.json").read_text())["begun"] == "2022-12-15T00:00:00+00:00"


def test_other_text_than_the_copy_names_the_file_and_the_line(tmp_path):
    with open_run(tmp_path / "run", files=FILES):
        pass
    with pytest.raises(UsageError) as error:
        open_run(tmp_path / "run", files={**FILES, "recipe.yaml": "constitution: harmless\nseed: 1\n"})
    assert str(error.value).startswith("recipe.yaml is not the one this run was begun with")
    assert "line 2:\n  was    'seed: 0'\n  is now 'seed: 1'\nRestore it, or choose another --out" in str(error.value)


@pytest.mark.parametrize("text", ["constitution: harmless\nseed: 0", "constitution: harmless\r\nseed: 0\n", ""])
def test_a_difference_that_cannot_be_seen_is_shown(tmp_path, text):
    with open_run(tmp_path / "run", files=FILES):
        pass
    with pytest.raises(UsageError, match=r"line \d"):
        open_run(tmp_path / "run", files={**FILES, "recipe.yaml": text})


def test_a_copy_that_is_gone_is_not_made_anew(tmp_path):
    with open_run(tmp_path / "run", files=FILES):
        pass
    (tmp_path / "run" / "recipe.yaml").unlink()
    with pytest.raises(UsageError, match=r"recipe\.yaml is missing"):
        open_run(tmp_path / "run", files=FILES)


@pytest.mark.parametrize("name", ["thesis.tex", "lock", "recipe.yaml"])
def test_a_folder_of_something_else_is_not_touched(tmp_path, name):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("mine")
    (tmp_path / "run" / "more").write_text("mine")
    with pytest.raises(UsageError, match="not empty and no run folder"):
        open_run(tmp_path / "run", files=FILES)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted([name, "more"])


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        open_run(tmp_path / "run", files=FILES)


def test_an_empty_folder_becomes_a_run(tmp_path):
    with open_run(tmp_path, files=FILES) as run:
        assert (run.path / "run.json").exists()


HOLDER = """
import sys, pathlib
from solon.runs import open_run
with open_run(pathlib.Path(sys.argv[1]), files={}):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_which_one_has_the_run_and_a_kill_leaves_no_lock(tmp_path):
    arguments = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=rf"in use by another process \(pid {holder.pid}\)"):
            open_run(tmp_path / "run", files={})
        holder.kill()
        holder.wait()
    with open_run(tmp_path / "run", files={}):
        pass


def test_a_run_that_is_closed_can_be_opened_again(tmp_path):
    for _ in range(2):
        with open_run(tmp_path / "run", files=FILES):
            pass


def test_an_error_on_opening_leaves_the_run_to_others(tmp_path):
    with open_run(tmp_path / "run", files=FILES):
        pass
    with pytest.raises(UsageError):
        open_run(tmp_path / "run", files={**FILES, "recipe.yaml": "other"})
    with open_run(tmp_path / "run", files=FILES):
        pass


# settings


def test_the_same_settings_are_the_same_whether_tuples_or_lists(tmp_path):
    with open_run(tmp_path / "run", files=FILES) as run:
        run.stage("01-critique", SETTINGS)
        run.stage("01-critique", {**SETTINGS, "model": {"options": [1, 2], "name": "a"}})
    with open_run(tmp_path / "run", files=FILES) as run:
        run.stage("01-critique", SETTINGS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**SETTINGS, "temperature": 0.5}, "  temperature was 1.0, is now 0.5"),
        ({**SETTINGS, "temperature": 1}, "  temperature was 1.0, is now 1"),
        ({**SETTINGS, "model": {"name": "b", "options": (1, 2)}}, '  model.name was "a", is now "b"'),
        ({**SETTINGS, "model": {"name": "a", "options": (1,)}}, "  model.options.1 was 2, is now not set"),
        ({**SETTINGS, "model": {"name": "a", "options": []}}, "  model.options was not set, is now []"),
        ({**SETTINGS, "seed": None}, "  seed was not set, is now null"),
        ({f"key{i}": i for i in range(20)}, "  and 16 more"),
    ],
)
def test_other_settings_are_named_with_what_they_were(tmp_path, settings, message):
    for _ in range(2):  # in one session, and in the next
        with open_run(tmp_path / "run", files=FILES) as run:
            run.stage("01-critique", SETTINGS)
        with open_run(tmp_path / "run", files=FILES) as run, pytest.raises(UsageError) as error:
            run.stage("01-critique", settings)
        assert message in str(error.value).splitlines()
        assert str(error.value).endswith("Change them back, or choose another --out")


def test_replies_without_settings_are_not_mixed_with_new_ones(tmp_path):
    with open_run(tmp_path / "run", files=FILES) as run:
        run.stage("01-critique", SETTINGS).journal.keep([Answered("p", 0, Generate([]), Completion("text"))])
    (tmp_path / "run" / "01-critique" / "stage.json").unlink()
    with open_run(tmp_path / "run", files=FILES) as run, pytest.raises(UsageError, match=r"stage\.json is missing"):
        run.stage("01-critique", SETTINGS)


# rows


def test_sealed_rows_are_counted_by_what_became_of_them(tmp_path):
    rows = [row("p1"), row("p2", "empty"), row("p3", "cut"), row("p4", "empty")]
    seal_one(tmp_path / "run", rows, summary={"principles": 3}, ids=["p1", "p2", "p3", "p4"])
    with open_run(tmp_path / "run", files=FILES) as run:
        stage = run.stage("01-critique", SETTINGS)
        assert stage.complete
        assert list(stage.read()) == rows == read_rows(stage.folder)
        assert stage.summary == read_summary(stage.folder)
        assert stage.summary["files"].keys() == {"00000.parquet"}
        counts = {name: value for name, value in stage.summary.items() if name != "files"}
        assert counts == {"rows": 4, "ok": 1, "dropped": {"cut": 1, "empty": 2}, "principles": 3}


@pytest.mark.parametrize(
    ("rows", "kwargs", "message"),
    [
        (["p1", "p2", "p1"], {}, "two rows have the id 'p1'"),
        (["p2"], {}, "1 rows are missing, the first is 'p1'"),
        (["p1", "p2"], {"ids": ["p1", "p2", "p3"]}, "1 rows are missing, the first is 'p3'"),
        (["p1", "p2"], {"ids": ["p2", "p1"]}, "not in the order of the input"),
        (["p1", "p2"], {"ids": ["p1"]}, "or are more"),
        (["p1", "p2"], {"summary": {"rows": 1}}, "cannot hold"),
    ],
)
def test_rows_that_are_not_those_of_the_input_are_not_sealed(tmp_path, rows, kwargs, message):
    with open_run(tmp_path / "run", files=FILES) as run:
        stage = run.stage("01-critique", SETTINGS)
        stage.journal.keep([Answered("p1", 0, Generate([]), Completion("text"))])
        with pytest.raises(ValueError, match=message):
            stage.seal([row(id) for id in rows], row_type=Row, **kwargs)
        assert not stage.complete


def test_several_rows_may_be_made_of_one_row_of_the_input(tmp_path):
    with open_run(tmp_path / "run", files=FILES) as run:
        stage = run.stage("01-critique", SETTINGS)
        stage.journal.keep([Answered("p1", 0, Generate([]), Completion("text"))])
        made = [{**row(id), "of": id[:2]} for id in ("p1/1", "p1/2", "p2/1")]
        with pytest.raises(ValueError, match="1 rows are missing, the first is 'p3'"):
            stage.seal(made, row_type=Made, ids=["p1", "p2", "p3"], of="of")
        with pytest.raises(ValueError, match="not in the order of the input"):
            stage.seal(made, row_type=Made, ids=["p2", "p1"], of="of")
        stage.seal(made, row_type=Made, ids=["p1", "p2"], of="of")
        assert list(stage.read()) == made


def test_a_sealed_stage_holds_no_replies_in_memory_and_still_counts_their_tokens(tmp_path):
    with open_run(tmp_path / "run", files=FILES) as run:
        stage = run.stage("01-critique", SETTINGS)
        stage.journal.keep([Answered("p1", 0, Generate([]), Completion("text", tokens=7))])
        assert stage.journal.rows == {"p1"}
        stage.seal([row("p1")], row_type=Row)
        assert stage.journal.rows == set()
        assert run.tokens == 7


def test_a_complete_stage_is_not_sealed_again(tmp_path):
    seal_one(tmp_path / "run", [row("p1")])
    with pytest.raises(ValueError, match="nothing is overwritten"):
        seal_one(tmp_path / "run", [row("p2")])
    assert [it["id"] for it in read_rows(tmp_path / "run" / "01-critique")] == ["p1"]


def test_a_stage_that_is_not_complete_cannot_be_read(tmp_path):
    with open_run(tmp_path / "run", files=FILES) as run:
        with pytest.raises(UsageError, match="is not complete"):
            run.stage("01-critique", SETTINGS).read()
        with pytest.raises(UsageError, match="is not complete"):
            _ = run.stage("01-critique", SETTINGS).summary


def test_a_flipped_byte_in_a_table_is_mended_from_the_journal_as_the_error_says(tmp_path):
    seal_one(tmp_path / "run", [row("p1")])
    stage = tmp_path / "run" / "01-critique"
    whole = (stage / "00000.parquet").read_bytes()
    (stage / "00000.parquet").write_bytes(whole.replace(b"Hello?", b"Hullo?"))
    with pytest.raises(UsageError, match=r"00000\.parquet is damaged.* or delete .*summary\.json"):
        read_rows(stage)
    (stage / "summary.json").unlink()
    seal_one(tmp_path / "run", [row("p1")])
    assert (stage / "00000.parquet").read_bytes() == whole


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00"])
def test_a_damaged_summary_says_what_to_do(tmp_path, text):
    seal_one(tmp_path / "run", [row("p1")])
    (tmp_path / "run" / "01-critique" / "summary.json").write_text(text)
    with pytest.raises(UsageError, match=r"summary\.json is damaged .*restore it from a copy, or delete it"):
        read_rows(tmp_path / "run" / "01-critique")


def test_counts_that_do_not_add_up_are_refused(tmp_path):
    seal_one(tmp_path / "run", [row("p1"), row("p2", "empty")])
    path = tmp_path / "run" / "01-critique" / "summary.json"
    path.write_text(path.read_text().replace('"empty": 1', '"empty": 2'))
    with pytest.raises(UsageError, match="2 rows are not those"):
        read_rows(path.parent)


def test_a_trained_stage_ends_with_its_summary(tmp_path):
    with open_run(tmp_path / "run", files=FILES) as run:
        stage = run.stage("02-finetune", SETTINGS)
        (stage.folder / "model").mkdir()
        assert not stage.complete
        stage.finish({"history": [{"step": 1, "loss": 0.5}]})
        assert stage.complete
        assert stage.summary == {"history": [{"step": 1, "loss": 0.5}]}
        with pytest.raises(UsageError, match="holds no rows"):
            stage.read()
        with pytest.raises(ValueError, match="nothing is overwritten"):
            stage.finish({})


# the record


def recorded(path: Path) -> Any:
    return json.loads((path / "run.json").read_text())["stages"]


def test_time_and_tokens_add_up_over_sessions(tmp_path):
    clock = 0.0
    with patch("time.monotonic", lambda: clock):
        with open_run(tmp_path / "run", files=FILES) as run:
            stage = run.stage("01-critique", SETTINGS)
            assert recorded(run.path)["01-critique"]["status"] == "running"
            clock += 5
            stage.journal.keep([Answered("p1", 0, Generate([]), Completion("text", tokens=7, prompt_tokens=40))])
        expected = {"status": "stopped", "wall_seconds": 5.0, "tokens": 7, "prompt_tokens": 40}
        assert recorded(run.path) == {"01-critique": expected}
        clock += 1000
        with open_run(tmp_path / "run", files=FILES) as run:
            stage = run.stage("01-critique", SETTINGS)
            clock += 3
            stage.journal.keep([Answered("p2", 0, Generate([]), Completion("text", tokens=3, prompt_tokens=2))])
            stage.seal([row("p1"), row("p2")], row_type=Row)
            clock += 1000
        expected = {"status": "complete", "wall_seconds": 8.0, "tokens": 10, "prompt_tokens": 42}
        assert recorded(run.path) == {"01-critique": expected}
        with open_run(tmp_path / "run", files=FILES) as run:
            run.stage("01-critique", SETTINGS)
            clock += 1000
        assert recorded(run.path) == {"01-critique": expected}


def test_a_kill_takes_ten_seconds_from_the_count_at_most(tmp_path):
    clock = 0.0
    with patch("time.monotonic", lambda: clock), open_run(tmp_path / "run", files=FILES) as run:
        stage = run.stage("02-finetune", SETTINGS)
        for _ in range(25):
            clock += 1
            stage.tick()
        assert recorded(run.path)["02-finetune"] == {"status": "running", "wall_seconds": 20.0}


def test_an_error_within_a_run_is_not_hidden_by_one_on_closing(tmp_path):
    def stop() -> None:
        with open_run(tmp_path / "run", files=FILES) as run, patch("os.fsync", side_effect=OSError(28, "full")):
            run.stage("01-critique", SETTINGS)

    with pytest.raises(OSError, match=r"stage\.json cannot be written: the disk is full.*type the same command again"):
        stop()
    assert not (tmp_path / "run" / "01-critique" / "stage.json.partial").exists()
    seal_one(tmp_path / "run", [row("p1")])


def test_a_damaged_record_says_what_to_do(tmp_path):
    with open_run(tmp_path / "run", files=FILES):
        pass
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(UsageError, match=r"let it hold \{\}"):
        open_run(tmp_path / "run", files=FILES)
    (tmp_path / "run" / "run.json").write_text("{}")
    with open_run(tmp_path / "run", files=FILES):
        pass
