"""How far a run is, on stderr: bars on a terminal, else a plain line now and then, or JSON for programs.

What is shown of a row was written by a model: hidden characters are shown by their codes, and nothing is markup.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from solon.errors import UsageError
from solon.recipe.progress import Event, Progress, unheard
from solon.report.text import visible

WINDOW = 60.0
"""Seconds over which a rate is measured, or the last LEAST times that something was answered, if these are longer."""
LEAST = 4
GRAIN = 0.25
"""Seconds that are one point of the window."""
SETTLED = 2.0
"""Seconds before a rate is believed."""
PLAIN_SECONDS, JSON_SECONDS = 30.0, 1.0
FRAMES_A_SECOND = 2
NARROW = 64
"""Columns under which there is no room for a bar."""
SAMPLED = 400
"""Characters of a text that are looked at."""


@contextmanager
def progress(mode: str = "auto") -> Iterator[Progress]:
    """Show progress as "bars", "plain" lines, "json" lines or not at all ("none"); "auto" takes bars on a terminal.

    Raises:
        UsageError: bars are wanted where none can be drawn.
    """
    console = Console(stderr=True, highlight=False)
    can_draw = console.is_terminal and not console.is_dumb_terminal
    if mode == "bars" and not can_draw:
        raise UsageError("--progress bars needs a terminal that can move its cursor on stderr; give plain, or leave it")
    if mode == "none":
        yield unheard
    elif mode == "bars" or (mode == "auto" and can_draw):
        bars = Bars(console)
        with bars.live:
            yield bars.tell
    else:
        lines = Lines(json_line) if mode == "json" else Lines(plain_line)
        with _every(JSON_SECONDS if mode == "json" else PLAIN_SECONDS, lines.tick):
            yield lines.tell


@dataclass(frozen=True)
class Figures:
    """What follows from events and the clock."""

    seconds: float
    """Since the stage began."""
    tokens_per_second: float | None
    """Sampled, of late."""
    seconds_left: float | None


class Meter:
    """Measures a stage as it goes: what is on file already took no time, and says nothing of the rate.

    Events come from the thread of the run, and figures are asked for by that which draws.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.clock = clock
        self._began = clock()
        self._points: deque[tuple[float, int, int]] = deque()  # time, answered, tokens
        self._lock = Lock()

    def take(self, event: Event) -> None:
        """Measure by one more event."""
        with self._lock:
            now, points = self.clock(), self._points
            if event.state in ("begins", "on file"):
                self._began = now
                points.clear()
                return
            point = now, event.done - event.recalled, event.tokens
            if not point[1]:  # it is being asked only now
                points.clear()
            elif len(points) > 1 and now - points[-2][0] < GRAIN:
                points.pop()
            points.append(point)
            while len(points) > LEAST and points[1][0] < now - WINDOW:
                points.popleft()

    def figures(self, event: Event) -> Figures:
        """What is known by now. An answer that is late by twice the usual time slows the rate."""
        token_rate = left = None
        with self._lock:
            now, began, points = self.clock(), self._began, list(self._points)
        if len(points) > 1:
            (start, first, few), (latest, last, many) = points[0], points[-1]
            waited, usual = now - latest, (latest - start) / (len(points) - 1)
            is_late = waited > 2 * usual
            seconds = (now if is_late else latest) - start
            if seconds >= SETTLED and last > first:
                token_rate = (many - few) / seconds
                left = (event.total - event.done) * seconds / (last - first) - (0 if is_late else waited)
        return Figures(now - began, token_rate or None, None if left is None else max(0.0, left))


class Lines:
    """Writes a line at the start and end of a stage, and whenever `tick` is called meanwhile."""

    def __init__(self, line: Callable[[Event, Figures], str], clock: Callable[[], float] = time.monotonic):
        self._line = line
        self._meter = Meter(clock)
        self._latest: Event | None = None
        self._lock = Lock()

    def tell(self, event: Event) -> None:
        """Take note of an event."""
        with self._lock:
            self._meter.take(event)
            self._latest = event
            if event.state != "goes on":
                self._write(event)

    def tick(self) -> None:
        """Write how far the stage is that is under way, if one is."""
        with self._lock:
            if self._latest is not None and self._latest.state in ("begins", "goes on"):
                self._write(self._latest)

    def _write(self, event: Event) -> None:
        print(self._line(event, self._meter.figures(event)), file=sys.stderr, flush=True)


class Bars:
    """Draws the stage that is under way, and leaves a line of each that ended."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic):
        self._console = console
        self._meter = Meter(clock)
        self._latest: Event | None = None
        self.live = Live(
            get_renderable=self.frame, console=console, refresh_per_second=FRAMES_A_SECOND, redirect_stdout=False
        )

    def tell(self, event: Event) -> None:
        """Take note of an event."""
        self._meter.take(event)
        self._latest = event
        if event.state in ("ends", "on file"):
            self._latest = None
            self.live.refresh()  # else its last frame is drawn once more, under its line
            self._console.print(Text(plain_line(event, self._meter.figures(event)), style="dim"))

    def frame(self) -> RenderableType:
        """What is drawn now."""
        event = self._latest
        if event is None:
            return Group()
        figures = self._meter.figures(event)
        lines: list[RenderableType] = [_head(event, figures, is_narrow=self._console.width < NARROW)]
        told = ["getting ready"] if event.state == "begins" else _told(event, figures)
        if told:
            lines.append(Text("  " + " · ".join(told)))
        for title, text in sample(event.row).items():
            lines.append(Text.assemble(f"  {title:<7} ", (text, "dim"), no_wrap=True, overflow="ellipsis"))
        return Group(*lines)


def plain_line(event: Event, figures: Figures) -> str:
    """A stage in one line."""
    match event.state:
        case "begins":
            told = ["begins"]
        case "on file":
            told = ["on file already"]
        case "goes on":
            told = [*_amount(event), *_told(event, figures), *_left(figures)]
        case "ends":
            tokens = [f"{event.tokens:,} tokens"] if event.tokens else []
            told = [f"{event.done:,} {event.unit}", *_rows(event), *tokens, *_cost(event), duration(figures.seconds)]
    return visible(f"{event.stage}: {', '.join(told)}")


def json_line(event: Event, figures: Figures) -> str:
    """All that is known of a stage, but for the row."""
    known = {key: value for key, value in asdict(event).items() if key != "row"}
    rounded = {key: value if value is None else round(value, 3) for key, value in asdict(figures).items()}
    return json.dumps({**known, **rounded})


def sample(row: Mapping[str, Any] | None) -> dict[str, str]:
    """A row in lines: what was asked last, and what came of it."""
    if row is None:
        return {}
    if row.get("steps"):
        came = {"revised": row["steps"][-1]["revision"]}
    elif "probability" in row:
        preferred = 0 if (row["probability"] or 0.0) >= 0.5 else 1
        came = {f"p {max(row['probability'] or 0.0, 1 - (row['probability'] or 0.0)):.2f}": row["responses"][preferred]}
    else:
        came = {"answer": row["responses"][0] if row.get("responses") else row.get("response", "")}
    texts = {"prompt": row["prompt"][-1]["content"], **came}
    return {title: " ".join(visible(text[:SAMPLED]).split()) for title, text in texts.items()}


def duration(seconds: float) -> str:
    """Seconds, as a clock has them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def dollars(cost: float) -> str:
    """US dollars; small sums to a hundredth of a cent."""
    return f"${cost:.4f}" if cost < 1 else f"${cost:,.2f}"


def _head(event: Event, figures: Figures, *, is_narrow: bool) -> Table:
    head = Table.grid(padding=(0, 1), expand=not is_narrow)
    for ratio in (None, None, None) if is_narrow else (None, 1, None, None):
        head.add_column(ratio=ratio, no_wrap=True, overflow="ellipsis")
    name = Text(visible(event.stage), style="bold")
    left = ", ".join(_left(figures)) or duration(figures.seconds)
    if is_narrow:
        share = f"{100 * event.done / event.total:.0f} %" if event.total else ""
        head.add_row(name, share, left)
    else:
        bar = ProgressBar(total=event.total or None, completed=event.done, pulse=not event.total)
        head.add_row(name, bar, ", ".join(_amount(event)), left)
    return head


def _amount(event: Event) -> list[str]:
    return [f"{event.done:,} of {event.total:,} {event.unit}"] if event.total else []


def _told(event: Event, figures: Figures) -> list[str]:
    told = _rows(event)
    if event.in_flight:
        told.append(f"{event.in_flight:,} in flight")
    if figures.tokens_per_second:
        told.append(f"{figures.tokens_per_second:,.0f} tokens/s")
    return [*told, *_cost(event), *(f"{name} {value:.3g}" for name, value in event.measures.items())]


def _rows(event: Event) -> list[str]:
    if event.rows is None or not event.ended:
        return []
    of = "" if event.ended == event.rows else f" of {event.rows:,}"
    return [f"{event.ended:,}{of} rows", *([f"{event.dropped:,} dropped"] if event.dropped else [])]


def _cost(event: Event) -> list[str]:
    if event.cost is None:
        return []
    return [dollars(event.cost)]


def _left(figures: Figures) -> list[str]:
    return [] if figures.seconds_left is None else [f"{duration(figures.seconds_left)} left"]


@contextmanager
def _every(seconds: float, tick: Callable[[], None]) -> Iterator[None]:
    """Call `tick` again and again from a thread of its own; once more where what is inside fails."""
    over = Flag()

    def again() -> None:
        while not over.wait(seconds):
            tick()

    thread = Thread(target=again, daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        tick()
        raise
    finally:
        over.set()
        thread.join()
