"""Rows of a file, or of a data set on the Hugging Face Hub: one by one, so that no more is read than is asked for.

    red.jsonl, red.jsonl.gz       a JSON object a line, or all in a list
    red.csv                       the first line names the columns
    red.parquet
    red.txt                       a prompt a line
    hub:owner/name                the split "train"; hub:owner/name@test another
    hub:owner/name/folder@test    of the files in a folder of it; hub:owner/name:part@test of a part it declares

Nothing that a data set says is run: `datasets` reads data files only.
"""

import csv
import gzip
import json
import re
import zlib
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub.errors import LocalEntryNotFoundError

from solon.errors import ModelError, UsageError
from solon.recipe.prompt_columns import COLUMNS, OTHERS

HUB = "hub:"
DEFAULT_SPLIT = "train"
_HUB_NAME = re.compile(
    HUB + r"(?P<name>[\w.-]+/[\w.-]+)(?P<folder>(?:/[\w.-]+)*)(?::(?P<part>[\w.-]+))?(?:@(?P<split>[\w.-]+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Source:
    """What a source is read for: for messages, and so that no columns are read in vain."""

    what: str
    """What to give."""
    example: str
    """A line of it, as JSON."""
    columns: Collection[str] = ()
    """Of a Parquet file these are read, where it has one of them; else all."""
    others: Collection[str] = ()
    """What is read beside them."""


PROMPTS = Source(
    what="a file of prompts (.jsonl, .csv, .parquet or .txt), or hub:OWNER/NAME",
    example='{"prompt": "..."}',
    columns=COLUMNS,
    others=OTHERS,
)


@dataclass(frozen=True)
class Row:
    """A row, or why there is none."""

    place: str
    """Where it stands, for messages, e.g. "red.csv:2"."""
    number: int
    cells: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def is_jsonl(source: str) -> bool:
    """Whether a source is read as JSON, a line each: Solon's own form, and that of much else."""
    return not source.startswith(HUB) and _suffix(source) not in _READERS


def read_rows(source: str, *, whole: bool, source_is: Source = PROMPTS) -> Iterator[Row]:
    """Read the rows of a source; `whole` says that all will be read, so that a data set is worth keeping here.

    Raises:
        UsageError: there is no such source, or it is not what its name says.
        ModelError: the Hub cannot be reached.
    """
    if source.startswith(HUB):
        return _hub(source, whole=whole)
    path = Path(source)
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; give {source_is.what}")
    return _from_file(path, _READERS.get(_suffix(source), _jsonl), source_is)


def _from_file(path: Path, reader: "_Reader", source_is: Source) -> Iterator[Row]:
    try:
        yield from reader(path, source_is)
    except FileNotFoundError:
        besides = ", or `sandbox`" if source_is is PROMPTS else ""
        raise UsageError(f"{path}: there is no such file; give {source_is.what}{besides}") from None
    except (OSError, EOFError, ValueError, zlib.error, pa.ArrowException) as error:
        raise UsageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _suffix(source: str) -> str:
    return Path(source.removesuffix(".gz")).suffix.lower()


def _lines(path: Path) -> Iterator[str]:
    """The lines of a text file with their ends, without a byte order mark."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                yield raw.removeprefix(BOM_UTF8 if number == 1 else b"").decode()
            except UnicodeDecodeError as error:
                byte = f"0x{error.object[error.start]:02x}"
                raise UsageError(f"{path}:{number}: byte {byte} is not UTF-8; save the file as UTF-8 text") from None


def _jsonl(path: Path, source_is: Source) -> Iterator[Row]:
    """Read a JSON object a line, or one list of them, as hh-rlhf's red-team-attempts are in spite of their name."""
    lines = _lines(path)
    begun: list[str] = []
    for line in lines:
        begun.append(line)
        if line.strip():
            break
    is_list = bool(begun) and begun[-1].lstrip().startswith("[")
    return (_list if is_list else _objects)(path, chain(begun, lines), source_is)


def _objects(path: Path, lines: Iterable[str], source_is: Source) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        place = f"{path}:{number}"
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Row(place, number, problem=f"is no JSON ({error}); write a line as {source_is.example}")
            continue
        yield Row(place, number, given if isinstance(given, dict) else {})


def _list(path: Path, lines: Iterable[str], source_is: Source) -> Iterator[Row]:
    try:
        rows = json.loads("".join(lines))
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UsageError(
            f"{path}:{line}: is no JSON ({error}); write an object a line, as {source_is.example}"
        ) from None
    for number, given in enumerate(rows, 1):
        yield Row(f"{path}: row {number}", number, given if isinstance(given, dict) else {})


def _csv(path: Path, source_is: Source) -> Iterator[Row]:
    reader = csv.reader(_lines(path), strict=True)
    began = 1
    try:
        names = [name.strip() for name in next(reader, [])]
        if twice := sorted({name for name in names if name and names.count(name) > 1}):
            raise UsageError(f"{path}:1: two columns are called {json.dumps(twice[0])}; call each by a name of its own")
        began = reader.line_num + 1
        for cells in reader:
            place, number, began = f"{path}:{began}", began, reader.line_num + 1
            if cells and len(cells) != len(names):
                counts = f"has {len(cells)} fields where the first line has {len(names)}"
                yield Row(place, number, problem=f'{counts}; put text with commas or lines in "quotes"')
            elif cells:
                yield Row(place, number, dict(zip(names, cells, strict=True)))
    except csv.Error as error:
        raise UsageError(f'{path}:{began}: is no CSV ({error}); put text in "quotes", and quotes in "" pairs') from None


def _parquet(path: Path, source_is: Source) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        wanted = [name for name in file.schema_arrow.names if name in (*source_is.columns, *source_is.others)]
        known = set(wanted) & set(source_is.columns)
        number = 0
        for batch in file.iter_batches(batch_size=1000, columns=wanted if known else None):
            for cells in batch.to_pylist():
                number += 1
                yield Row(f"{path}: row {number}", number, cells)


def _txt(path: Path, source_is: Source) -> Iterator[Row]:
    for number, line in enumerate(_lines(path), 1):
        if line.strip():
            yield Row(f"{path}:{number}", number, {"text": line.strip()})


_Reader = Callable[[Path, Source], Iterator[Row]]
_READERS: Mapping[str, _Reader] = {".csv": _csv, ".parquet": _parquet, ".txt": _txt}


def _hub(source: str, *, whole: bool) -> Iterator[Row]:
    found = _HUB_NAME.fullmatch(source)
    if found is None:
        raise UsageError(f"{source}: is no name of a data set; write hub:OWNER/NAME or hub:OWNER/NAME@SPLIT")
    import datasets  # takes a second, and few runs need it

    where = {"name": found["part"], "data_dir": found["folder"].lstrip("/")}
    try:
        rows = datasets.load_dataset(
            found["name"],
            **{key: value for key, value in where.items() if value},
            split=found["split"] or DEFAULT_SPLIT,
            streaming=not whole,
            trust_remote_code=False,
        )
        for number, cells in enumerate(rows, 1):
            yield Row(f"{source}: row {number}", number, cells)
    except Exception as error:  # every library below this one has errors of its own for a network that fails
        is_wrapped = isinstance(error, datasets.exceptions.DatasetGenerationError)
        raise _hub_error(source, error=error, cause=error.__cause__ if is_wrapped else error) from error


def _hub_error(source: str, *, error: Exception, cause: BaseException | None) -> UsageError | ModelError:
    is_wrong = isinstance(cause, FileNotFoundError | ValueError | RuntimeError)
    if is_wrong and not isinstance(cause, LocalEntryNotFoundError):
        return UsageError(
            f"{source} cannot be read as a data set of the Hugging Face Hub: {error}\n"
            f"Correct the name; give another split than {DEFAULT_SPLIT} as hub:OWNER/NAME@SPLIT, a part as "
            "hub:OWNER/NAME:PART; log in with `hf auth login` if the data set is private or gated."
        )
    return ModelError(
        f"{source} could not be fetched from the Hugging Face Hub: {type(error).__name__}: {error}\n"
        "Give the path of a file, or try again where the Hub can be reached."
    )
