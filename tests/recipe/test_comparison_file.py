import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from solon.errors import UsageError
from solon.recipe import comparison_file as file
from solon.recipe import transcripts
from solon.recipe.comparison_file import read_comparisons
from solon.recipe.prompt_columns import HALF_CHARACTER, NOT_SHARED
from solon.recipe.prompt_file import ID_TWICE
from solon.records import assistant, user
from solon.stages.comparisons import source_of, usable

H, A = "\n\nHuman:", "\n\nAssistant:"
HH = {"chosen": f"{H} a{A} b{H} c{A} yes", "rejected": f"{H} a{A} b{H} c{A} no"}
TURNS = [user("a"), assistant("b"), user("c")]


def read(tmp_path, *rows, first=None, seed=0):
    path = tmp_path / "people.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_comparisons(path, first=first, seed=seed)


def preferred(row):
    """The better response, and the other."""
    return row["responses"] if row["probability"] == 1 else row["responses"][::-1]


@pytest.mark.parametrize(
    "row",
    [
        HH,
        {"prompt": f"{H} a{A} b{H} c{A}", "chosen": " yes", "rejected": "no\n"},
        {"prompt": TURNS, "chosen": "yes", "rejected": "no"},
        {"prompt": TURNS, "chosen": [assistant("yes")], "rejected": [assistant("no")]},
        {"chosen": [*TURNS, assistant("yes")], "rejected": [*TURNS, assistant("no")]},
        {"prompt": TURNS, "chosen": [*TURNS, assistant("yes")], "rejected": [*TURNS, assistant("no")]},
        {"prompt": TURNS, **HH},
    ],
)
def test_every_common_form_is_the_same_comparison(tmp_path, row):
    [found] = read(tmp_path, row).rows
    assert found["drop_reason"] is None
    assert found["prompt"] == TURNS
    assert preferred(found) == ["yes", "no"]
    assert (source_of(found), found["judgements"]) == ("human", [])
    assert usable([found]) == [found]


def test_a_prompt_that_is_text_has_answers_that_are_text(tmp_path):
    [found] = read(tmp_path, {"prompt": "a", "chosen": "yes", "rejected": "no"}).rows
    assert (found["prompt"], preferred(found)) == ([user("a")], ["yes", "no"])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**HH, "rejected": HH["chosen"]}, file.IDENTICAL),
        ({**HH, "rejected": HH["chosen"] + " \n"}, file.IDENTICAL),
        ({**HH, "rejected": f"{H} a{A}"}, transcripts.EMPTY_ANSWER),
        ({**HH, "chosen": ""}, transcripts.EMPTY_ANSWER),
        ({**HH, "chosen": None}, transcripts.EMPTY_ANSWER),
        ({**HH, "rejected": f"{H} a{A} b{H} c"}, transcripts.NO_ANSWER),
        ({**HH, "rejected": f"{H} a{A} no"}, NOT_SHARED),
        ({**HH, "prompt": "another"}, NOT_SHARED),
        ({"chosen": "yes", "rejected": "no"}, transcripts.NO_ANSWER),
        ({"prompt": "a", "chosen": "yes \ud83d", "rejected": "no"}, HALF_CHARACTER),
        ({"prompt": " ", "chosen": "yes", "rejected": "no"}, "the prompt is empty"),
    ],
)
def test_what_cannot_be_used_is_kept_with_its_reason_and_counted(tmp_path, row, reason):
    found = read(tmp_path, HH, row)
    assert [it["drop_reason"] for it in found.rows] == [None, reason]
    assert found.notes[f"dropped: {reason}"] == 1
    assert usable(found.rows) == found.rows[:1]


def test_the_answers_are_no_oddity_and_what_is_odd_is_counted(tmp_path):
    assert read(tmp_path, HH).notes == {}
    joined = f"{H} a{H} c{A} "
    found = read(tmp_path, {"chosen": f"{joined}yes", "rejected": f"{joined}no"})
    assert found.notes == {transcripts.JOINED: 1}
    assert found.rows[0]["prompt"] == [user("a\n\nc")]


def test_which_stands_first_is_drawn_by_the_id_and_the_seed(tmp_path):
    rows = [{**HH, "id": i} for i in range(200)]
    found = read(tmp_path, *rows).rows
    assert 70 < sum(row["probability"] for row in found) < 130
    backward = {row["id"]: row["probability"] for row in read(tmp_path, *rows[::-1]).rows}
    assert backward == {row["id"]: row["probability"] for row in found}
    assert [row["probability"] for row in read(tmp_path, *rows, seed=1).rows] != [row["probability"] for row in found]


def test_names_are_those_given_or_made_from_the_text(tmp_path):
    found = read(tmp_path, {**HH, "id": 7}, {**HH, "id": 7}, HH, {**HH, "extra": 1})
    assert [row["id"] for row in found.rows[:2]] == ["human-7", "human-7-2"]
    assert found.rows[3]["id"] == f"{found.rows[2]['id']}-2"
    assert found.notes == {ID_TWICE: 1, file.DUPLICATE: 3}


def test_only_the_first_so_many_are_read(tmp_path):
    assert len(read(tmp_path, HH, {**HH, "id": 1}, {"no": "json"}, first=2).rows) == 2


def test_a_file_without_comparisons_is_told_with_its_line(tmp_path):
    with pytest.raises(UsageError, match=r'people\.jsonl:2: has not both "chosen" and "rejected"'):
        read(tmp_path, HH, {"prompt": "a", "chosen": "b"})
    with pytest.raises(UsageError, match="has no comparisons"):
        read(tmp_path)


def test_a_parquet_file_is_read_too(tmp_path):
    pq.write_table(pa.Table.from_pylist([{**HH, "score": 1.5}]), tmp_path / "people.parquet")
    [found] = read_comparisons(tmp_path / "people.parquet", first=None, seed=0).rows
    assert preferred(found) == ["yes", "no"]


def test_hh_rlhf_is_read_as_it_is(shared_data):
    found = read_comparisons(shared_data("hh-rlhf/harmless-base-test.jsonl.gz"), first=None, seed=0)
    assert Counter(row["drop_reason"] for row in found.rows) == {None: 2308, transcripts.EMPTY_ANSWER: 4}
    assert found.notes == {
        f"dropped: {transcripts.EMPTY_ANSWER}": 4,
        transcripts.EMPTY_TURN: 4,
        transcripts.JOINED: 9,
        transcripts.TAG_INSIDE: 49,
    }
    kept = usable(found.rows)
    assert all(row["prompt"][-1]["role"] == "user" for row in kept)
    assert 0.45 < sum(row["probability"] for row in kept) / len(kept) < 0.55
