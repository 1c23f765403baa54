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
from solon.chains import Chain
from solon.constitution.schema import Constitution, Principle
from solon.errors import Stopped
from solon.models import load as models
from solon.models.base import Model, Server
from solon.models.drivers import drive
from solon.prompts import FormName
from solon.recipe.inputs import Inputs
from solon.recipe.price import Price, price_of
from solon.recipe.progress import Counted, Event, Progress
from solon.recipe.schema import ModelOptions, Recipe
from solon.runs import Run, Stage

Row = Mapping[str, Any]


class Helper:
    """A model by its name, loaded when it is first needed."""

    def __init__(self, name: str, options: ModelOptions):
        self.name = name
        self.options = options

    @cached_property
    def model(self) -> Model | Server:
        """The model itself."""
        spec = models.parse(self.name)
        given = {key: getattr(self.options, key) for key in models.OPTIONS[spec.backend]}
        return models.load(replace(spec, options={key: value for key, value in given.items() if value is not None}))

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides what it answers. A folder is known by what is in it, not by where it lies."""
        identity = self.model.identity
        known = {key: value for key, value in identity.items() if key != "name" or not Path(self.name).is_dir()}
        return {**known, "form": self.model.form}

    @property
    def price(self) -> Price | None:
        """What it costs, where the recipe says so."""
        return price_of(self.name, self.options.price)


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
    servers: Mapping[str, Helper] = field(default_factory=dict)
    """Those that were asked already what they can do, by the names of their models."""

    def ask(self, name: str, asking: Asking, *, model: str) -> list[Any]:
        """Do a stage that asks `model`, by the name of its folder, and return its rows."""
        helper = self.servers.get(model) or Helper(model, self.recipe.models)
        return ask(self.run, name, asking, helper=helper, progress=self.progress, budget=self.budget)

    def train(self, name: str, training: Callable[..., dict[str, Any]], *, settings: dict[str, Any]) -> Path:
        """Do a stage that trains, and return the folder of its model."""
        return train(self.run, name, settings, training, progress=self.progress, budget=self.budget)

    def weights(self, model: str | Path) -> str:
        """What a model that is trained on is known by."""
        return weights(model)


def ask(
    run: Run, name: str, asking: Asking, *, helper: Helper, progress: Progress, budget: Budget = UNBOUNDED
) -> list[Any]:
    """Do a stage that asks, and return its rows. Rows that were dropped before it go no further than the first."""
    rows = [row for row in asking.rows if asking.first or row["drop_reason"] is None]
    most = {row["id"]: asking.questions(row) for row in rows}
    identity = _identity_on_file(run.path / name)
    if identity is None:
        progress(Event(name, "begins", total=sum(most.values()), rows=len(rows)))
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
        progress(Event(name, "on file"))
        return stage.read()
    model = helper.model
    counted = Counted(
        name,
        stage.journal,
        most=most,
        price=helper.price,
        progress=progress,
        unless_spent=lambda: budget.unless_spent(run),
        under_way=(lambda: model.width.under_way) if isinstance(model, Server) else None,
    )
    chains = ((row["id"], counted.to_its_end(row["id"], asking.chain(row, config=config))) for row in rows)
    answered = drive(chains, model, journal=counted)
    ended = asking.finish([answered[row["id"]] for row in rows])
    seal(stage, asking, rows=rows, ended=ended)
    progress(counted.event("ends"))
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
        progress(Event(name, "on file"))
        return stage.folder / "model"
    told = Event(name, "begins", "steps")
    progress(told)

    def report(done: int, total: int, measures: Mapping[str, float]) -> None:
        nonlocal told
        stage.tick()
        told = Event(name, "goes on", "steps", done=done, total=total, measures=measures)
        progress(told)
        budget.unless_spent(run)

    stage.finish(training(out=stage.folder, progress=report))
    progress(replace(told, state="ends"))
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


def _identity_on_file(folder: Path) -> Any:
    """The model of a complete stage, which need not be loaded again: nothing more will be asked of it."""
    if not (folder / "summary.json").exists() or not (folder / "stage.json").exists():
        return None
    return json.loads((folder / "stage.json").read_text()).get("model")
