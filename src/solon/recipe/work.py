"""How one step of the paper is done in a run folder: skipped when it is complete, else asked or trained, and ended."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from solon import prompts
from solon.chains import Chain
from solon.constitution.schema import Constitution, Principle
from solon.errors import Stopped
from solon.models import load as models
from solon.models.base import Model, ModelSpec, Server
from solon.models.cluster import Cluster, Place, placed, shared
from solon.models.drivers import Ended, drive
from solon.models.openai import CONCURRENCY
from solon.models.spread import Load, identity, spread, told_by
from solon.prompts import FormName
from solon.recipe.inputs import Inputs, model_name
from solon.recipe.launching import launch
from solon.recipe.named_model import ModelOptions, NamedModel
from solon.recipe.price import Price, price_of
from solon.recipe.progress import Counted, Event, Progress
from solon.recipe.schema import Recipe
from solon.runs import Run, Stage

Row = Mapping[str, Any]


class Helper:
    """A model that a recipe names, loaded when it is first needed: in this process, or by the workers of a cluster."""

    def __init__(self, named: NamedModel, options: ModelOptions, cluster: Cluster | None = None):
        self.named = named.model_copy(update={"name": model_name(named.name)})
        self.options = options
        self.cluster = cluster
        self.is_server = models.is_server(self.named.name)

    @cached_property
    def model(self) -> Model | Server:
        """The model itself, in this process."""
        return models.load(self._spec)

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides what it answers. A folder is known by what is in it, not by where it lies."""
        folder = Path(self.named.spec().name)
        known = {key: value for key, value in self._told.items() if key != "name" or not folder.is_dir()}
        return known if self.is_server else {**known, "group": self.options.group}

    def drive(
        self, rows: Iterable[Row], make: Callable[[Row], Chain[Any]], *, counted: Counted, ended: Ended[Any]
    ) -> None:
        """Drive the chain that `make` makes of each row; `ended` takes what each ends with, by the id of its row."""
        if self._place is None:
            chains = ((row["id"], counted.to_its_end(row["id"], make(row))) for row in rows)
            drive(chains, self.model, journal=counted, group=self.options.group, ended=ended)
            return
        group = None if self.is_server else self.options.group
        place, load = self._place

        def noted(row: str, made: Any) -> None:
            counted.note(row, made)
            ended(row, made)

        spread(
            rows,
            make,
            place=place,
            load=load,
            identity=self._told,
            group=group,
            journal=counted,
            ended=noted,
        )

    @cached_property
    def under_way(self) -> Callable[[], int] | None:
        """How many questions a server has, where that can be known."""
        if self._place is not None:
            return lambda: 0  # the workers know
        model = self.model
        return (lambda: model.width.under_way) if isinstance(model, Server) else None

    @cached_property
    def _told(self) -> dict[str, Any]:
        if self._place is None or self.is_server:
            return told_by(self.model)
        return identity(*self._place)

    @cached_property
    def _place(self) -> tuple[Place, Load] | None:
        """Where workers have their models, and how they load them."""
        if self.cluster is None:
            return None
        spec = self._spec
        if not self.is_server:
            return placed(self.cluster, cpus=spec.options.get("threads", 1), loads=True), partial(models.load, spec)
        concurrency = spec.options.get("concurrency", CONCURRENCY)
        place = shared(placed(self.cluster, cpus=1, loads=False), concurrency=concurrency)
        share = {**spec.options, "concurrency": concurrency // place.workers}
        return place, partial(models.load, replace(spec, options=share))

    @property
    def _spec(self) -> ModelSpec:
        spec = self.named.spec(self.options)
        is_here = self.cluster is not None and Path(spec.name).is_dir()
        return replace(spec, name=str(Path(spec.name).resolve())) if is_here else spec

    @property
    def price(self) -> Price | None:
        """What it costs, where the recipe says so."""
        return price_of(self.named.name, self.options.price)


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
    """Makes the rows that are sealed of what the chains end with: called with that of one row after another."""
    at_once: bool = False
    """Whether `finish` is called with all of it, for which all is held in memory."""
    summary: Callable[[Sequence[Any]], Mapping[str, Any]] = lambda rows: {}
    """What to say of the rows beside their counts. They are read as they are needed."""


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
    cluster: Cluster | None = None
    """Where models are asked; None asks them in this process."""
    launcher: str | None = None
    """What starts the processes that train; None trains in this one."""

    def ask(self, name: str, asking: Asking, *, model: NamedModel) -> Sequence[Any]:
        """Do a stage that asks `model`, by the name of its folder, and return its rows."""
        helper = self.servers.get(model) or Helper(model, self.recipe.models, self.cluster)
        return ask(self.run, name, asking, helper=helper, progress=self.progress, budget=self.budget)

    def train(self, name: str, training: partial[dict[str, Any]], *, settings: dict[str, Any]) -> Path:
        """Do a stage that trains, and return the folder of its model."""
        if self.launcher is not None:
            training = partial(launch, training, launcher=self.launcher)
        return train(self.run, name, settings, training, progress=self.progress, budget=self.budget)

    def weights(self, model: str | Path) -> str:
        """What a model that is trained on is known by."""
        return weights(model)


def ask(
    run: Run, name: str, asking: Asking, *, helper: Helper, progress: Progress, budget: Budget = UNBOUNDED
) -> Sequence[Any]:
    """Do a stage that asks, and return its rows, which are read as they are needed, a file at a time.

    Rows that were dropped before it go no further than the first.
    """
    most = [asking.questions(row) for row in _taken(asking)]
    identity = _identity_on_file(run.path / name)
    if identity is None:
        progress(Event(name, "begins", total=sum(most), rows=len(most)))
        identity = helper.identity
    config = with_form(asking.config, identity["form"])
    form: FormName = getattr(config, "form", "chat")
    settings = {
        **asking.settings,
        "config": asdict(config),
        "prompts": prompts.digest(form),
        "model": identity,
        "input": digest(_taken(asking)),
    }
    stage = run.stage(name, settings)
    if stage.complete:
        progress(Event(name, "on file"))
        return stage.read()
    counted = Counted(
        name,
        stage.journal,
        rows=len(most),
        total=sum(most),
        price=helper.price,
        progress=progress,
        unless_spent=lambda: budget.unless_spent(run),
        under_way=helper.under_way,
    )
    make = partial(asking.chain, config=config)
    sealing = stage.sealing(row_type=asking.row_type, of=asking.of)

    def begun() -> Iterator[Row]:
        for row, questions in zip(_taken(asking), most, strict=True):
            counted.begin(row["id"], questions)
            sealing.begin(row["id"])
            yield row

    if asking.at_once:
        ended: dict[str, Any] = {}
        helper.drive(begun(), make, counted=counted, ended=ended.__setitem__)
        rows = list(_taken(asking))
        seal(stage, asking, rows=rows, ended=asking.finish([ended.pop(row["id"]) for row in rows]))
    else:
        helper.drive(begun(), make, counted=counted, ended=lambda row, made: sealing.take(row, asking.finish([made])))
        stage.end(sealing, asking.summary)
    progress(counted.event("ends"))
    return stage.read()


def seal(stage: Stage, asking: Asking, *, rows: Sequence[Row], ended: list[Any]) -> None:
    """End a stage with what was made of `rows`, all at once."""
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


def _taken(asking: Asking) -> Iterator[Row]:
    """Of the rows of a stage those that it takes."""
    return (row for row in asking.rows if asking.first or row["drop_reason"] is None)


def _identity_on_file(folder: Path) -> Any:
    """The model of a complete stage, which need not be loaded again: nothing more will be asked of it."""
    if not (folder / "summary.json").exists() or not (folder / "stage.json").exists():
        return None
    return json.loads((folder / "stage.json").read_text()).get("model")
