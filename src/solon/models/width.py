"""How many questions a server is asked at once: more while it answers, fewer where it says that it has too many.

From few, one more with every answer. A question that is refused takes one away, and for the next PAUSE answers none is
given back; while it waits to be asked again others have its place. So a server that has room for n is soon asked about
n at once, and one that refuses a question in six for reasons of its own nearly as many as any other. TCP's way, which
halves, comes to a standstill there (`benchmarks/kills.py`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count

START = 16
"""Two rounds of answers from there to 64. From 4, which takes four, the 32 slots of a server were idle for 3 % of the
first 1,500 questions (`benchmarks/orchestration.py`)."""
PAUSE = 4
"""Answers after a refusal."""


class Width:
    """A gate that lets in up to `limit` at once, from 1 to `most`; of those who wait the earliest chain first.

    So the chains that began first are ended first, however narrow the gate becomes.
    """

    def __init__(self, most: int, *, start: int = START):
        self.most = most
        self.limit = min(start, most)
        self.under_way = 0
        self.refusals = 0
        """Counted once for all that were under way together."""
        self._least = 1
        self._answers = PAUSE
        """Since the last refusal."""
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._tickets = count()

    @asynccontextmanager
    async def turn(self, order: int) -> AsyncIterator[None]:
        """Wait to be let in; `order` is that in which the chains began."""
        await self._admission(order)
        try:
            yield
        finally:
            self.under_way -= 1
            self._let_in()

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Within `turn`: leave the place to another, and wait to be let in again, before all who never were."""
        self.under_way -= 1
        self._let_in()
        try:
            yield
            await self._admission(-1)
        except BaseException:
            self.under_way += 1  # which `turn` takes back
            raise

    def answered(self) -> None:
        """Widen: the server had room."""
        self._answers += 1
        if self._answers > PAUSE:
            self.limit = min(self.most, self.limit + 1)
        self._let_in()

    def refused(self, refusals: int) -> None:
        """Narrow by one. `refusals` is what was counted when the question was sent: all that were under way together
        narrow to no less than a half, since what they say may soon be over."""
        if refusals == self.refusals:
            self.refusals += 1
            self._least = max(1, self.limit // 2)
        self.limit = max(self._least, self.limit - 1)
        self._answers = 0

    async def _admission(self, order: int) -> None:
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (order, next(self._tickets), ticket))
        self._let_in()
        try:
            await ticket
        except asyncio.CancelledError:
            if not ticket.cancelled():  # it was let in, and cancelled at once
                self.under_way -= 1
                self._let_in()
            raise

    def _let_in(self) -> None:
        while self._waiting and self.under_way < self.limit:
            *_, ticket = heappop(self._waiting)
            if not ticket.cancelled():
                self.under_way += 1
                ticket.set_result(None)
