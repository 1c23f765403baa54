"""How far a stage is: what it reports as it goes, to whoever called the run, and what counts that."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from solon.chains import Chain, Choice, Completion, Reply, Request
from solon.models.drivers import Answered, Journal
from solon.recipe.price import Price


@dataclass(frozen=True, slots=True)
class Event:
    """A stage, as it begins, goes on and ends. What is not known of it is None."""

    stage: str
    """The name of its folder."""
    state: Literal["begins", "goes on", "ends", "on file"]
    """ "on file": it was complete already, and nothing was done."""
    unit: Literal["questions", "steps"] = "questions"
    done: int = 0
    """Questions answered or steps trained, those of earlier calls too."""
    total: int = 0
    """The most there can be; a row that ends early asks fewer, which are taken off."""
    recalled: int = 0
    """Of those done, what was on file as this call began."""
    rows: int | None = None
    ended: int = 0
    """Rows that came to their end."""
    dropped: int = 0
    """Of those that ended, the ones of which nothing can be used."""
    in_flight: int = 0
    """Questions that are asked and not answered; of a server those that it has."""
    tokens: int = 0
    """Sampled in this call."""
    prompt_tokens: int = 0
    """Read in this call, where a server counts that."""
    cost: float | None = None
    """US dollars of this call, by the prices that the recipe gives."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """Of the latest step that is known, e.g. the loss."""
    row: Any = None
    """The latest row that ended, to be looked at."""


Progress = Callable[[Event], None]


def unheard(event: Event) -> None:
    """Tell nobody."""


class Counted:
    """A journal that counts what passes, says how far its stage is, and stops where no more may be asked.

    `total` is the most questions that all `rows` ask. `under_way` says how many a server has; without it all that are
    asked and not answered count.
    """

    def __init__(
        self,
        stage: str,
        journal: Journal,
        *,
        rows: int,
        total: int,
        price: Price | None = None,
        progress: Progress = unheard,
        unless_spent: Callable[[], None] = lambda: None,
        under_way: Callable[[], int] | None = None,
    ):
        self.stage = stage
        self.journal = journal
        self.rows = rows
        self.price = price
        self.progress = progress
        self.unless_spent = unless_spent
        self.under_way = under_way
        self._total = total
        self._done = self._recalled = self._open = 0
        self._tokens = self._prompt_tokens = 0
        self._ended = self._dropped = 0
        self._most: dict[str, int] = {}
        """Questions of each row that has begun and not ended."""
        self._answered = Counter[str]()
        """Of these."""
        self._row: Any = None

    def recall(self, row: str, turn: int, request: Request) -> Reply | None:
        """Return the reply on file, if any; Stopped where none is, and no more may be asked."""
        reply = self.journal.recall(row, turn, request)
        if reply is not None:
            self._answered[row] += 1
            self._done += 1
            self._recalled += 1
            self._tell()
            return reply
        self.unless_spent()
        self._open += 1
        self._tell()
        return None

    def keep(self, batch: Sequence[Answered]) -> None:
        """Put replies on file; Stopped where no more may be asked then."""
        self.journal.keep(batch)
        self._done += len(batch)
        self._open -= len(batch)
        for answered in batch:
            self._answered[answered.row] += 1
            reply = answered.reply
            if isinstance(reply, Completion):
                self._tokens += reply.tokens
                self._prompt_tokens += reply.prompt_tokens
            elif isinstance(reply, Choice):
                self._prompt_tokens += reply.prompt_tokens
        if batch:
            self._tell()
        self.unless_spent()

    def begin(self, row: str, most: int) -> None:
        """A row begins, which asks so many questions at most."""
        self._most[row] = most

    def to_its_end(self, row: str, chain: Chain[Any]) -> Chain[Any]:
        """The chain of a row, whose end is noted."""
        ended = yield from chain
        self.note(row, ended)
        return ended

    def note(self, row: str, ended: Any) -> None:
        """What a row ended with, all of whose replies passed here."""
        made = ended if isinstance(ended, list) else [ended]
        is_dropped = all(each["drop_reason"] is not None for each in made)
        self._total -= self._most.pop(row) - self._answered.pop(row, 0)
        self._ended += 1
        self._dropped += is_dropped
        if not is_dropped:
            self._row = next(each for each in made if each["drop_reason"] is None)

    def event(self, state: Literal["begins", "goes on", "ends"]) -> Event:
        """What is known by now."""
        cost = None
        if self.price is not None and (self._tokens or self._prompt_tokens or self._done == self._recalled):
            cost = self.price.of(self._prompt_tokens, self._tokens)  # a server may count no tokens
        return Event(
            self.stage,
            state,
            done=self._done,
            total=self._total,
            recalled=self._recalled,
            rows=self.rows,
            ended=self._ended,
            dropped=self._dropped,
            in_flight=self._open if self.under_way is None else self.under_way(),
            tokens=self._tokens,
            prompt_tokens=self._prompt_tokens,
            cost=cost,
            row=self._row,
        )

    def _tell(self) -> None:
        self.progress(self.event("goes on"))
