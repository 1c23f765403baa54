"""What a recipe's names stand for: prompts, models, and the judge that knows the truth of the sandbox."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from solon.constitution.schema import Constitution
from solon.errors import UsageError
from solon.models import weights
from solon.models.load import parse
from solon.recipe.comparison_file import Comparisons, read_comparisons
from solon.recipe.prompt_file import read_prompts
from solon.recipe.schema import SANDBOX, SANDBOX_PROMPTS, Recipe
from solon.records import HumanComparison, Judge, Prompt, Row

FROM_SANDBOX: dict[str, int] = {"red-team": 1000, "helpful": 500, "evaluate": 1000}
"""How many prompts of the sandbox's, which has more, where the recipe does not say."""


@dataclass(frozen=True)
class Inputs:
    """The prompts of a run, and what people prefer."""

    prompts: list[Prompt]
    """Red-team prompts, then helpful ones."""
    eval_prompts: list[Prompt]
    human_comparisons: list[HumanComparison]
    notes: dict[str, dict[str, int]] = field(default_factory=dict)
    """What had to be done to the rows of each source that others made, and to how many of them."""


def read_inputs(recipe: Recipe, *, limit: int | None = None) -> Inputs:
    """Read the prompts and human comparisons of a recipe, at most the first `limit` of each kind.

    Raises:
        UsageError: a file cannot be read, or an id stands twice.
    """
    red_team, of_red_team = _read(recipe, recipe.prompts, "red-team", n=recipe.num_prompts, limit=limit)
    helpful, of_helpful = _read(recipe, recipe.helpful_prompts, "helpful", n=recipe.num_helpful_prompts, limit=limit)
    evaluated, of_evaluated = _read(recipe, recipe.eval_prompts, "evaluate", n=recipe.num_eval_prompts, limit=limit)
    people = Comparisons()
    if recipe.human_comparisons is not None:
        first = _first(recipe.num_human_comparisons, limit)
        people = read_comparisons(recipe.human_comparisons, first=first, seed=recipe.seed)
        _unless_all_dropped(recipe.human_comparisons, people.rows, todo="two responses to one prompt that differ")
    _unless_named_twice(recipe, {"prompts": red_team, "helpful_prompts": helpful, "human_comparisons": people.rows})
    notes = {
        "prompts": of_red_team,
        "helpful_prompts": of_helpful,
        "eval_prompts": of_evaluated,
        "human_comparisons": dict(people.notes),
    }
    told = {source: found for source, found in notes.items() if found}
    return Inputs([*red_team, *helpful], evaluated, people.rows, told)


def model_name(name: str) -> str:
    """The name by which a model is loaded."""
    if name.removeprefix("vllm:") != SANDBOX:
        return name
    from solon import sandbox

    return name.removesuffix(SANDBOX) + str(sandbox.model_path())


def trained_model(recipe: Recipe) -> str:
    """The name or the folder of the model that is trained, whatever computes it where it is asked."""
    return model_name(parse((recipe.base_model or recipe.helpful_model).name).name)


def unless_trainable(name: str) -> None:
    """Say at once that a model in a folder here cannot be trained to chat; one elsewhere is fetched by its stage.

    Raises:
        UsageError: it is quantised, or has no chat template, and its tokenizer no end token or cannot be loaded.
    """
    folder = Path(name)
    if not folder.is_dir():
        return
    if method := weights.quantised(folder, name=name):
        raise UsageError(f"{name} is quantised ({method}), and training begins with whole weights; give it unquantised")
    if (folder / "chat_template.jinja").exists():
        return
    from solon.models.tokens import chat_tokenizer  # transformers takes seconds to import

    chat_tokenizer(folder)


def judge_of(*sources: str | None) -> Judge | None:
    """The judge of answers to prompts of all these sources, if any: the sandbox's oracle knows its own only."""
    if any(source not in (None, *SANDBOX_PROMPTS) for source in sources):
        return None
    from solon.sandbox.oracle import judge

    return judge


def not_understood(recipe: Recipe, constitution: Constitution, *, judges: Iterable[Constitution]) -> list[str]:
    """The requests, as "ID.FIELD", that the sandbox's model would be asked and has no words for.

    `judges` are the constitutions by which responses are compared.
    """
    asked: list[tuple[Constitution, str]] = []
    if recipe.helpful_model.name == SANDBOX:
        asked += [(constitution, "critique_request"), (constitution, "revision_request")]
    if SANDBOX in {model.name for model in recipe.feedback_model or (recipe.helpful_model,)}:
        asked += [(judge, "comparison_request") for judge in judges]
    if not asked:
        return []
    from solon.sandbox.principles import meanings

    return [
        f"{principle.id}.{field}"
        for of, field in asked
        for principle in of.principles
        if (text := getattr(principle, field)) is not None and not meanings(text)
    ]


def _read(
    recipe: Recipe,
    source: str | None,
    use: Literal["red-team", "helpful", "evaluate"],
    *,
    n: int | None,
    limit: int | None,
) -> tuple[list[Prompt], dict[str, int]]:
    if source is None:
        return [], {}
    if source == SANDBOX or (use == "red-team" and source in SANDBOX_PROMPTS):
        from solon.sandbox import world

        of_world: world.Use = use
        if source != SANDBOX:
            of_world = "instructions" if source == "sandbox-instructions" else "both"
        return world.prompts(of_world, n=n or FROM_SANDBOX[use], seed=recipe.seed)[:limit], {}
    first = _first(n, limit)
    kind: Literal["helpful", "red-team"] = "helpful" if use == "helpful" else "red-team"
    read = read_prompts(source, kind=kind, first=first, human_turns=recipe.human_turns)
    _unless_all_dropped(source, read.prompts, todo="prompts that end with a human turn")
    return read.prompts, read.notes


def _first(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None), default=None)


def _unless_all_dropped(source: str, rows: Sequence[Row], *, todo: str) -> None:
    if all(row["drop_reason"] is not None for row in rows):
        raise UsageError(
            f"{source}: none of the {len(rows)} rows can be used, the first because: "
            f"{rows[0]['drop_reason']}; give {todo}"
        )


def _unless_named_twice(recipe: Recipe, rows: Mapping[str, Sequence[Row]]) -> None:
    found: dict[str, str] = {}
    for key, of_key in rows.items():
        for row in of_key:
            if (other := found.setdefault(row["id"], key)) != key:
                sources = f"{getattr(recipe, other)} and {getattr(recipe, key)}"
                raise UsageError(f"the id '{row['id']}' stands in both {sources}; change one")
