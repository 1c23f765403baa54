"""A run folder: what the person wrote, what made it, and its stages; held by one process at a time."""

import fcntl
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from solon.errors import UsageError
from solon.runs.files import PARTIAL, Reached, explained, pretty, read_json, sync_folder, unwatched, write_whole
from solon.runs.stage import Stage, tokens_in

LIBRARIES = ("solon", "torch", "transformers", "trl", "pyarrow")


def open_run(path: Path, *, files: Mapping[str, str], reached: Reached = unwatched) -> "Run":
    """Create a run folder, or go on with one. `files`, text by name, are what the person wrote; they are copied in.

    Raises:
        UsageError: `files` differ from the copies, another process has the run, or `path` is no run folder.
    """
    _refuse_foreign(path, files)
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
        sync_folder(path.parent)
    lock = _lock(path)
    try:
        is_new = not (path / "run.json").exists()
        for name, text in files.items():
            _copy_in(path / name, text, is_new=is_new, reached=reached)
        return Run(path, lock=lock, reached=reached)
    except BaseException:
        os.close(lock)
        raise


def unless_run(path: Path) -> None:
    """Say so where a path is no run folder.

    Raises:
        UsageError: it is none.
    """
    if not (path / "run.json").exists():
        raise UsageError(f"{path} is no run folder; give one that `solon run` made, e.g. runs/demo-sandbox-0")


class Run:
    """An open run folder, to be used in a `with` statement; `open_run` makes one."""

    def __init__(self, path: Path, *, lock: int, reached: Reached = unwatched):
        self.path = path
        self._lock = lock
        self._reached = reached
        self._stages: dict[str, Stage] = {}
        self._record: dict[str, Any] = {}
        if self._record_path.exists():
            self._record = read_json(self._record_path, todo="it only tells of times and versions; let it hold {}")
        self._record.setdefault("begun", datetime.now(UTC).isoformat(timespec="seconds"))
        self._record |= {"versions": _versions(), "hardware": _hardware()}
        self._save()

    @property
    def tokens(self) -> int:
        """Tokens sampled in all stages so far, and read where a server counts that."""
        records = self._record.get("stages", {})
        return sum(self._stages[name].tokens if name in self._stages else tokens_in(records[name]) for name in records)

    def stage(self, name: str, settings: Mapping[str, Any]) -> Stage:
        """Begin a stage or go on with it, by the name of its folder, e.g. "01-critique".

        Raises:
            UsageError: the stage was begun with other settings.
        """
        if name in self._stages:
            self._stages[name].hold_to(settings)
            return self._stages[name]
        record = self._record.setdefault("stages", {}).setdefault(name, {})
        folder = self.path / name
        self._stages[name] = Stage(folder, settings, record=record, save=self._save, reached=self._reached)
        return self._stages[name]

    def close(self) -> None:
        """Bring all to the disk, note the time spent, and let others have the run."""
        try:
            for stage in self._stages.values():
                stage.close()
        finally:
            os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except OSError:
            if error is None:  # else what stopped the run is what the person must know
                raise

    @property
    def _record_path(self) -> Path:
        return self.path / "run.json"

    def _save(self) -> None:
        write_whole(self._record_path, pretty(self._record), reached=self._reached)


def _refuse_foreign(path: Path, files: Mapping[str, str]) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise UsageError(f"{path} is a file, and a run needs a folder: choose another --out")
    there = {entry.name for entry in path.iterdir()}
    begun = {"lock", *files, *(name + PARTIAL for name in [*files, "run.json"])}
    if there and "run.json" not in there and not ("lock" in there and there <= begun):
        raise UsageError(f"{path} is not empty and no run folder: choose another --out, nothing there was touched")


def _lock(path: Path) -> int:
    """Take the run for this process; the system gives it back when the process ends, however it ends."""
    with explained(path / "lock"):
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with explained(path / "lock"):
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as error:
        holder = os.read(lock, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise UsageError(
            f"{path} is in use by another process (pid {holder}): wait for it, stop it, or choose another --out"
        ) from error
    except BaseException:
        os.close(lock)
        raise
    return lock


def _copy_in(copy: Path, text: str, *, is_new: bool, reached: Reached) -> None:
    if not copy.exists():
        if not is_new:
            raise UsageError(f"{copy} is missing: restore it, or choose another --out")
        write_whole(copy, text.encode(), reached=reached)
    old = copy.read_bytes().decode(errors="replace")
    if old != text:
        number, was, is_now = _first_difference(old, text)
        raise UsageError(
            f"{copy.name} is not the one this run was begun with ({copy}). The first difference is in line {number}:\n"
            f"  was    {was}\n  is now {is_now}\n"
            "Restore it, or choose another --out for a run of its own"
        )


def _first_difference(old: str, new: str) -> tuple[int, str, str]:
    lines = enumerate(zip_longest(old.split("\n"), new.split("\n")), 1)
    number, pair = next((number, pair) for number, pair in lines if pair[0] != pair[1])
    was, is_now = ("no such line" if line is None else repr(line) for line in pair)
    return number, was, is_now


def _versions() -> dict[str, str | None]:
    return {"python": platform.python_version(), **{library: _version(library) for library in LIBRARIES}}


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _hardware() -> dict[str, Any]:
    return {"platform": platform.platform(), "machine": platform.machine(), "cpus": os.cpu_count()}
