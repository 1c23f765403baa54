import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from solon.errors import UsageError
from solon.recipe.judgement_file import MISSING, read_judgements

LABEL = {
    "id": "a",
    "prompt_id": "p",
    "state": "labelled",
    "judgements": [
        {"state": "labelled", "forward": 0.9, "backward": 0.5},
        {"state": "labelled", "forward": 0.7, "backward": 0.3},
        {"state": "abstained", "forward": 0.0, "backward": 0.0},
    ],
}


def read(tmp_path, *rows, name="said.jsonl"):
    path = tmp_path / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return read_judgements(path)


def complaint(tmp_path, *rows, name="said.jsonl"):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, *rows, name=name)
    return str(caught.value)


def test_probabilities_are_taken_as_they_stand(tmp_path):
    found = read(tmp_path, {"forward": 0.8, "backward": 0.7, "truth": 1, "prompt_id": "p"})
    [row] = found.rows
    assert (row.forward, row.backward, row.truth) == (0.8, 0.7, 1.0)
    assert (found.states, found.grouped_by, found.not_read) == ({"labelled": 1}, "prompt_id", [])


@pytest.mark.parametrize("names", [("verdict_ab", "verdict_ba"), ("verdict_forward", "verdict_backward")])
def test_verdicts_are_of_the_letters_as_they_were_shown(tmp_path, names):
    said = [("A", "B"), ("a", "A"), ("(B)", "[[B]]"), ("tie", "Tie")]
    found = read(tmp_path, *(dict(zip(names, each, strict=True)) for each in said))
    assert [(row.forward, row.backward) for row in found.rows] == [(1, 1), (1, 0), (0, 1), (0.5, 0.5)]


@pytest.mark.parametrize(
    ("given", "truth"),
    [
        *[(1, 1), (2, 0), (0, 0), (0.25, 0.25), ("1", 1), ("2", 0), ("A", 1), ("b", 0)],
        *[("first", 1), ("Second", 0), ("tie", 0.5), (None, None), ("", None)],
    ],
)
def test_a_truth_may_be_a_number_a_letter_or_a_word(tmp_path, given, truth):
    [row] = read(tmp_path, {"forward": 0.8, "backward": 0.7, "truth": given}).rows
    assert row.truth == truth


def test_labels_of_a_run_are_read_by_their_labelled_judgements(tmp_path):
    lost = {**LABEL, "state": "refused", "judgements": [{"state": "refused", "forward": None, "backward": None}]}
    found = read(tmp_path, LABEL, lost, {**lost, "state": "failed", "judgements": []})
    [row] = found.rows
    assert (row.forward, row.backward, row.truth) == (pytest.approx(0.8), pytest.approx(0.4), None)
    assert found.states == {"labelled": 1, "refused": 1, "failed": 1}


def test_what_is_missing_is_counted_and_nothing_takes_its_place(tmp_path):
    found = read(tmp_path, {"verdict_ab": "A", "verdict_ba": None}, {"verdict_ab": "A", "verdict_ba": "B"})
    assert len(found.rows) == 1
    assert found.states == {MISSING: 1, "labelled": 1}
    assert "no row has a judgement in each order (1 one order" in complaint(tmp_path, {"forward": 1, "backward": None})


def test_rows_of_one_context_are_alike_and_those_without_one_stand_alone(tmp_path):
    said = {"forward": 0.8, "backward": 0.7}
    groups = [{"context": "x"}, {"context": "x"}, {"context": None}, {"context": None}]
    rows = read(tmp_path, *({**said, **group} for group in groups)).rows
    assert len({row.group for row in rows}) == 3
    turns = [{"role": "user", "content": "x"}]
    assert len({row.group for row in read(tmp_path, *[{**said, "prompt": turns}] * 2).rows}) == 1
    assert len({row.group for row in read(tmp_path, said, said).rows}) == 2


def test_csv_and_parquet_are_read_too(tmp_path):
    table = "forward,backward,truth,prompt\n0.8,0.7,A,x\n0.1, 0.2 ,second,x\n,0.5,2,y\n"
    found = read(tmp_path, table.rstrip("\n"), name="said.csv")
    assert [(row.forward, row.backward, row.truth) for row in found.rows] == [(0.8, 0.7, 1), (0.1, 0.2, 0)]
    pq.write_table(pa.Table.from_pylist([{"prompt": "x", "forward": 0.8, "backward": 0.7}]), tmp_path / "x.parquet")
    assert read_judgements(tmp_path / "x.parquet").grouped_by == "prompt"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"forward": 1.2, "backward": 0.7}, ":1: forward is 1.2; it must be a probability from 0 to 1"),
        ({"forward": -0.1, "backward": 0.7}, ":1: forward is -0.1"),
        ('{"forward": NaN, "backward": 0.7}', ":1: forward is NaN"),
        ('{"forward": Infinity, "backward": 0.7}', ":1: forward is Infinity"),
        ({"forward": True, "backward": 0.7}, ":1: forward is true"),
        ({"forward": "much", "backward": 0.7}, ':1: forward is "much"'),
        ({"verdict_ab": "C", "verdict_ba": "A"}, ':1: verdict_ab is "C"; it must be A, B or tie'),
        ({"verdict_ab": 1, "verdict_ba": "A"}, ":1: verdict_ab is 1"),
        ({"forward": 0.8, "backward": 0.7, "truth": 3}, ":1: truth is 3; it must be 1 or 2"),
        ({"forward": 0.8, "backward": 0.7, "truth": "C"}, ':1: truth is "C"'),
        ({"forward": 0.8, "backward": 0.7, "truth": True}, ":1: truth is true"),
        ({"forward": 0.8, "backward": 0.7, "trutth": 1}, ':1: unknown column "trutth"; did you mean "truth"?'),
        ({"forwards": 0.8, "backward": 0.7}, "(\"forwards\"; did you mean 'forward'?)"),
        ({"judgements": "[]"}, ':1: judgements is "[]"; it must be the list'),
        ({}, ":1: has no columns of judgements, only none"),
        ("{", ':1: is no JSON ('),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_with_its_place(tmp_path, row, message):
    assert message in complaint(tmp_path, row)


def test_every_problem_is_told_and_what_commands_a_terminal_is_not(tmp_path):
    fine = {"verdict_ab": "A", "verdict_ba": "B"}
    told = complaint(tmp_path, fine, {**fine, "verdict_ba": "\x1b[31mB\u202e"}, {"verdict_ab": "A"}, "[]")
    lines = told.splitlines()
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in lines] == ["2", "3", "4"]
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert 'has no "verdict_ba", which the first row has' in lines[1]


def test_a_table_or_folder_that_is_none_is_told(tmp_path):
    assert "it is empty" in complaint(tmp_path, "")
    with pytest.raises(UsageError, match="there is no such file; give a table of judgements"):
        read_judgements(tmp_path / "none.jsonl")
    (tmp_path / "run" / "04-label").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"is no folder of a stage; give .*04-label$"):
        read_judgements(tmp_path / "run")
    with pytest.raises(UsageError, match="is no folder of a stage; give a table of judgements"):
        read_judgements(tmp_path / "run" / "04-label")
