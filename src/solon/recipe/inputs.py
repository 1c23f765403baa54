"""What a recipe's names stand for: prompts, models, and the judge that knows the truth of the sandbox."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from solon.constitution.schema import Constitution
from solon.errors import UsageError
from solon.recipe.prompt_file import read_prompts
from solon.recipe.schema import SANDBOX, Recipe
from solon.records import Judge, Prompt

SANDBOX_PROMPTS: dict[str, int] = {"red-team": 1000, "helpful": 500, "evaluate": 1000}
"""How many prompts of the sandbox's, which has more, where the recipe does not say."""


@dataclass(frozen=True)
class Inputs:
    """The prompts of a run."""

    prompts: list[Prompt]
    """Red-team prompts, then helpful ones."""
    eval_prompts: list[Prompt]


def read_inputs(recipe: Recipe, *, limit: int | None = None) -> Inputs:
    """Read the prompts of a recipe, at most the first `limit` of each kind.

    Raises:
        UsageError: a file cannot be read, or a prompt's id stands twice.
    """
    red_team = _read(recipe.prompts, "red-team", n=recipe.num_prompts, seed=recipe.seed, limit=limit)
    helpful = _read(recipe.helpful_prompts, "helpful", n=recipe.num_helpful_prompts, seed=recipe.seed, limit=limit)
    evaluated = _read(recipe.eval_prompts, "evaluate", n=recipe.num_eval_prompts, seed=recipe.seed, limit=limit)
    if twice := sorted({prompt["id"] for prompt in red_team} & {prompt["id"] for prompt in helpful}):
        raise UsageError(
            f"the id '{twice[0]}' stands in both {recipe.prompts} and {recipe.helpful_prompts}; change one"
        )
    return Inputs([*red_team, *helpful], evaluated)


def model_name(name: str) -> str:
    """The name by which a model is loaded."""
    if name != SANDBOX:
        return name
    from solon import sandbox

    return str(sandbox.model_path())


def trainable(name: str) -> bool:
    """Whether a model has the chat template that training needs. Of one that is not in a folder here, yes."""
    folder = Path(model_name(name))
    if not (folder / "tokenizer_config.json").is_file() or (folder / "chat_template.jinja").exists():
        return True
    return bool(json.loads((folder / "tokenizer_config.json").read_text()).get("chat_template"))


def judge_of(*sources: str | None) -> Judge | None:
    """The judge of answers to prompts of all these sources, if any: the sandbox's oracle knows its own only."""
    if any(source not in (None, SANDBOX) for source in sources):
        return None
    from solon.sandbox.oracle import judge

    return judge


def not_understood(recipe: Recipe, constitution: Constitution) -> list[str]:
    """The requests, as "ID.FIELD", that the sandbox's model would be asked and has no words for."""
    fields = ["critique_request", "revision_request"] if recipe.helpful_model == SANDBOX else []
    fields += ["comparison_request"] if (recipe.feedback_model or recipe.helpful_model) == SANDBOX else []
    if not fields:
        return []
    from solon.sandbox.principles import read

    return [
        f"{principle.id}.{field}"
        for principle in constitution.principles
        for field in fields
        if (text := getattr(principle, field)) is not None and read(text) is None
    ]


def _read(
    source: str | None,
    use: Literal["red-team", "helpful", "evaluate"],
    *,
    n: int | None,
    seed: int,
    limit: int | None,
) -> list[Prompt]:
    if source is None:
        return []
    if source == SANDBOX:
        from solon.sandbox import world

        return world.prompts(use, n=n or SANDBOX_PROMPTS[use], seed=seed)[:limit]
    first = min((count for count in (n, limit) if count is not None), default=None)
    return read_prompts(Path(source), kind="helpful" if use == "helpful" else "red-team", first=first)
