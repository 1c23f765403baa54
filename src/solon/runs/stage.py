"""One stage's part of a run folder: its settings, its journal, its rows or its model, and the summary that ends it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from itertools import groupby
from pathlib import Path
from typing import Any

from solon.errors import UsageError
from solon.runs.files import Reached, canonical, explained, pretty, read_json, unwatched, write_whole
from solon.runs.journal import JournalFile
from solon.runs.sealing import Sealing
from solon.runs.tables import Pages, Rows

TICK_SECONDS = 10.0
DIFFERENCES_SHOWN = 8
_COUNTED = frozenset({"files", "rows", "ok", "dropped"})
"""What the summary of a stage with rows has."""


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of a complete stage, checked against what was sealed. Needs no lock.

    Raises:
        UsageError: the stage is not complete, or a file is damaged.
    """
    return list(_read(folder))


def read_summary(folder: Path) -> dict[str, Any]:
    """Read the summary of a complete stage. Needs no lock.

    Raises:
        UsageError: the stage is not complete, or the summary is damaged.
    """
    path = folder / "summary.json"
    if not path.exists():
        raise UsageError(f"{folder} is not complete: type the command that began the run again, and it goes on there")
    return read_json(path, todo="restore it from a copy, or delete it and type the command again")


class Stage:
    """A stage of a run: `complete`, or to be driven on with `journal` and ended by `seal`, or trained and `finish`ed.

    `settings` are all that affects its rows.

    Raises:
        UsageError: the folder was made with other settings.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        record: dict[str, Any],
        save: Callable[[], None] = lambda: None,
        reached: Reached = unwatched,
    ):
        self.folder = folder
        self._journal: JournalFile | None = None
        self._record = record
        self._save = save
        self._reached = reached
        self._seconds_before = record.get("wall_seconds", 0.0)
        self._opened_at = self._noted_at = time.monotonic()
        with explained(folder):
            folder.mkdir(exist_ok=True)
        self.hold_to(settings)
        self._note("complete" if self.complete else "running")

    @property
    def complete(self) -> bool:
        """Whether its rows or its model are there, whole."""
        return (self.folder / "summary.json").exists()

    @property
    def summary(self) -> dict[str, Any]:
        """What was sealed or finished with; UsageError where the stage is not complete."""
        return read_summary(self.folder)

    @property
    def tokens(self) -> int:
        """Tokens sampled for all replies on file, and read for them where a server counts that."""
        if self._journal:
            return self._journal.tokens + self._journal.prompt_tokens
        return tokens_in(self._record)

    @property
    def journal(self) -> JournalFile:
        """Where the drivers keep replies."""
        if self._journal is None:
            self._journal = JournalFile(self.folder / "journal.jsonl", reached=self._reached, kept=self.tick)
        return self._journal

    def hold_to(self, settings: Mapping[str, Any]) -> None:
        """Write the settings down, or compare them with those that the folder was made with.

        Raises:
            UsageError: they differ.
        """
        path = self.folder / "stage.json"
        wanted = json.loads(canonical(dict(settings)))  # as JSON gives it back: lists for tuples
        if not path.exists():
            if self.complete or (self.folder / "journal.jsonl").exists():
                raise UsageError(f"{path} is missing: restore it from a copy, or choose another --out")
            write_whole(path, pretty(wanted), reached=self._reached)
        made_with = read_json(path, todo="restore it from a copy, or choose another --out")
        if canonical(made_with) != canonical(wanted):
            raise UsageError(
                f"{self.folder} was made with other settings, and rows of both must not be mixed:\n"
                f"{_differences(made_with, wanted)}\nChange them back, or choose another --out"
            )

    def seal(
        self,
        rows: Sequence[Mapping[str, Any]],
        *,
        row_type: Any,
        summary: Mapping[str, Any] | None = None,
        ids: Sequence[str] | None = None,
        of: str = "id",
    ) -> None:
        """Write the rows, in the order of the input, and end the stage with what they count and `summary`.

        The rows must have ids of their own, and a row for every one that the journal knows; and be those of `ids`, the
        ids of the input, if given. Which row of the input a row is made of stands in its column `of`.

        Raises:
            ValueError: they do not, or the stage is complete.
            TypeError: a row is not of `row_type`, a TypedDict.
        """
        self._check_ids(rows, ids, of=of)
        self._check_ending(summary or {}, reserved=_COUNTED)
        sealing = self.sealing(row_type=row_type, of=of)
        for made_of, made in groupby(rows, key=lambda row: row[of]):
            sealing.begin(made_of)
            sealing.take(made_of, list(made))
        self.end(sealing, lambda rows: summary or {})

    def sealing(self, *, row_type: Any, of: str = "id") -> Sealing:
        """What takes rows as they end, where there are more than fit into memory; then `end` is to be called with it.

        Raises:
            ValueError: the stage is complete.
        """
        self._check_ending({}, reserved=_COUNTED)
        return Sealing(Pages(self.folder, row_type, reached=self._reached), of=of, forget=self._forget)

    def end(
        self, sealing: Sealing, summary: Callable[[Sequence[dict[str, Any]]], Mapping[str, Any]] = lambda rows: {}
    ) -> None:
        """End the stage with the rows that `sealing` took, what they count, and `summary` of them.

        Raises:
            ValueError: a row that was begun, or that the journal knows, has not ended; or the stage is complete.
            TypeError: a row is not of the type.
        """
        self._unless_missing(sealing.waiting | (self._journal.rows if self._journal else set()))
        self._check_ending({}, reserved=_COUNTED)
        if self._journal:
            self._journal.sync()
        counts = sealing.end()
        told = summary(Rows(self.folder, counts["files"]))
        self._check_ending(told, reserved=_COUNTED)
        self._end({**counts, **told})

    def finish(self, summary: Mapping[str, Any]) -> None:
        """End a stage that has no rows, e.g. one that trained a model into `folder`.

        Raises:
            ValueError: the stage is complete.
        """
        self._check_ending(summary, reserved={"files"})
        self._end(summary)

    def read(self) -> Sequence[dict[str, Any]]:
        """The rows, checked against what was sealed, and read as they are needed.

        Raises:
            UsageError: the stage is not complete, or a file is damaged.
        """
        return _read(self.folder)

    def tick(self) -> None:
        """Note the time spent so far, at most every TICK_SECONDS: what a kill takes from the count. Cheap."""
        if time.monotonic() - self._noted_at >= TICK_SECONDS:
            self._note("running")

    def close(self) -> None:
        """Bring the journal to the disk and note the time spent."""
        if self._journal:
            self._journal.close()
        if self._record["status"] != "complete":
            self._note("stopped")

    def _forget(self, row: str) -> None:
        if self._journal:
            self._journal.forget(row)

    def _end(self, summary: Mapping[str, Any]) -> None:
        write_whole(self.folder / "summary.json", pretty(dict(summary)), reached=self._reached)
        self._note("complete")

    def _note(self, status: str) -> None:
        self._noted_at = time.monotonic()
        if status == self._record.get("status") == "complete":
            return
        self._record["status"] = status
        self._record["wall_seconds"] = round(self._seconds_before + self._noted_at - self._opened_at, 3)
        if self._journal:
            self._record["tokens"] = self._journal.tokens
            self._record["prompt_tokens"] = self._journal.prompt_tokens
        self._save()

    def _check_ids(self, rows: Sequence[Mapping[str, Any]], ids: Sequence[str] | None, *, of: str) -> None:
        made_of = list(dict.fromkeys(row[of] for row in rows))
        known = self._journal.rows if self._journal else set()
        self._unless_missing((known | set(ids or ())) - set(made_of))
        if ids is not None and made_of != list(ids):
            raise ValueError(f"{self.folder}: the rows are not in the order of the input, or are more")

    def _unless_missing(self, missing: set[str]) -> None:
        if missing:
            raise ValueError(f"{self.folder}: {len(missing)} rows are missing, the first is {min(missing)!r}")

    def _check_ending(self, summary: Mapping[str, Any], *, reserved: Set[str]) -> None:
        if self.complete:
            raise ValueError(f"{self.folder} is complete; nothing is overwritten")
        if reserved & summary.keys():
            raise ValueError(f"{self.folder}: a summary cannot hold {sorted(reserved & summary.keys())} of its own")


def tokens_in(record: Mapping[str, Any]) -> int:
    """The same of a stage that is not open, by its record in run.json."""
    return int(record.get("tokens", 0)) + int(record.get("prompt_tokens", 0))


def _read(folder: Path) -> Rows:
    summary = read_summary(folder)
    if not summary.keys() >= _COUNTED:
        raise UsageError(f"{folder} holds no rows: its summary.json tells of none")
    rows = Rows(folder, summary["files"])
    if not len(rows) == summary["rows"] == summary["ok"] + sum(summary["dropped"].values()):
        raise UsageError(f"{folder}: {len(rows)} rows are not those that summary.json counts: restore it from a copy")
    return rows


def _differences(old: Any, new: Any) -> str:
    was, is_now = dict(_leaves(old)), dict(_leaves(new))
    changed = [key for key in {**was, **is_now} if was.get(key) != is_now.get(key)]
    lines = [
        f"  {key} was {_shown(was.get(key))}, is now {_shown(is_now.get(key))}" for key in changed[:DIFFERENCES_SHOWN]
    ]
    if len(changed) > len(lines):
        lines.append(f"  and {len(changed) - len(lines)} more")
    return "\n".join(lines)


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted keys and their values in JSON, e.g. ("principles.3.weight", "1.0")."""
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    if not items:
        yield key, canonical(value)
    for name, item in items:
        yield from _leaves(item, f"{key}.{name}" if key else str(name))


def _shown(leaf: str | None) -> str:
    if leaf is None:
        return "not set"
    return leaf if len(leaf) <= 80 else f"{leaf[:77]}…"
