"""Rows are sealed as they end, in the order in which they began."""

import pytest

from solon.chains import Completion, Generate
from solon.models.drivers import Answered
from solon.records import Row
from solon.runs import open_run, tables


class Made(Row):
    of: str


def row(id: str, of: str, drop_reason: str | None = None) -> Made:
    return {"id": id, "prompt": [], "drop_reason": drop_reason, "of": of}


@pytest.fixture
def stage(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_FILE", 2)
    with open_run(tmp_path / "run", files={}) as run:
        stage = run.stage("01-critique", {})
        for id in ("p1", "p2", "p3"):
            stage.journal.keep([Answered(id, 0, Generate([]), Completion("text"))])
        yield stage


@pytest.fixture
def sealing(stage):
    sealing = stage.sealing(row_type=Made, of="of")
    for id in ("p1", "p2", "p3"):
        sealing.begin(id)
    return sealing


def test_rows_wait_for_those_that_began_before_them_and_are_forgotten_by_the_journal(stage, sealing):
    sealing.take("p3", [row("p3", "p3")])
    sealing.take("p2", [row("p2/1", "p2"), row("p2/2", "p2", "cut")])
    assert (sealing.waiting, stage.journal.rows) == ({"p1", "p2", "p3"}, {"p1"})
    assert not list(stage.folder.glob("*.parquet*"))
    sealing.take("p1", [row("p1", "p1", "empty")])
    assert [path.name for path in stage.folder.glob("*.parquet*")] == ["00000.parquet.partial", "00001.parquet.partial"]
    stage.end(sealing, lambda rows: {"seen": [each["id"] for each in rows]})
    assert stage.summary["seen"] == ["p1", "p2/1", "p2/2", "p3"] == [each["id"] for each in stage.read()]
    assert (stage.summary["ok"], stage.summary["dropped"]) == (2, {"cut": 1, "empty": 1})
    assert sorted(path.name for path in stage.folder.glob("*.parquet*")) == ["00000.parquet", "00001.parquet"]


def test_a_stage_does_not_end_while_a_row_is_missing(stage, sealing):
    sealing.take("p1", [row("p1", "p1")])
    sealing.take("p3", [row("p3", "p3")])
    with pytest.raises(ValueError, match="2 rows are missing, the first is 'p2'"):
        stage.end(sealing)
    assert not stage.complete


def test_a_row_that_the_journal_knows_and_nobody_began_is_missing(stage):
    with pytest.raises(ValueError, match="3 rows are missing"):
        stage.end(stage.sealing(row_type=Made))


@pytest.mark.parametrize("made", [[], [row("p1", "p2")]])
def test_a_row_of_the_input_of_which_nothing_was_made_is_not_lost_silently(sealing, made):
    with pytest.raises(ValueError, match="'p1' nothing was made"):
        sealing.take("p1", made)


def test_an_id_that_stands_twice_is_refused(sealing):
    sealing.take("p1", [row("same", "p1")])
    with pytest.raises(ValueError, match="two rows have the id 'same'"):
        sealing.take("p2", [row("same", "p2")])


def test_what_a_summary_may_not_hold_ends_nothing(stage, sealing):
    for id in ("p1", "p2", "p3"):
        sealing.take(id, [row(id, id)])
    with pytest.raises(ValueError, match="cannot hold"):
        stage.end(sealing, lambda rows: {"rows": 1})
    assert not stage.complete
