"""Rows in Parquet files, and back. The schema is derived from the TypedDict of the row.

str, int, float, bool, Literal, list[...] and TypedDict may stand in it, each of them optional, and fields that are
NotRequired: null in the file stands for a field that is not there. The bytes are a function of the rows, the type, and
the version of pyarrow. Text that UTF-8 cannot hold (a lone surrogate) is written as U+FFFD.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, overload

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import get_type_hints, is_typeddict

from solon.errors import UsageError
from solon.runs.files import Reached, put_aside, put_in_place, unwatched

ROWS_PER_FILE = 10_000
ROWS_AT_ONCE = 500
"""Made into dicts, of a file that is in memory."""

_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_ABSENT = {"null": "absent"}


class Pages:
    """Rows on their way into `00000.parquet` and so on, none of which has its name before all are written.

    Until then they lie in the folder as `00000.parquet.partial` and so on.
    """

    def __init__(self, folder: Path, row_type: Any, *, reached: Reached = unwatched):
        self._folder = folder
        self._row_type = row_type
        self._reached = reached
        self._rows: list[Mapping[str, Any]] = []
        self._digests: dict[str, str] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Put a row behind those before it.

        Raises:
            TypeError: one that was added is not of the type.
        """
        self._rows.append(row)
        if len(self._rows) == ROWS_PER_FILE:
            self._write()

    def end(self) -> dict[str, str]:
        """Give the files their names, and return their SHA-256 by name. There is at least one.

        Raises:
            TypeError: as `add` does.
        """
        if self._rows or not self._digests:
            self._write()
        put_in_place([self._folder / name for name in self._digests], reached=self._reached)
        return self._digests

    def _write(self) -> None:
        name = f"{len(self._digests):05}.parquet"
        data = _file(self._rows, self._row_type)
        self._rows = []
        put_aside(self._folder / name, data, reached=self._reached)
        self._digests[name] = hashlib.sha256(data).hexdigest()


class Rows(Sequence[dict[str, Any]]):
    """The rows of files, in order, of which one file at a time is in memory.

    Each file is compared with its SHA-256 in `digests` at once, and again whenever it is read.

    Raises:
        UsageError: a file is not what was written.
    """

    def __init__(self, folder: Path, digests: Mapping[str, str]):
        self._folder = folder
        self._digests = dict(sorted(digests.items()))
        counts = [pq.ParquetFile(pa.BufferReader(self._checked(name))).metadata.num_rows for name in self._digests]
        self._ends: list[int] = list(accumulate(counts))
        self._page: tuple[str, list[dict[str, Any]]] = ("", [])

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for name in self._digests:
            yield from _rows(self._checked(name))

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        at = range(len(self))[index]
        number = bisect_right(self._ends, at)
        name = list(self._digests)[number]
        if self._page[0] != name:
            self._page = (name, decoded(self._checked(name)))
        return self._page[1][at - self._ends[number] + len(self._page[1])]

    def _checked(self, name: str) -> bytes:
        path = self._folder / name
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise UsageError(f"{path} is missing: {_remedy(self._folder)}") from error
        if hashlib.sha256(data).hexdigest() != self._digests[name]:
            raise UsageError(f"{path} is damaged, its checksum is not the sealed one: {_remedy(self._folder)}")
        return data


def encoded(rows: Sequence[Mapping[str, Any]], row_type: Any) -> Iterator[bytes]:
    """Yield Parquet files of at most ROWS_PER_FILE rows, at least one."""
    for start in range(0, max(len(rows), 1), ROWS_PER_FILE):
        yield _file(rows[start : start + ROWS_PER_FILE], row_type)


def decoded(data: bytes) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file; OSError where the checksum of a page is wrong."""
    return list(_rows(data))


def schema_of(row_type: Any) -> pa.Schema:
    """Derive the columns from a TypedDict, in its order."""
    return pa.schema(_fields(row_type))


def _file(rows: Sequence[Mapping[str, Any]], row_type: Any) -> bytes:
    records = [_record(row, row_type, f"row {row.get('id')!r}") for row in rows]
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(records, schema=schema_of(row_type))
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _rows(data: bytes) -> Iterator[dict[str, Any]]:
    table = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True).read()
    for batch in table.to_batches(max_chunksize=ROWS_AT_ONCE):
        for row in batch.to_pylist():
            yield _without_absent(row, table.schema)


def _fields(row_type: Any) -> list[pa.Field]:
    fields = []
    for name, hint in get_type_hints(row_type).items():
        required = name in row_type.__required_keys__
        metadata = None if required else _ABSENT
        fields.append(pa.field(name, _arrow(hint), nullable=_optional(hint) or not required, metadata=metadata))
    return fields


def _arrow(hint: Any) -> pa.DataType:
    kind, args = _core(hint)
    if kind is list:
        return pa.list_(pa.field("element", _arrow(args[0]), nullable=_optional(args[0])))
    if kind is Literal and len({type(option) for option in args}) == 1:
        return _arrow(type(args[0]))
    if is_typeddict(kind):
        return pa.struct(_fields(kind))
    if kind not in _SCALARS:
        raise TypeError(f"no column can hold {hint}: see solon.runs.tables for what a row may be made of")
    return _SCALARS[kind]


def _core(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return what a type is, `None` aside, and its arguments."""
    if get_origin(hint) in (Union, UnionType):
        inner = [arg for arg in get_args(hint) if arg is not NoneType]
        return _core(inner[0]) if len(inner) == 1 else (hint, ())
    return get_origin(hint) or hint, get_args(hint)


def _optional(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)


def _record(record: Any, record_type: Any, where: str) -> dict[str, Any]:
    """Return a record as Arrow takes it; Arrow itself would fill what is missing and drop what is too much."""
    if not isinstance(record, Mapping):
        raise TypeError(f"{where}: {record!r} is not a {record_type.__name__}")
    hints = get_type_hints(record_type)
    missing, unknown = record_type.__required_keys__ - record.keys(), record.keys() - hints.keys()
    if missing or unknown:
        raise TypeError(f"{where} is not a {record_type.__name__}: {missing or 'nothing'} missing, {unknown} unknown")
    return {name: _value(value, hints[name], f"{where}, {name}") for name, value in record.items()}


def _value(value: Any, hint: Any, where: str) -> Any:
    kind, args = _core(hint)
    if value is None and _optional(hint):
        return None
    if is_typeddict(kind):
        return _record(value, kind, where)
    if kind is list and isinstance(value, list):
        return [_value(item, args[0], f"{where}[{i}]") for i, item in enumerate(value)]
    if kind is Literal and any(value == option and type(value) is type(option) for option in args):
        return value
    if kind is str and isinstance(value, str):
        return _text(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (int, bool) and type(value) is kind:
        return value
    raise TypeError(f"{where}: {value!r} is not {hint}")


def _text(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _without_absent(record: dict[str, Any], fields: Any) -> dict[str, Any]:
    """Undo in a record, and in those within, what writing did to fields that were not there."""
    return {
        field.name: _undone(record[field.name], field.type)
        for field in fields
        if record[field.name] is not None or not _stands_for_absent(field)
    }


def _stands_for_absent(field: pa.Field) -> bool:
    return b"null" in (field.metadata or {})


def _undone(value: Any, kind: pa.DataType) -> Any:
    if value is not None and pa.types.is_struct(kind):
        return _without_absent(value, kind)
    if value is not None and pa.types.is_list(kind):
        return [_undone(item, kind.value_type) for item in value]
    return value


def _remedy(folder: Path) -> str:
    return (
        f"restore it from a copy, or delete {folder / 'summary.json'} and type the command again, which makes the rows"
        " again from the journal and asks nothing"
    )
