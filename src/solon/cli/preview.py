"""`solon preview`: what will be sent to the models, as they read it, and what they say, before anything is paid for."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from rich.console import Console
from rich.text import Text

from solon import recipe as recipes
from solon.chains import Chain, Choice, Completion, Failure, Generate, Reply, Request
from solon.cli import terminal
from solon.cli.running import Order, wanted
from solon.constitution import load as constitutions
from solon.models.base import Model, Server
from solon.models.drivers import Heard, drive
from solon.recipe import serving
from solon.records import Revision
from solon.report.text import visible
from solon.stages.critique import critique_and_revise
from solon.stages.finetune import FinetuneConfig, learned, texts
from solon.stages.pairs import with_revision

LEARNED = ("⟦", "⟧")
"""Around what the loss is on, where there are no colours."""


def preview(order: Order, *, n: int) -> None:
    """Ask about the first `n` prompts of each kind; print every question and answer, and what would be trained on."""
    recipe = recipes.settled(wanted(order))
    constitution = constitutions.load(recipe.constitution)
    prompts = recipes.read_inputs(recipe, limit=n).prompts
    console = terminal.console()

    helpful = recipes.Helper(recipe.helpful_model, recipe.models)
    config = recipes.with_form(recipe.critique, helpful.model.form)
    asked = partial(critique_and_revise, constitution=constitution, config=config)
    rows: list[Revision] = _ask([(prompt["id"], asked(prompt)) for prompt in prompts], helpful.model, console)

    del helpful  # whose memory the next may need

    pairs = [with_revision(row, config=recipe.pairs) for row in rows if row["drop_reason"] is None and row["steps"]]
    judges = recipes.judges_of(recipe, constitution)
    if pairs and all(judge.for_comparison for judge in judges.of["red-team"]):
        for name in recipe.feedback_model or (recipe.helpful_model,):
            feedback = recipes.Helper(name, recipe.models)
            told = recipes.with_form(recipe.label, feedback.model.form)
            console.rule(visible(f"Labels of {name}, here of each response beside its last revision"), align="left")
            judged = partial(recipes.label_by, judges=judges, config=told)
            _ask([(pair["id"], judged(pair)) for pair in pairs], feedback.model, console)

    base_model = recipe.base_model or recipe.helpful_model
    if serving.untrainable(base_model) is None:
        _show_learned(rows, recipes.trained_model(recipe), recipe.finetune, console)
    console.print("Nothing was written.")
    console.print(f"Next: {order.command}", markup=False)


def _show_learned(rows: Sequence[Revision], base_model: str, config: FinetuneConfig, console: Console) -> None:
    console.rule("Trained on: the loss is on what is marked", align="left")
    trained = [
        (row["prompt"], text) for row in rows for text in texts(row, revisions=config.revisions, upto=config.upto)
    ]
    for pieces in learned(trained, model=base_model):
        console.print(_marked(pieces, colour=terminal.has_colours(console)), soft_wrap=True)


def _ask(chains: Sequence[tuple[str, Chain[Any]]], model: Model | Server, console: Console) -> list[Any]:
    heard = Heard()
    rows = drive(chains, model, journal=heard)
    for id, _ in chains:
        for answered in sorted((each for each in heard.all if each.row == id), key=lambda each: each.turn):
            console.rule(visible(f"{id}, question {answered.turn + 1}"), align="left")
            console.print(Text(visible(model.rendered(answered.request)), style="dim"), soft_wrap=True)
            console.print(Text(visible(_said(answered.request, answered.reply)), style="bold"), soft_wrap=True)
        if (reason := rows[id]["drop_reason"]) is not None:
            console.print(Text(visible(f"Dropped: {reason}"), style="red"))
    return [rows[id] for id, _ in chains]


def _said(request: Request, reply: Reply) -> str:
    match reply:
        case Failure(reason):
            return f"→ cannot be asked: {reason}"
        case Choice(probabilities, mass):
            options = zip(request.options if not isinstance(request, Generate) else (), probabilities, strict=True)
            told = ", ".join(f"{option} {probability:.3f}" for option, probability in options)
            return f"→ {told} (together they have {mass:.3f})"
        case Completion():
            return f"→ {reply.text}" + (" … (cut)" if reply.finish_reason == "length" else "")


def _marked(pieces: Sequence[tuple[str, bool]], *, colour: bool) -> Text:
    """Text of a model's training, what it learns set off."""
    told = Text()
    for text, is_learned in pieces:
        before, after = LEARNED if is_learned and not colour else ("", "")
        told.append(f"{before}{visible(text)}{after}", style=("bold green" if is_learned else "dim") if colour else "")
    return told
