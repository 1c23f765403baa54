"""Rows in Parquet files, and back. The schema is derived from the TypedDict of the row.

str, int, float, bool, Literal, list[...] and TypedDict may stand in it, each of them optional, and fields that are
NotRequired: null in the file stands for a field that is not there. The bytes are a function of the rows, the type, and
the version of pyarrow. Text that UTF-8 cannot hold (a lone surrogate) is written as U+FFFD.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import get_type_hints, is_typeddict

from solon.errors import UsageError
from solon.runs.files import Reached, put_aside, put_in_place, unwatched

ROWS_PER_FILE = 10_000

_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_ABSENT = {"null": "absent"}


def write_tables(
    folder: Path, rows: Sequence[Mapping[str, Any]], row_type: Any, *, reached: Reached = unwatched
) -> dict[str, str]:
    """Write rows to `00000.parquet` and so on, none of which has its name before all are written; SHA-256 by name.

    Raises:
        TypeError: a row is not of the type.
    """
    digests = {}
    for number, data in enumerate(encoded(rows, row_type)):
        name = f"{number:05}.parquet"
        put_aside(folder / name, data, reached=reached)
        digests[name] = hashlib.sha256(data).hexdigest()
    put_in_place([folder / name for name in digests], reached=reached)
    return digests


def read_tables(folder: Path, digests: Mapping[str, str]) -> list[dict[str, Any]]:
    """Read the rows of the files named in `digests`, in order.

    Raises:
        UsageError: a file is not what was written.
    """
    rows: list[dict[str, Any]] = []
    for name, digest in sorted(digests.items()):
        try:
            data = (folder / name).read_bytes()
        except FileNotFoundError as error:
            raise UsageError(f"{folder / name} is missing: {_remedy(folder)}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise UsageError(f"{folder / name} is damaged, its checksum is not the sealed one: {_remedy(folder)}")
        rows += decoded(data)
    return rows


def encoded(rows: Sequence[Mapping[str, Any]], row_type: Any) -> Iterator[bytes]:
    """Yield Parquet files of at most ROWS_PER_FILE rows, at least one."""
    schema = schema_of(row_type)
    for start in range(0, max(len(rows), 1), ROWS_PER_FILE):
        part = [_record(row, row_type, f"row {row.get('id')!r}") for row in rows[start : start + ROWS_PER_FILE]]
        sink = pa.BufferOutputStream()
        table = pa.Table.from_pylist(part, schema=schema)
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        yield sink.getvalue().to_pybytes()


def decoded(data: bytes) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file; OSError where the checksum of a page is wrong."""
    table = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True).read()
    return [_without_absent(row, table.schema) for row in table.to_pylist()]


def schema_of(row_type: Any) -> pa.Schema:
    """Derive the columns from a TypedDict, in its order."""
    return pa.schema(_fields(row_type))


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
