"""The one place that speaks HTTP, and decides what is asked again, what ends a row and what ends the run.

| What comes back | What is done |
|---|---|
| an answer | it is read; what cannot be read as one counts as a fault |
| no connection, a broken one, 5xx, 408, 409, 425, a body that is no answer | asked again: FAULTS tries |
| nothing within the deadline | fewer at once, and asked again: LATE tries |
| 429; 503 that says when to come back | too many questions: fewer at once, and asked again: BUSY tries |
| another 4xx, a body of more than MAX_BYTES | this question cannot be answered: `Failure` |
| 401, 403, 402, no quota, 404, a redirect | no question can: `ModelError` |

Tries are apart by a time that grows and is drawn, or longer where the server asks for that.

What a server sends is hostile: it is read up to MAX_BYTES, never unpacked, never followed elsewhere, and quoted only.
The key is read from the environment here, when a request is sent: what is handed to nobody cannot be written down. It
is taken out of all that comes back.
"""

import asyncio
import json
import math
import os
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from solon.chains import Failure
from solon.errors import ModelError, UsageError
from solon.models.width import Width

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

FAULTS, LATE, BUSY = 5, 2, 20
"""Tries in all: about 6 seconds without the server, two deadlines, and about ten minutes of being told to wait."""
LONGEST_WAIT = 60.0
"""Seconds between two tries: most quotas are counted by the minute."""
LONGEST_GIVEN = 300.0
"""Seconds that a server may ask to wait; one that asks for more is asked again then."""
MAX_BYTES = 16 * 2**20
"""An answer of 100,000 tokens with 20 log-probabilities each has about as much."""
CONNECT_SECONDS = 10.0
KNOCK_SECONDS = 120.0
"""What a few tokens may take, where a server has other questions too."""
QUOTED = 300
"""Characters of what a server says that are told."""
BESIDE = ("/tokenize",)
"""Paths of vLLM's own, which lie beside those that begin with /v1."""
NO_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")


@dataclass(frozen=True)
class Again:
    """Why no answer came, where another try may bring one."""

    reason: str
    kind: Literal["fault", "late", "busy"] = "fault"
    wait: float | None = None
    """Seconds that the server asks for."""


@dataclass(frozen=True)
class GaveUp:
    """Why no answer came, after all tries."""

    reason: str


@dataclass(frozen=True)
class Pace:
    """What the clock and the dice are; tests bring their own."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    draw: Callable[[], float] = random.random


Read = Callable[[Any], T | Failure | Again]
"""Reads an answer's JSON, which may be anything."""


class Client:
    """Connections to one server, to be used in an `async with` statement."""

    def __init__(
        self,
        url: str,
        *,
        width: Width,
        key_env: str | None = None,
        timeout: float = 600.0,
        pace: Pace | None = None,
    ):
        self.url = url.rstrip("/")
        self.width = width
        self.key_env = key_env
        """The environment variable that holds the key; None sends none."""
        self.timeout = timeout
        self.pace = pace or Pace()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp  # 0.2 s

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the width limits them
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def post(self, path: str, body: Mapping[str, Any], read: Read[T]) -> T | Failure | GaveUp:
        """Send JSON and read the answer, again where that may help.

        Raises:
            ModelError: the server cannot answer any question.
        """
        data = json.dumps(body).encode()
        tries: Counter[str] = Counter()
        while True:
            refusals = self.width.refusals
            found = await self._once(path, data, read, seconds=self.timeout)
            if not isinstance(found, Again):
                self.width.answered()
                return found
            if found.kind != "fault":
                self.width.refused(refusals)
            tries[found.kind] += 1
            if tries[found.kind] >= {"fault": FAULTS, "late": LATE, "busy": BUSY}[found.kind]:
                break
            async with self.width.away():
                await self.pace.sleep(self._wait(found, tries.total()))
        if found.kind == "busy":
            raise ModelError(f"{self.url} has had no room {BUSY} times: {found.reason}; try again later")
        return GaveUp(found.reason)

    async def once(self, path: str, body: Mapping[str, Any] | None, read: Read[T]) -> T | None:
        """The same in one short try, or what is there where there is no body; None where no answer comes."""
        data = None if body is None else json.dumps(body).encode()
        try:
            found = await self._once(path, data, read, seconds=min(self.timeout, KNOCK_SECONDS))
        except ModelError:
            return None
        return None if isinstance(found, Failure | Again) else found

    async def _once(self, path: str, data: bytes | None, read: Read[T], *, seconds: float) -> T | Failure | Again:
        import aiohttp

        assert self._session is not None, "to be used in an async with statement"
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **self._authorization()}
        try:
            async with self._session.request(
                "GET" if data is None else "POST",
                (self.url.removesuffix("/v1") if path in BESIDE else self.url) + path,
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS),
                allow_redirects=False,
            ) as response:
                text = await self._text(response)
        except aiohttp.ConnectionTimeoutError:
            return Again(f"no connection within {CONNECT_SECONDS:g} s")
        except TimeoutError:  # aiohttp's others are of this kind
            return Again(f"no answer within {seconds:g} s", "late")
        except (aiohttp.ClientError, OSError) as error:
            return Again(self._quoted(str(error) or type(error).__name__))
        if text is None:
            return Failure(f"the server's answer has more than {MAX_BYTES // 2**20} MB")
        return self._judged(response.status, response.headers, text, read)

    async def _text(self, response: "aiohttp.ClientResponse") -> str | None:
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > MAX_BYTES:
                response.close()  # what is left is not worth a connection
                return None
            parts.append(part)
        return self._without_key(b"".join(parts).decode(errors="replace"))

    def _judged(self, status: int, headers: Mapping[str, str], text: str, read: Read[T]) -> T | Failure | Again:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        codes, said = _error(data)
        if 200 <= status < 300 and codes is not None:  # some send errors under a 200
            status = next((int(code) for code in codes if re.fullmatch("[45][0-9][0-9]", code)), 500)
        if 200 <= status < 300:
            return Again("an answer that is no JSON") if data is None else read(data)
        told = f"{status}: {self._quoted(said or text)}"
        self._unless_hopeless(status, codes or (), told, moved_to=self._quoted(headers.get("Location", "?")))
        wait = seconds_to_wait(headers.get("Retry-After"), now=self.pace.now())
        if status == 429 or (status == 503 and wait is not None):
            return Again(told, "busy", wait)
        if status >= 500 or status in (408, 409, 425):
            return Again(told, wait=wait)
        return Failure(f"the server refuses it, {told}")

    def _unless_hopeless(self, status: int, codes: Collection[str], told: str, *, moved_to: str) -> None:
        at = f"{self.url} answers {told}"
        if status in (401, 403):
            key = f"the key in {self.key_env}" if self._authorization() else f"no key, as {self.key_env} is not set"
            raise ModelError(
                f"{at}\nIt was sent {key}; `models.api_key_env` names the variable that holds the right one"
            )
        if status == 402 or any(code in NO_QUOTA for code in codes):
            raise ModelError(f"{at}\nThe quota is used up: what is answered is on file; go on when there is more")
        if status == 404 or "model_not_found" in codes:
            raise ModelError(f"{at}\nCheck the URL, which most often ends in /v1, and the model's name after the #")
        if 300 <= status < 400:
            raise ModelError(f"{self.url} redirects to {moved_to}, which is not followed; give the right URL")

    def _wait(self, again: Again, tries: int) -> float:
        """Seconds: as the server says, and no less than a time that doubles with each try, of which half is drawn."""
        doubled = min(LONGEST_WAIT, 0.5 * 2.0 ** (tries - 1))
        return max(again.wait or 0.0, doubled / 2) + self.pace.draw() * doubled / 2

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if (key := self._key()) else {}

    def _key(self) -> str:
        key = os.environ.get(self.key_env, "").strip() if self.key_env else ""
        if not (key.isascii() and key.isprintable()):
            raise UsageError(f"{self.key_env} holds characters that no key has; set it again")
        return key

    def _without_key(self, text: str) -> str:
        return text.replace(key, "[key]") if (key := self._key()) else text

    def _quoted(self, text: str) -> str:
        text = " ".join(self._without_key(text).split())
        return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"


def seconds_to_wait(retry_after: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header, a number of seconds or a date: from 0, which a past date is, to LONGEST_GIVEN."""
    if retry_after is None:
        return None
    seconds: float
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            date = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return None if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST_GIVEN)


def _error(data: Any) -> tuple[Collection[str] | None, str | None]:
    """The codes of an error, None where there is none, and its message, in the forms that servers give them."""
    error = data.get("error") if isinstance(data, dict) else None
    if isinstance(data, dict) and data.get("object") == "error":  # older vLLM
        error = data
    if isinstance(error, str):
        return (), error
    if not isinstance(error, dict):
        said = data.get("detail") or data.get("message") if isinstance(data, dict) else None
        return None, said if isinstance(said, str) else None
    said = error.get("message")
    return [str(error.get(key)) for key in ("code", "type")], said if isinstance(said, str) else None
