"""The journal of a stage: every reply of a model, on file before the chain that asked sees it.

A chain is a function of its row and of its replies, so a stage is resumed by replaying replies. The file is JSON Lines:

    {"replies": [{"row": "p1", "turn": 0, "digest": "…", "reply": {"type": "Completion", …}}, …], "checksum": "…"}

A line holds the replies that were computed together. What a model computes depends, in the last bits, on the shape of
the batch, so that a batch must be computed again as a whole if it is computed again at all: it is on file whole or not
at all, which one line is. A reply of a server, which keeps its batches to itself, is a batch of one.

Lines are in the order of time, so that the first n lines of a journal are again a journal. That is the remedy for all
damage: cut the file before the damaged line, and what stood from there on is asked again.

A line is on the disk after at most 63 more, or with the first line that follows the last sync by a second: a power cut
costs no more, a kill costs nothing.

Text of models is hostile: the file is printable ASCII and newlines, nothing else. Surrogates survive, but that two
which make up one character, split by a stream, come back as that character; the digest does not tell them apart.
"""

import errno
import hashlib
import json
import os
import shlex
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from solon.chains import Choice, Completion, Failure, Generate, Reply, Request
from solon.errors import UsageError
from solon.models.drivers import Answered
from solon.runs.files import Reached, canonical, explained, sync_folder, unwatched

SYNC_LINES = 64
SYNC_SECONDS = 1.0

LINES_HELD = 64
"""In memory, of those that were read last: rows that were asked together are recalled together."""

_OFFSET = 6
"""Bytes of a number."""
_NONE = b"\xff" * _OFFSET

_Line = dict[tuple[str, int], tuple[str, Reply]]
"""By row and turn: the digest of the question, and its reply."""


class JournalFile:
    """A journal in a file, as the drivers need it. In memory it holds where the replies of a row are, until `forget`.

    Raises:
        UsageError: a line that is not the last one is damaged. The last one may be torn, and is then dropped.
        OSError: a line cannot be written, e.g. since the disk is full; the file is as it was before.
    """

    def __init__(self, path: Path, *, reached: Reached = unwatched, kept: Callable[[], None] = lambda: None):
        self.path = path
        self.tokens = 0
        """Tokens sampled for all replies on file."""
        self.prompt_tokens = 0
        """Tokens that servers say they read for them."""
        self._reached = reached
        self._kept = kept
        self._lines: dict[str, bytes] = {}
        """Of each row, turn after turn, at which byte its line begins: a number of _OFFSET bytes, or _NONE."""
        self._line = lru_cache(LINES_HELD)(self._read)
        with explained(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._size = self._load()
            os.ftruncate(self._file, self._size)  # a torn last line goes
            os.fsync(self._file)
            sync_folder(path.parent)
        except BaseException:
            os.close(self._file)
            raise
        self._unsynced = 0
        self._synced_at = time.monotonic()

    @property
    def rows(self) -> set[str]:
        """Of which rows replies are on file, those that were forgotten aside."""
        return set(self._lines)

    def recall(self, row: str, turn: int, request: Request) -> Reply | None:
        """Return the reply on file, if any.

        Raises:
            UsageError: another question is on file there.
        """
        start = self._start(row, turn)
        if start is None:
            return None
        digest, reply = self._line(start)[row, turn]
        if digest != digest_of(request):
            raise UsageError(
                f"{self.path}: row {row!r} asks another question at turn {turn} than the one that is answered on file."
                " Most likely its input row or a prompt template has changed since, or it is another version of Solon:"
                " change it back, or choose another --out"
            )
        return reply

    def keep(self, batch: Sequence[Answered]) -> None:
        """Put replies that were computed together on file, all or none.

        Raises:
            ValueError: one of the questions is answered on file.
        """
        replies = [
            {"row": it.row, "turn": it.turn, "digest": digest_of(it.request), "reply": _packed(it.reply)}
            for it in batch
        ]
        self._unless_answered(replies)
        line = _line(replies)
        start = self._size
        self._reached("journal.before-write")
        with explained(self.path):
            self._append(line)
        self._reached("journal.after-write")
        self._remember(replies, start)
        if self._unsynced >= SYNC_LINES or time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self.sync()
        self._kept()

    def sync(self) -> None:
        """Bring to the disk what is on file."""
        with explained(self.path):
            os.fsync(self._file)
        self._unsynced = 0
        self._synced_at = time.monotonic()
        self._reached("journal.after-fsync")

    def forget(self, row: str) -> None:
        """Hold nothing of a row in memory any longer: it has ended, and no reply of it will be recalled."""
        self._lines.pop(row, None)

    def close(self) -> None:
        """Sync, and keep no more."""
        try:
            self.sync()
        finally:
            os.close(self._file)

    def _append(self, line: bytes) -> None:
        try:
            if os.write(self._file, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)
        self._unsynced += 1

    def _load(self) -> int:
        """Note where the replies on file are; return the size of the file without a torn last line."""
        size = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    replies = _replies(line)
                    self._unless_answered(replies)
                    for it in replies:
                        _unpacked(it["reply"])
                except (ValueError, KeyError, TypeError) as error:
                    if file.read(1):
                        raise UsageError(self._damage(number)) from error
                    break
                self._remember(replies, size)
                size += len(line)
        return size

    def _damage(self, number: int) -> str:
        path = shlex.quote(str(self.path))
        return (
            f"{self.path}, line {number}, is damaged: restore the file from a copy, or keep what stands before it"
            f" and have the rest asked again:\n  head -n {number - 1} {path} > {path}.kept && mv {path}.kept {path}"
        )

    def _read(self, start: int) -> _Line:
        """The replies of the line that begins at a byte, which was whole when the file was opened or it was written."""
        with open(self._file, "rb", closefd=False) as file:
            file.seek(start)
            line = file.readline()
        try:
            return {(it["row"], it["turn"]): (it["digest"], _unpacked(it["reply"])) for it in _replies(line)}
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{self.path} was changed, at byte {start}, while the run went on: restore it") from error

    def _start(self, row: str, turn: int) -> int | None:
        """Where the line of a reply begins, if it is on file."""
        found = self._lines.get(row, b"")[turn * _OFFSET : (turn + 1) * _OFFSET]
        return None if found in (b"", _NONE) else int.from_bytes(found)

    def _unless_answered(self, replies: list[dict[str, Any]]) -> None:
        news = {(it["row"], it["turn"]) for it in replies}
        for row, turn in news:
            if self._start(row, turn) is not None:
                raise ValueError(f"row {row!r} is answered on file at turn {turn} already")
        if len(news) < len(replies):
            raise ValueError("a question is answered twice in one batch")

    def _remember(self, replies: list[dict[str, Any]], start: int) -> None:
        for it in replies:
            lines, turn = self._lines.get(it["row"], b""), it["turn"]
            before = lines[: turn * _OFFSET].ljust(turn * _OFFSET, b"\xff")
            self._lines[it["row"]] = before + start.to_bytes(_OFFSET) + lines[(turn + 1) * _OFFSET :]
            self.tokens += it["reply"].get("tokens", 0)
            self.prompt_tokens += it["reply"].get("prompt_tokens", 0)


def digest_of(request: Request) -> str:
    """What a question is known by: short, and another one for any other question."""
    return _short_hash(_packed(request))


def _packed(value: Request | Reply) -> dict[str, Any]:
    """The fields, as `asdict` gives them, which copies every turn of a conversation: a quarter of the time of a row."""
    packed = {"type": type(value).__name__, **vars(value)}
    return {**packed, "sampling": vars(value.sampling)} if isinstance(value, Generate) else packed


def _unpacked(packed: dict[str, Any]) -> Reply:
    fields = {name: value for name, value in packed.items() if name != "type"}
    match packed["type"]:
        case "Completion":
            return Completion(**fields)
        case "Choice":
            return Choice(**{**fields, "probabilities": tuple(fields["probabilities"])})
        case "Failure":
            return Failure(**fields)
    raise ValueError(f"no reply is a {packed['type']!r}")


def _line(replies: list[dict[str, Any]]) -> bytes:
    return (json.dumps({"replies": replies, "checksum": _short_hash(replies)}) + "\n").encode("ascii")


def _replies(line: bytes) -> list[dict[str, Any]]:
    if not line.endswith(b"\n"):
        raise ValueError("the line is torn")
    whole = json.loads(line)
    if _short_hash(whole["replies"]) != whole["checksum"]:
        raise ValueError("the checksum is another one")
    replies: list[dict[str, Any]] = whole["replies"]
    return replies


def _short_hash(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()[:16]
