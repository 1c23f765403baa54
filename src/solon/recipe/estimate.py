"""What a run would take: the run itself, gone through with a few rows in a folder that is thrown away.

Prompts are those that the stages make of these rows. Their answers are words of no meaning, each as long as it may be,
so that tokens are the most there can be; or those of the models, where these are asked. Nothing is trained: the model
that is to be trained stands in for what it becomes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from solon.chains import Chain, Choice, Choose, Completion, Reply, Request
from solon.constitution import load as constitutions
from solon.errors import ModelError
from solon.models.base import Server
from solon.models.counting import Counter, counter_of
from solon.models.drivers import Answered, Heard, drive
from solon.recipe import auditing, paper
from solon.recipe.inputs import Inputs
from solon.recipe.named_model import NamedModel
from solon.recipe.progress import unheard
from solon.recipe.schema import Recipe, settled
from solon.recipe.work import Asking, Helper, Row, Table, with_form
from solon.runs import open_run, read_rows
from solon.stages.comparisons import source_of
from solon.stages.finetune import FinetuneConfig, texts
from solon.stages.preference_model import PreferenceModelConfig

FEW = 10
"""Rows of each kind that are gone through."""
AUDIT, EVALUATE = "00-audit", "07-evaluate"
NOWHERE = "nowhere"
"""In place of the name of prompts: what is answered to them here needs no judge."""


@dataclass(frozen=True)
class Amount:
    """Of tokens, and what they cost in US dollars; None where no price is known."""

    prompt_tokens: int
    completion_tokens: int
    cost: float | None


@dataclass(frozen=True)
class Estimate:
    """What a stage would take."""

    stage: str
    rows: int
    questions: int | None = None
    """The most there can be; None of a stage that trains."""
    steps: int | None = None
    """Of a stage that trains, the most there can be."""
    most: Amount | None = None
    """If every answer is as long as it may be; prompts are as long as those that were gone through."""
    likely: Amount | None = None
    """If all answers are as those that were asked for."""
    seconds: float | None = None
    """At the pace of those; more at once are answered faster."""
    counted_by: str | None = None
    """What counted the tokens of prompts."""


def estimates(
    recipe: Recipe,
    inputs: Inputs,
    *,
    last: str,
    out: Path,
    servers: Mapping[NamedModel, Helper],
    asks: int | None = None,
) -> list[Estimate]:
    """Estimate the stages up to `last` that are not complete in `out`.

    With `asks` the models are asked about so many prompts of each kind.

    Raises:
        UsageError: a model cannot be loaded.
        ModelError: a model cannot answer.
    """
    through = partial(_gone_through, recipe, inputs, last=last, out=out, servers=servers)
    found = through(few=FEW, is_asked=False)
    if asks is None:
        return found
    heard = through(few=asks, is_asked=True)
    told = {each.stage: each for each in heard}
    return [
        replace(each, likely=told[each.stage].most, seconds=told[each.stage].seconds) if each.stage in told else each
        for each in found
    ]


def _gone_through(
    recipe: Recipe,
    inputs: Inputs,
    *,
    last: str,
    out: Path,
    servers: Mapping[NamedModel, Helper],
    few: int,
    is_asked: bool,
) -> list[Estimate]:
    recipe = settled(recipe).model_copy(update={"eval_prompts": recipe.eval_prompts and NOWHERE})
    if not is_asked:
        flaws = replace(
            recipe.critique.flaws, cut="keep", copied_critique="keep", copied_exemplar="keep", scaffold="keep"
        )
        recipe = recipe.model_copy(update={"critique": replace(recipe.critique, flaws=flaws)})
    some, weights = _first(inputs, few)
    with TemporaryDirectory() as folder, open_run(Path(folder) / "run", files={}) as run:
        table = _Rehearsal(
            recipe,
            constitutions.load(recipe.constitution),
            some,
            run,
            unheard,
            servers=servers,
            out=out,
            weights_of=weights,
            is_asked=is_asked,
        )
        if not is_asked:
            table.audit()
        without = replace(table, recipe=recipe.model_copy(update={"audit": replace(recipe.audit, require=False)}))
        for done in paper.in_order(without):
            if done == last:
                break
    return table.found


def _first(inputs: Inputs, few: int) -> tuple[Inputs, dict[str, float]]:
    """The first so many prompts of each kind that can be used, and for how many each of them stands."""
    usable = [row for row in inputs.prompts if row["drop_reason"] is None]
    kinds = {kind: [row for row in usable if row["kind"] == kind] for kind in ("red-team", "helpful")}
    kinds[EVALUATE] = [row for row in inputs.eval_prompts if row["drop_reason"] is None]
    weights = {kind: len(rows) / min(few, len(rows)) for kind, rows in kinds.items() if rows}
    prompts = [row for kind in ("red-team", "helpful") for row in kinds[kind][:few]]
    return Inputs(prompts, kinds[EVALUATE][:few], inputs.human_comparisons), weights


@dataclass(frozen=True)
class _Rehearsal(Table):
    """A table at which nothing is kept and nothing trained; what each stage would take is put down.

    It is a `Table` by inheritance, against our habit, so that the paper is gone through by the code that does it.
    """

    out: Path = Path()
    """The run folder, where stages may be complete."""
    weights_of: Mapping[str, float] = field(default_factory=dict)
    """For how many prompts each stands, by their kind."""
    is_asked: bool = False
    found: list[Estimate] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=partial(count, 1))
    """Of the replies that mean nothing, so that no two are alike."""
    counters: dict[NamedModel, Counter] = field(default_factory=dict)
    helpers: dict[NamedModel, Helper] = field(default_factory=dict)

    def audit(self) -> None:
        """Go through the audit, if the recipe asks for one; that words of no meaning fail it says nothing."""
        with suppress(ModelError):
            auditing.require(self)

    def ask(self, name: str, asking: Asking, *, model: NamedModel) -> list[Any]:
        """Go through a stage that asks."""
        rows = [row for row in asking.rows if asking.first or row["drop_reason"] is None]
        if self._is_complete(name):
            ids = {row["id"] for row in rows}
            return [row for row in read_rows(self.out / name) if row[asking.of] in ids]
        helper = self.servers.get(model) or self.helpers.setdefault(model, Helper(model, self.recipe.models))
        counter = self.counters.get(model) or self.counters.setdefault(model, _counter(helper))
        config = with_form(asking.config, counter.form)
        chains = [(row["id"], asking.chain(row, config=config)) for row in rows]
        if self.is_asked:
            heard = Heard()
            asked_of, start = helper.model, perf_counter()
            ended = drive(chains, asked_of, journal=heard)
            answered, pace = heard.all, (perf_counter() - start) / max(1, len(heard.all))
        else:
            answered, pace = [], None
            ended = {id: _by_hand(id, chain, answered, numbers=self.numbers) for id, chain in chains}
        weights = {row["id"]: self._weight(name, row) for row in rows}
        amount, counted_by = _amount(answered, weights, counter=counter, helper=helper)
        self.found.append(
            Estimate(
                name,
                rows=round(sum(weights.values())),
                questions=round(sum(asking.questions(row) * weights[row["id"]] for row in rows)),
                most=amount,
                seconds=None if pace is None else pace * sum(weights[each.row] for each in answered),
                counted_by=counted_by,
            )
        )
        return asking.finish([ended[row["id"]] for row in rows])

    def train(self, name: str, training: partial[dict[str, Any]], *, settings: dict[str, Any]) -> Path:
        """Put down the steps of a training; the model that it begins with stands in for the one that it makes."""
        rows, config, begins_with = training.args[0], training.keywords["config"], training.keywords
        if not self._is_complete(name):
            self.found.append(self._steps(name, rows, config))
        return Path(begins_with.get("policy") or begins_with["model"])

    def weights(self, model: str | Path) -> str:
        """Nothing: to read all weights takes long, and nothing is kept."""
        return ""

    def _is_complete(self, name: str) -> bool:
        return (self.out / name / "summary.json").exists()

    def _weight(self, name: str, row: Row) -> float:
        """For how many rows this one stands."""
        if name.startswith(AUDIT) or row.get("source") == "human":
            return 1.0
        return self.weights_of[EVALUATE if name.startswith(EVALUATE) else row["kind"]]

    def _steps(self, name: str, rows: Sequence[Any], config: Any) -> Estimate:
        usable = [(row, self._weight(name, row)) for row in rows if row["drop_reason"] is None]
        if isinstance(config, FinetuneConfig):
            told = {"red-team": 0.0, "helpful": 0.0}
            for row, weight in usable:
                told[row["kind"]] += weight * len(texts(row, revisions=config.revisions, upto=config.upto))
            helpful = told["helpful"]
            if config.helpful_ratio is not None and told["red-team"]:
                helpful = min(helpful, config.helpful_ratio * told["red-team"])
            learned = round(told["red-team"] + helpful)
            return Estimate(name, learned, steps=config.epochs * ceil(learned / config.batch_size))
        if isinstance(config, PreferenceModelConfig):
            human = sum(weight for row, weight in usable if source_of(row) == "human")
            labelled = sum(weight for _, weight in usable) - human
            if config.human_ratio is not None and labelled:
                human = min(human, config.human_ratio * labelled)
            learned = round((labelled + human) * (1 - config.held_out))
            steps = config.num_models * config.epochs * ceil(learned / config.batch_size)
            return Estimate(name, learned, steps=steps)
        return Estimate(name, round(sum(weight for _, weight in usable)), steps=config.steps)


def _counter(helper: Helper) -> Counter:
    server = helper.model if helper.is_server else None
    return counter_of(helper.named.spec(), server=server if isinstance(server, Server) else None)


def _by_hand(id: str, chain: Chain[Any], answered: list[Answered], *, numbers: Iterator[int]) -> Any:
    """What a chain ends with whose questions are answered by words of no meaning."""
    replies: Any = None
    while True:
        try:
            asked = chain.send(replies)
        except StopIteration as end:
            return end.value
        questions = asked if isinstance(asked, tuple) else (asked,)
        several = tuple(_words(question, number) for question, number in zip(questions, numbers, strict=False))
        answered += [Answered(id, 0, *each) for each in zip(questions, several, strict=True)]
        replies = several if isinstance(asked, tuple) else several[0]


def _words(request: Request, number: int) -> Reply:
    """As many as there may be, no two replies alike."""
    if isinstance(request, Choose):
        return Choice((0.6, 0.4), mass=1.0)
    most = request.sampling.max_tokens
    is_vote = ")" in request.sampling.stop
    return Completion("A" if is_vote else f"{number}:" + " the" * most, tokens=most)


def _amount(
    answered: Sequence[Answered], weights: dict[str, float], *, counter: Counter, helper: Helper
) -> tuple[Amount, str]:
    counts, counted_by = counter.count([each.request for each in answered]) if answered else ([], "")
    read = written = 0.0
    for each, tokens in zip(answered, counts, strict=True):
        reply, weight = each.reply, weights[each.row]
        told = reply.prompt_tokens if isinstance(reply, Completion | Choice) else 0
        read += weight * (told or tokens)
        written += weight * (reply.tokens if isinstance(reply, Completion) else 0)
    price = helper.price
    cost = None if price is None else price.of(round(read), round(written))
    return Amount(round(read), round(written), cost), counted_by
