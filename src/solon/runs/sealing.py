"""Rows on their way into the tables of a stage: taken as they end, written in the order in which they were begun."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from solon.runs.tables import Pages


class Sealing:
    """In memory are the rows of one file, those that wait for one which was begun before them, and the ids of all.

    `forget` is told of each row of the input that has ended. `Stage.sealing` makes a sealing, `Stage.end` ends it.
    """

    def __init__(self, pages: Pages, *, of: str, forget: Callable[[str], None]):
        self._pages = pages
        self._of = of
        self._forget = forget
        self._begun = deque[str]()
        self._ended: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._ids: set[str] = set()
        self._dropped = Counter[str]()

    @property
    def waiting(self) -> set[str]:
        """The ids of the rows of the input that are not written: they, or one before them, have not ended."""
        return {*self._begun, *self._ended}

    def begin(self, row: str) -> None:
        """A row of the input, by its id, in the order of the input."""
        self._begun.append(row)

    def take(self, row: str, made: Sequence[Mapping[str, Any]]) -> None:
        """What was made of a row of the input that has ended.

        Raises:
            ValueError: it is nothing, or was made of another row, or an id stands twice.
            TypeError: a row is not of the type.
        """
        if not made or any(each[self._of] != row for each in made):
            raise ValueError(f"of the row {row!r} nothing was made, or what has another {self._of}")
        self._ended[row] = made
        self._forget(row)
        while self._begun and self._begun[0] in self._ended:
            for each in self._ended.pop(self._begun.popleft()):
                self._write(each)

    def end(self) -> dict[str, Any]:
        """Give the tables their names, and return what the rows count and the "files", SHA-256 by name.

        Raises:
            TypeError: a row is not of the type.
        """
        files = self._pages.end()
        rows, dropped = len(self._ids), dict(self._dropped)
        return {"rows": rows, "ok": rows - sum(dropped.values()), "dropped": dropped, "files": files}

    def _write(self, row: Mapping[str, Any]) -> None:
        if row["id"] in self._ids:
            raise ValueError(f"two rows have the id {row['id']!r}")
        self._ids.add(row["id"])
        if row["drop_reason"] is not None:
            self._dropped[row["drop_reason"]] += 1
        self._pages.add(row)
