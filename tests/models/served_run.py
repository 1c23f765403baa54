"""A run whose models are all behind one server, up to its labels; what is trained in between is a stub."""

from pathlib import Path
from unittest.mock import patch

from solon.recipe import apply_settings, load, run

SETTINGS = [
    "num_prompts=8",
    "helpful_prompts=null",
    "eval_prompts=null",
    "base_model=sandbox",
    "critique.num_revisions=1",
    "label.both_orders=false",
    "models.concurrency=4",
]


def recipe_of(name: str, *settings: str):
    models = [f"{key}_model={name}" for key in ("helpful", "pairs", "feedback")]
    return apply_settings(load("demo"), [*SETTINGS, *models, *settings])


def play(name: str, out: Path, *settings: str, until: str = "label", **given) -> None:
    """Do the run, or go on with it: what one command does."""

    def finetune(rows, *, out, **more):
        (out / "model").mkdir()
        return {"steps": 1}

    with patch("solon.recipe.paper.finetune", finetune):
        run(recipe_of(name, *settings), out=out, until=until, **given)
