"""Pairs of responses and their labels (section 4.1): who answers, who compares, and by which constitutions.

One model is asked as in any stage. Of several each has a stage of its own within the folder, e.g.
`04-label/1-Qwen3-8B`, and what came of them is put together in `04-label`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from solon.chains import Chain
from solon.constitution import load as constitutions
from solon.constitution.schema import Constitution
from solon.errors import UsageError
from solon.recipe.named_model import NamedModel, named
from solon.recipe.schema import SL_CAI, Recipe, copies_of
from solon.recipe.work import Asking, Table, digest, seal, told_of
from solon.records import Comparison, Pair, Response, Revision
from solon.stages import ensemble, flaws
from solon.stages.label import LabelConfig, label, num_questions, pooled
from solon.stages.pairs import PairsConfig, all_pairs, sample_numbered, sample_pairs, with_revision


@dataclass(frozen=True)
class Judges:
    """The constitutions by which responses are compared."""

    of: Mapping[str, Sequence[Constitution]]
    """By the kind of the prompt."""

    @property
    def each(self) -> list[Constitution]:
        """All of them, each once."""
        return list({judge.name: judge for judges in self.of.values() for judge in judges}.values())


def judges_of(recipe: Recipe, constitution: Constitution) -> Judges:
    """Load the constitutions by which responses are compared, where they are not the run's own.

    Raises:
        UsageError: one cannot be loaded, or two have one name, by which rows tell them apart.
    """
    known = {
        name: constitution if name == recipe.constitution else constitutions.load(name) for name in copies_of(recipe)
    }
    titles = [each.name for each in known.values()]
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise UsageError(f"{' and '.join(known)}: two of these constitutions have the name {twice[0]}; change one")
    usual = recipe.feedback_constitution or (recipe.constitution,)
    kinds = {"red-team": usual, "helpful": recipe.helpful_constitution or usual}
    return Judges({kind: [known[name] for name in names] for kind, names in kinds.items()})


def unless_comparable(recipe: Recipe) -> None:
    """Say at once that a recipe's settings for pairs and labels do not go together.

    Raises:
        UsageError: which, and what to do.
    """
    models, wanted = recipe.pairs_model or (), recipe.pairs.num_responses
    if len(models) not in (0, 1, wanted):
        raise UsageError(
            f"pairs_model has {len(models)} names for {wanted} responses; give one, or one for each response"
        )
    judges = recipe.feedback_model or ()
    names = list(map(str, judges))
    if len(set(names)) < len(names):
        raise UsageError(
            f"feedback_model has a name twice, {', '.join(names)}, whose word would count twice; remove it"
        )
    if recipe.label.num_reasonings > 1 and not recipe.label.chain_of_thought:
        raise UsageError("label.num_reasonings needs label.chain_of_thought: true; set it, or leave num_reasonings out")


def pair_up(table: Table, revisions: Sequence[Revision], *, sl_cai: Path) -> Sequence[Pair]:
    """Do 03-pairs, and return its rows."""
    config = table.recipe.pairs
    rows: list[Any] = [row for row in table.inputs.prompts if row["drop_reason"] is None]
    if config.source == "revisions":
        revised = [row for row in revisions if row["kind"] == "red-team" and row["drop_reason"] is None]
        rows = [*revised, *(row for row in rows if row["kind"] == "helpful")]
    asking = Asking(
        rows=rows,
        chain=_pairs,
        config=config,
        questions=lambda row: 0 if "steps" in row else config.num_responses,
        row_type=Pair,
        of="prompt_id",
        finish=lambda found: [pair for pairs in found for pair in pairs],
    )
    given = table.recipe.pairs_model or (named(SL_CAI),)
    names = list(map(str, given))
    models = [it.model_copy(update={"name": str(sl_cai)}) if it.name == SL_CAI else it for it in given]
    if len(models) == 1:
        return table.ask("03-pairs", asking, model=models[0])

    sampling = [
        Asking(
            rows=[row for row in rows if "steps" not in row],
            chain=partial(sample_numbered, number=number, model=name),
            config=config,
            questions=lambda row: 1,
            row_type=Response,
        )
        for number, name in enumerate(names, 1)
    ]

    def together(found: Sequence[Sequence[Response]]) -> list[Pair]:
        responses = {same[0]["id"]: same for same in zip(*found, strict=True)}
        return asking.finish(
            [
                [with_revision(row, config=config)]
                if "steps" in row
                else all_pairs(row, responses[row["id"]], config=config)
                for row in rows
            ]
        )

    parts = dict(zip(folders(names), sampling, strict=True))
    return _of_several(table, "03-pairs", asking, parts=parts, models=models, together=together)


def label_pairs(table: Table, pairs: Sequence[Pair]) -> Sequence[Comparison]:
    """Do 04-label, and return its rows."""
    recipe, config = table.recipe, table.recipe.label
    judges = judges_of(recipe, table.constitution)
    kept = ensemble.best_and_worst if config.keep == "best-worst" else list
    asking = Asking(
        rows=pairs,
        chain=partial(label_by, judges=judges),
        config=config,
        questions=lambda pair: num_questions(judges.of[pair["kind"]], config),
        row_type=Comparison,
        settings={
            "judges": {kind: [each.name for each in of] for kind, of in judges.of.items()},
            "constitutions": {each.name: told_of(each, each.for_comparison) for each in judges.each},
        },
        summary=lambda rows: {
            "states": ensemble.states(rows),
            "doubt": ensemble.doubt(rows),
            "flaws": flaws.counted(rows, recipe.critique.flaws),
        },
    )
    models = recipe.feedback_model or (recipe.helpful_model,)
    names = list(map(str, models))
    if len(models) == 1:
        asking = replace(asking, finish=kept, at_once=config.keep == "best-worst")
        return table.ask("04-label", asking, model=models[0])
    to_label = [pair for pair in pairs if pair["drop_reason"] is None]
    asking = replace(asking, rows=to_label)

    def together(found: Sequence[Sequence[Comparison]]) -> list[Comparison]:
        return kept(pooled(to_label, dict(zip(names, found, strict=True)), config=config))

    parts = dict.fromkeys(folders(names), asking)
    return _of_several(table, "04-label", asking, parts=parts, models=models, together=together)


def label_by(pair: Pair, *, judges: Judges, config: LabelConfig) -> Chain[Comparison]:
    """Label a pair by the constitutions for its kind of prompt."""
    return label(pair, constitutions=judges.of[pair["kind"]], config=config)


def _of_several(
    table: Table,
    name: str,
    asking: Asking,
    *,
    parts: Mapping[str, Asking],
    models: Sequence[NamedModel],
    together: Callable[[list[Any]], list[Any]],
) -> Sequence[Any]:
    """Do a stage in parts, each by a model of its own, and put them together."""
    settings = {**asking.settings, "config": asdict(asking.config), "parts": list(parts), "input": digest(asking.rows)}
    stage = table.run.stage(name, settings)
    found = [
        table.ask(f"{name}/{part}", of_part, model=model)
        for (part, of_part), model in zip(parts.items(), models, strict=True)
    ]
    if not stage.complete:
        seal(stage, asking, rows=asking.rows, ended=together(found))
    return stage.read()


def _pairs(row: Any, *, config: PairsConfig) -> Chain[list[Pair]]:
    """A row of 01-critique has a revision to be compared; a prompt is answered."""
    if "steps" in row:
        return [with_revision(row, config=config)]
    return (yield from sample_pairs(row, config=config))


def folders(names: Sequence[str]) -> list[str]:
    """A folder for each model."""
    slugs = [re.sub(r"[^\w.-]+", "-", Path(name).name)[-40:] for name in names]
    return [f"{number}-{slug}" for number, slug in enumerate(slugs, 1)]
