"""Files that are there whole or not at all, and JSON in one spelling."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from solon.errors import UsageError

Reached = Callable[[str], None]
"""Called with the name of each point at which a kill would be felt, e.g. "journal.after-write"; tests kill there."""

PARTIAL = ".partial"
"""What the name of a file ends with until it is whole."""

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is too large",
}


def unwatched(point: str) -> None:
    """Let the run go on, whatever point it reached."""


def write_whole(path: Path, data: bytes, *, reached: Reached = unwatched) -> None:
    """Write a file so that at any time, even after a power cut, either the old one is there or the new one is."""
    put_aside(path, data, reached=reached)
    put_in_place([path], reached=reached)


def put_aside(path: Path, data: bytes, *, reached: Reached = unwatched) -> None:
    """Write `data` to the disk beside `path`, for `put_in_place`."""
    aside = path.with_name(path.name + PARTIAL)
    reached(f"{path.name}.before-write")
    with explained(path):
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            aside.unlink(missing_ok=True)  # which frees what room it took
            raise


def put_in_place(paths: list[Path], *, reached: Reached = unwatched) -> None:
    """Give files of one folder, which were put aside, their names."""
    for path in paths:
        reached(f"{path.name}.before-rename")
        with explained(path):
            path.with_name(path.name + PARTIAL).replace(path)
        reached(f"{path.name}.after-rename")
    sync_folder(paths[0].parent)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say of an error of the operating system what to do: nothing on file is lost, and the same command resumes."""
    try:
        yield
    except OSError as error:
        what = _FULL.get(error.errno or 0, error.strerror or str(error))
        todo = "free some space" if error.errno in _FULL else "mend that"
        raise OSError(
            error.errno,
            f"{path} cannot be written: {what}. What was on file is safe: {todo} and type the same command again",
        ) from error


def canonical(value: Any) -> str:
    """JSON in one spelling, in ASCII: control characters and lone surrogates are escaped, floats come back exactly."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def pretty(value: Any) -> bytes:
    """JSON for people and files."""
    return (json.dumps(value, sort_keys=True, indent=2) + "\n").encode("ascii")


def read_json(path: Path, *, todo: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UsageError: it is not one; says `todo`, what to do then.
    """
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({error}): {todo}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} is damaged (it holds no JSON object): {todo}")
    return value
