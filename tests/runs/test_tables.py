"""Rows come back from Parquet as they went in, and what is no row of the type does not go in."""

from pathlib import Path
from typing import Any, Literal, NotRequired, Optional

import pyarrow as pa
import pytest
from typing_extensions import TypedDict

from solon.errors import UsageError
from solon.records import Comparison, Pair, Prompt, Response, Revision
from solon.runs import tables
from solon.runs.tables import Pages, Rows, decoded, encoded, schema_of


class Inner(TypedDict):
    name: str
    weight: NotRequired[float]


class Loose(TypedDict, total=False):
    note: str


class Everything(TypedDict):
    id: str
    text: str
    count: int
    share: float
    right: bool
    maybe: str | None
    maybe_old_style: Optional[int]  # noqa: UP045
    kind: Literal["a", "b"]
    level: Literal[1, 2] | None
    words: list[str]
    gaps: list[float | None]
    table: list[list[int]] | None
    inner: Inner
    inners: list[Inner]
    maybe_inner: Inner | None
    later: NotRequired[str]
    loose: NotRequired[Loose]


FULL: Everything = {
    "id": "p1",
    "text": "é \U0001f600 \x1b\x00 \n",
    "count": -(2**63),
    "share": 5e-324,
    "right": False,
    "maybe": "",
    "maybe_old_style": 3,
    "kind": "a",
    "level": 2,
    "words": ["a", ""],
    "gaps": [0.1, None],
    "table": [[1], []],
    "inner": {"name": "n", "weight": 0.5},
    "inners": [{"name": "n"}, {"name": "m", "weight": 1.0}],
    "maybe_inner": {"name": "n"},
    "later": "now",
    "loose": {},
}
BARE: Everything = {
    "id": "p2",
    "text": "",
    "count": 0,
    "share": float("inf"),
    "right": True,
    "maybe": None,
    "maybe_old_style": None,
    "kind": "b",
    "level": None,
    "words": [],
    "gaps": [],
    "table": None,
    "inner": {"name": ""},
    "inners": [],
    "maybe_inner": None,
}


def write_tables(folder: Path, rows: list[Any], row_type: Any) -> dict[str, str]:
    pages = Pages(folder, row_type)
    for row in rows:
        pages.add(row)
    return pages.end()


def there_and_back(rows: list[Any], row_type: Any) -> list[dict[str, Any]]:
    return [row for data in encoded(rows, row_type) for row in decoded(data)]


@pytest.mark.parametrize("rows", [[FULL, BARE], [BARE, FULL, BARE], [BARE], []])
def test_rows_come_back_as_they_went_in(rows):
    assert there_and_back(rows, Everything) == rows


@pytest.mark.parametrize(
    ("column", "kind", "nullable"),
    [
        ("text", pa.string(), False),
        ("count", pa.int64(), False),
        ("share", pa.float64(), False),
        ("right", pa.bool_(), False),
        ("maybe", pa.string(), True),
        ("maybe_old_style", pa.int64(), True),
        ("kind", pa.string(), False),
        ("level", pa.int64(), True),
        ("words", pa.list_(pa.field("element", pa.string(), nullable=False)), False),
        ("gaps", pa.list_(pa.field("element", pa.float64())), False),
        ("later", pa.string(), True),
    ],
)
def test_a_type_has_its_column(column, kind, nullable):
    field = schema_of(Everything).field(column)
    assert (field.type, field.nullable) == (kind, nullable)


def test_a_typeddict_in_a_row_is_a_struct():
    inner = schema_of(Everything).field("inner").type
    assert [(field.name, field.type, field.nullable) for field in inner] == [
        ("name", pa.string(), False),
        ("weight", pa.float64(), True),
    ]


@pytest.mark.parametrize("row_type", [Prompt, Revision, Pair, Comparison, Response])
def test_every_row_of_solon_has_a_schema_in_its_order(row_type):
    assert schema_of(row_type).names[:3] == ["id", "prompt", "drop_reason"]
    assert there_and_back([], row_type) == []


@pytest.mark.parametrize("hint", [dict, str | int, tuple[int, ...], Literal[1, "a"], None, object])
def test_a_type_that_no_column_can_hold_is_refused(hint):
    class Odd(TypedDict):
        field: hint

    with pytest.raises(TypeError, match="no column can hold"):
        schema_of(Odd)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": None}, "row 'p1', text: None is not"),
        ({"text": 5}, "row 'p1', text: 5 is not"),
        ({"count": True}, "count: True is not"),
        ({"count": 1.0}, "count: 1.0 is not"),
        ({"share": False}, "share: False is not"),
        ({"share": "0.5"}, "share: '0.5' is not"),
        ({"right": 1}, "right: 1 is not"),
        ({"kind": "c"}, "kind: 'c' is not"),
        ({"level": True}, "level: True is not"),
        ({"words": "text"}, "words: 'text' is not"),
        ({"words": ["a", None]}, r"words\[1\]: None is not"),
        ({"inner": {}}, "row 'p1', inner is not a Inner: .*name"),
        ({"inners": [{"name": "n"}, "n"]}, r"inners\[1\]: 'n' is not a Inner"),
        ({"later": None}, "later: None is not"),
        ({"surplus": 1}, "row 'p1' is not a Everything: nothing missing, {'surplus'} unknown"),
    ],
)
def test_what_is_no_row_of_the_type_is_refused_by_name(change, message):
    with pytest.raises(TypeError, match=message):
        list(encoded([{**FULL, **change}], Everything))


def test_a_missing_field_is_refused():
    row = {name: value for name, value in FULL.items() if name != "count"}
    with pytest.raises(TypeError, match=r"\{'count'\} missing"):
        list(encoded([row], Everything))


@pytest.mark.parametrize(
    ("text", "written"),
    [("a\ud800b", "a\ufffdb"), ("\udc00", "\ufffd"), ("\ud83d\ude00", "\U0001f600"), ("\ud800é", "\ufffdé")],
)
def test_text_that_utf_8_cannot_hold_is_mended(text, written):
    row = there_and_back([{**FULL, "text": text, "inner": {"name": text}}], Everything)[0]
    assert row["text"] == row["inner"]["name"] == written


def test_the_same_rows_give_the_same_bytes_in_files_of_limited_length(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_FILE", 4)
    rows = [{**FULL, "id": f"p{i}", "count": i} for i in range(10)]
    digests = write_tables(tmp_path, rows, Everything)
    first = [(tmp_path / name).read_bytes() for name in digests]
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["00000.parquet", "00001.parquet", "00002.parquet"]
    assert write_tables(tmp_path, rows, Everything) == digests
    assert [(tmp_path / name).read_bytes() for name in digests] == first
    assert list(Rows(tmp_path, digests)) == rows


def test_files_that_are_full_are_written_at_once_and_have_no_name_before_all_are(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_FILE", 4)
    pages = Pages(tmp_path, Everything)
    for i in range(10):
        pages.add({**FULL, "id": f"p{i}"})
        assert len(list(tmp_path.iterdir())) == (i + 1) // 4
    assert {path.suffix for path in tmp_path.iterdir()} == {".partial"}
    assert pages.end().keys() == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("many", [0, 1, 4, 8, 10])
def test_rows_are_a_sequence_though_a_file_at_a_time_is_read(tmp_path, monkeypatch, many):
    monkeypatch.setattr(tables, "ROWS_PER_FILE", 4)
    rows = [{**FULL, "id": f"p{i}"} for i in range(many)]
    found = Rows(tmp_path, write_tables(tmp_path, rows, Everything))
    assert (len(found), list(found), list(found)) == (many, rows, rows)
    assert [found[i] for i in range(many)] == rows == [*reversed(found)][::-1]
    assert [found[i - many] for i in range(many)] == rows
    assert found[1:7:2] == rows[1:7:2]
    for i in (many, -many - 1):
        with pytest.raises(IndexError):
            found[i]


def test_a_file_that_is_changed_before_it_is_read_is_named(tmp_path):
    rows = Rows(tmp_path, write_tables(tmp_path, [FULL, BARE], Everything))
    (tmp_path / "00000.parquet").write_bytes(b"")
    with pytest.raises(UsageError, match=r"00000\.parquet is damaged"):
        list(rows)


def test_a_flipped_byte_anywhere_names_the_file_and_the_remedy(tmp_path):
    digests = write_tables(tmp_path, [FULL, BARE], Everything)
    data = (tmp_path / "00000.parquet").read_bytes()
    for position in range(0, len(data), 97):
        flipped = bytearray(data)
        flipped[position] ^= 1
        (tmp_path / "00000.parquet").write_bytes(flipped)
        with pytest.raises(UsageError, match=r"00000\.parquet is damaged.*restore it .* or delete .*summary\.json"):
            Rows(tmp_path, digests)


def test_other_readers_find_a_flipped_byte_by_the_checksum_of_its_page():
    data = next(encoded([{**FULL, "text": "a text to be found " * 50} for _ in range(50)], Everything))
    found = 0
    for position in range(4, 200):
        flipped = bytearray(data)
        flipped[position] ^= 1
        try:
            decoded(bytes(flipped))
        except (OSError, pa.ArrowException) as error:
            found += "CRC checksum" in str(error)
    assert found > 10


def test_a_missing_file_is_named(tmp_path):
    digests = write_tables(tmp_path, [FULL], Everything)
    (tmp_path / "00000.parquet").unlink()
    with pytest.raises(UsageError, match=r"00000\.parquet is missing"):
        Rows(tmp_path, digests)
