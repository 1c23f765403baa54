"""How one step of the paper is done in a run folder: skipped when it is complete, else asked or trained, and ended."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from solon import prompts
from solon.chains import Chain, Reply, Request
from solon.constitution.schema import Constitution, Principle
from solon.errors import Stopped
from solon.models import load as models
from solon.models.base import Model, Server
from solon.models.drivers import Answered, Journal, drive
from solon.prompts import FormName
from solon.recipe.inputs import Inputs, model_name
from solon.recipe.named_model import ModelOptions, NamedModel
from solon.recipe.schema import Recipe
from solon.runs import Run, Stage

Progress = Callable[[str, int, int], None]
"""Called with a stage's name and how much of how much is done; 0 as it begins, 0 of 0 where it was complete already."""
Row = Mapping[str, Any]


class Helper:
    """A model that a recipe names, loaded when it is first needed."""

    def __init__(self, named: NamedModel, options: ModelOptions):
        self.named = named.model_copy(update={"name": model_name(named.name)})
        self.options = options

    @cached_property
    def model(self) -> Model | Server:
        """The model itself."""
        return models.load(self.named.spec(self.options))

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides what it answers. A folder is known by what is in it, not by where it lies."""
        identity = self.model.identity
        folder = Path(self.named.spec().name)
        known = {key: value for key, value in identity.items() if key != "name" or not folder.is_dir()}
        return {**known, "form": self.model.form}


@dataclass(frozen=True)
class Budget:
    """What may be spent; a run that has spent it stops, and can be resumed."""

    tokens: int | None = None
    """Sampled, and read where a server counts that, by the whole run: also what is on file already."""
    seconds: float | None = None
    """From now on."""
    began: float = field(default_factory=time.monotonic)

    def unless_spent(self, run: Run) -> None:
        """Say so where it is.

        Raises:
            Stopped: with what to do.
        """
        if self.seconds is not None and time.monotonic() - self.began >= self.seconds:
            raise Stopped(f"The {self.seconds:g} seconds of --max-time are over.")
        if self.tokens is not None and run.tokens >= self.tokens:
            raise Stopped(
                f"The run has {run.tokens} tokens, and --max-tokens-total is {self.tokens}; a larger one goes on."
            )


UNBOUNDED = Budget()


@dataclass(frozen=True)
class Asking:
    """A stage that asks a model about each of `rows`."""

    rows: Sequence[Row]
    chain: Callable[..., Chain[Any]]
    """Called with a row, and `config`."""
    config: Any
    """Settings, whose `form`, if they have one and it is "auto", becomes that of the model."""
    questions: Callable[[Any], int]
    """How many a row asks at most; for the time left."""
    row_type: Any
    of: str = "id"
    """The column of what is made that has the id of its row; several rows may be made of one."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What else affects the rows."""
    first: bool = False
    """Whether rows that were dropped as they were read are counted here."""
    finish: Callable[[list[Any]], list[Any]] = list
    """What is done to what the chains end with; the rows that are sealed."""
    summary: Callable[[list[Any]], Mapping[str, Any]] = lambda rows: {}
    """What to say of the rows beside their counts."""


@dataclass(frozen=True)
class Table:
    """What lies on the table for every step."""

    recipe: Recipe
    constitution: Constitution
    inputs: Inputs
    run: Run
    progress: Progress
    budget: Budget = UNBOUNDED
    servers: Mapping[NamedModel, Helper] = field(default_factory=dict)
    """Those that were asked already what they can do."""

    def ask(self, name: str, asking: Asking, *, model: NamedModel) -> list[Any]:
        """Do a stage that asks `model`, by the name of its folder, and return its rows."""
        helper = self.servers.get(model) or Helper(model, self.recipe.models)
        return ask(self.run, name, asking, helper=helper, progress=self.progress, budget=self.budget)

    def train(self, name: str, training: Callable[..., dict[str, Any]], *, settings: dict[str, Any]) -> Path:
        """Do a stage that trains, and return the folder of its model."""
        return train(self.run, name, settings, training, progress=self.progress, budget=self.budget)


def ask(
    run: Run, name: str, asking: Asking, *, helper: Helper, progress: Progress, budget: Budget = UNBOUNDED
) -> list[Any]:
    """Do a stage that asks, and return its rows. Rows that were dropped before it go no further than the first."""
    rows = [row for row in asking.rows if asking.first or row["drop_reason"] is None]
    total = sum(map(asking.questions, rows))
    identity = _identity_on_file(run.path / name)
    if identity is None:
        progress(name, 0, total)
        identity = helper.identity
    config = with_form(asking.config, identity["form"])
    form: FormName = getattr(config, "form", "chat")
    settings = {
        **asking.settings,
        "config": asdict(config),
        "prompts": prompts.digest(form),
        "model": identity,
        "input": digest(rows),
    }
    stage = run.stage(name, settings)
    if stage.complete:
        progress(name, 0, 0)
        return stage.read()
    journal = _Counted(stage.journal, lambda done: progress(name, done, total), lambda: budget.unless_spent(run))
    chains = ((row["id"], asking.chain(row, config=config)) for row in rows)
    answered = drive(chains, helper.model, journal=journal)
    seal(stage, asking, rows=rows, ended=asking.finish([answered.pop(row["id"]) for row in rows]))
    progress(name, total, total)
    return stage.read()


def seal(stage: Stage, asking: Asking, *, rows: Sequence[Row], ended: list[Any]) -> None:
    """End a stage with what was made of `rows`."""
    ids = [row["id"] for row in rows]
    stage.seal(ended, row_type=asking.row_type, summary=asking.summary(ended), ids=ids, of=asking.of)


def with_form(config: Any, form: FormName) -> Any:
    """The settings with the form that a model is best asked in, where they leave it to that."""
    return replace(config, form=form) if getattr(config, "form", None) == "auto" else config


def train(
    run: Run,
    name: str,
    settings: Mapping[str, Any],
    training: Callable[..., dict[str, Any]],
    *,
    progress: Progress,
    budget: Budget = UNBOUNDED,
) -> Path:
    """Do a stage that trains, and return the folder of its model. `training` takes `out` and `progress`."""
    stage = run.stage(name, settings)
    if stage.complete:
        progress(name, 0, 0)
        return stage.folder / "model"
    progress(name, 0, 1)

    def report(done: int, total: int) -> None:
        stage.tick()
        progress(name, done, total)
        budget.unless_spent(run)

    stage.finish(training(out=stage.folder, progress=report))
    return stage.folder / "model"


def digest(rows: Iterable[Row]) -> str:
    """What rows are known by, in their order."""
    found = hashlib.sha256()
    for row in rows:
        found.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return found.hexdigest()


def weights(model: str | Path) -> str:
    """What a model that is trained on is known by: the digest of its weights, or its name where they are not here."""
    folder = Path(model)
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("member-*/model/*.safetensors")])
    if not files:
        return str(model)
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def told_of(constitution: Constitution, principles: Sequence[Principle]) -> dict[str, Any]:
    """What of a constitution affects a stage that uses these principles."""
    told = constitution.model_dump(mode="json", include={"hard_constraints", "exemplars"})
    return {**told, "principles": [principle.model_dump(mode="json") for principle in principles]}


class _Counted:
    """A journal that says how many questions are answered, and stops where no more may be."""

    def __init__(self, journal: Journal, report: Callable[[int], None], unless_spent: Callable[[], None]):
        self.journal = journal
        self.report = report
        self.unless_spent = unless_spent
        self.done = 0

    def recall(self, row: str, turn: int, request: Request) -> Reply | None:
        reply = self.journal.recall(row, turn, request)
        self._count(reply is not None)
        if reply is None:
            self.unless_spent()
        return reply

    def keep(self, batch: Sequence[Answered]) -> None:
        self.journal.keep(batch)
        self._count(len(batch))
        self.unless_spent()

    def _count(self, more: int) -> None:
        self.done += more
        if more:
            self.report(self.done)


def _identity_on_file(folder: Path) -> Any:
    """The model of a complete stage, which need not be loaded again: nothing more will be asked of it."""
    if not (folder / "summary.json").exists() or not (folder / "stage.json").exists():
        return None
    return json.loads((folder / "stage.json").read_text()).get("model")
