"""What a recipe is: the inputs of a run, its models, and a section of settings for each stage."""

import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from math import inf, isfinite
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WrapSerializer

from solon.constitution import load as constitutions
from solon.constitution.validate import nearest, validated
from solon.constitution.yaml_file import Document, parse_yaml, read_yaml
from solon.errors import UsageError
from solon.evaluate.audit import AuditConfig
from solon.evaluate.sample import SampleConfig
from solon.recipe.named_model import Count, ModelOptions, Named, NamedModel
from solon.stages.critique import CritiqueConfig
from solon.stages.finetune import FinetuneConfig
from solon.stages.label import LabelConfig
from solon.stages.pairs import PairsConfig
from solon.stages.preference_model import PreferenceModelConfig
from solon.stages.rl import RLConfig

SANDBOX = "sandbox"
SL_CAI = "sl-cai"
SANDBOX_PROMPTS = (SANDBOX, "sandbox-instructions", "sandbox-both")
BUILT_IN = ("demo",)
SOURCES = ("prompts", "helpful_prompts", "eval_prompts", "human_comparisons", "audit_pairs")
MODELS = ("helpful_model", "base_model", "pairs_model", "feedback_model")
LABELLED_BY = ("feedback_constitution", "helpful_constitution")
REACHING = {"concurrency", "timeout", "api_key_env", "gpu_memory_utilization", "price"}
SECTIONS = ("audit", "critique", "finetune", "pairs", "label", "preference_model", "rl", "evaluate")

Name = Annotated[str, Field(min_length=1)]


def _listed(given: Any) -> Any:
    if isinstance(given, str | dict):
        return (given,)
    return tuple(given) if isinstance(given, list) else given  # what a validator returns is no longer read as JSON


_OneOrMore = (
    Field(min_length=1),
    BeforeValidator(_listed),
    WrapSerializer(lambda each, dumped: told[0] if len(told := list(dumped(each))) == 1 else told),
)
Names = Annotated[tuple[Name, ...], *_OneOrMore]
"""A name, or a list of them."""
Models = Annotated[tuple[Named, ...], *_OneOrMore]
"""A model, or a list of them."""


class Recipe(BaseModel):
    """Everything that decides a run. A path in a recipe file is taken from the folder that the file lies in."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    constitution: Name
    """A built-in's name, or the path of a YAML file."""
    prompts: Name
    """Red-team prompts: "sandbox", the path of a file (JSONL, CSV, Parquet or text), or "hub:OWNER/NAME".

    Where a constitution is to teach something else, prompts whose answers it should change: "sandbox-instructions" are
    requests that ask for a form of the answer, "sandbox-both" are half these and half red-team prompts.
    """
    num_prompts: Count | None = None
    """The first so many; None takes all of a file, and 1,000 of the sandbox's."""
    helpful_prompts: Name | None = None
    """Prompts that are answered as they are, so that the model stays helpful (section 3.2)."""
    num_helpful_prompts: Count | None = None
    eval_prompts: Name | None = None
    """Held out; what is answered to "sandbox" prompts is judged by its oracle. None evaluates nothing."""
    num_eval_prompts: Count | None = None

    human_comparisons: Name | None = None
    """What people prefer, learned beside the AI labels as in the paper, where it is helpfulness (section 4.2): the path
    of a file, or "hub:OWNER/NAME", of transcripts "chosen" and "rejected" as in hh-rlhf, or with a "prompt" of both."""
    num_human_comparisons: Count | None = None

    human_turns: Literal["last", "all"] = "last"
    """Of a conversation that others made the last human turn is a prompt, or each is, as in the paper (section 3.2)."""

    helpful_model: Named
    """Answers, criticises and revises: "sandbox", a name on the Hugging Face Hub, the path of a folder, a server,
    "openai:http://localhost:8000/v1#NAME", or a class of one's own, "package.module:Class"; or a mapping of that as
    `name` and of options for this model alone, as in `models`."""
    base_model: Named | None = None
    """Is finetuned, and becomes the preference model; None takes the helpful model. The paper: the pretrained one. One
    without a chat template learns the paper's transcript as one. No server."""
    pairs_model: Models | None = None
    """Samples the responses that are compared; of several, each the one at its place. "sl-cai" is the finetuned model,
    which None takes, as the paper does."""
    feedback_model: Models | None = None
    """Compares; None takes the helpful model. Of several, each compares every pair, and the label is the mean."""
    feedback_constitution: Names | None = None
    """By which is compared, one constitution or more; None takes that of the run."""
    helpful_constitution: Names | None = None
    """By which responses to helpful prompts are compared, in place of that. The paper asks people."""

    audit_pairs: Name | None = None
    """By which a feedback model is audited: a file or data set as `human_comparisons`, or "sandbox". None takes the
    constitution's examples; of the sandbox's model, where there are none, its world's."""

    models: ModelOptions = ModelOptions()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Added to the `seed` of every section, so that one number makes another run of it all."""

    audit: AuditConfig = AuditConfig()
    critique: CritiqueConfig = CritiqueConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    pairs: PairsConfig = PairsConfig()
    label: LabelConfig = LabelConfig()
    preference_model: PreferenceModelConfig = PreferenceModelConfig()
    rl: RLConfig = RLConfig()
    evaluate: SampleConfig = SampleConfig()


def load(source: str | Path) -> Recipe:
    """Load a recipe: "demo", or the path of a YAML file.

    Raises:
        UsageError: every problem of the file, each as `file:line: what was given; why; what to do`.
    """
    path = _found(source)
    document = read_yaml(path, what="recipe")
    recipe = validated(document, Recipe, also=_out_of_range(document))
    return recipe if source in BUILT_IN else _from_folder(recipe, Path(source).parent)


def apply_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Change a recipe by settings such as "label.shuffle=true", whose values are read as YAML.

    Raises:
        UsageError: there is no such key, or the value cannot be taken.
    """
    for setting in settings:
        key, equals, value = setting.partition("=")
        name = f"--set {setting}"
        if not (key and equals and value.strip()):
            raise UsageError(f"{name}: is no setting; write it as key=value, e.g. --set label.shuffle=true")
        given = parse_yaml(value, name=name, what="value")
        place: tuple[str | int, ...] = tuple(key.strip().split("."))
        document = Document(name, setting, _with(recipe, place, given.data), {(): 0}, given.problems)
        recipe = validated(document, Recipe, also=_out_of_range(document))
    return recipe


def to_yaml(recipe: Recipe, *, folder: Path) -> str:
    """Every setting, the defaults too, as a recipe that lies in `folder`, beside a copy of the constitution.

    But for those that say how a server is reached: a run may go on with others.
    """
    copies = copies_of(recipe)
    built_in = constitutions.builtins()
    here = _renamed(
        recipe,
        constitution=lambda name: name if name in built_in else copies[name],
        prompts=lambda path: os.path.relpath(path, folder),
        model=lambda name: os.path.relpath(name, folder) if Path(name).exists() else name,
    )
    told = here.model_dump(mode="json", exclude={"models": REACHING})
    told |= {key: _without(REACHING, told[key]) for key in MODELS}
    return "# Every setting of this run.\n" + str(yaml.safe_dump(told, sort_keys=False, allow_unicode=True))


def _without(keys: Container[str], model: Any) -> Any:
    """A model, or several, without some of the options beside their names."""
    if isinstance(model, list):
        return [_without(keys, each) for each in model]
    if not isinstance(model, dict):
        return model
    kept = {key: value for key, value in model.items() if key not in keys}
    return kept if kept.keys() > {"name"} else kept["name"]


def copies_of(recipe: Recipe) -> dict[str, str]:
    """The files in a run folder that are copies of its constitutions, by how the recipe names these."""
    copies = {recipe.constitution: "constitution.yaml"}
    for key in LABELLED_BY:
        for number, name in enumerate(getattr(recipe, key) or (), 1):
            copies.setdefault(name, f"{key}.yaml" if number == 1 else f"{key}-{number}.yaml")
    return copies


def settled(recipe: Recipe) -> Recipe:
    """The recipe with its seed added to those of its sections, and its threads where a section names none.

    A training then uses the same threads whether or not a model was loaded before it in the same process.
    """
    changed: dict[str, Any] = {}
    for name in SECTIONS:
        section = getattr(recipe, name)
        if hasattr(section, "seed"):
            section = replace(section, seed=section.seed + recipe.seed)
        if hasattr(section, "threads") and section.threads is None:
            section = replace(section, threads=recipe.models.threads)
        changed[name] = section
    return recipe.model_copy(update=changed)


def _found(source: str | Path) -> Path | Traversable:
    if source in BUILT_IN:
        return files("solon") / f"{source}.yaml"
    path = Path(source)
    if not path.exists():
        close = nearest(path.stem, BUILT_IN) or ";"
        raise UsageError(f"{source}: there is no such recipe{close} `solon init` writes one to begin with")
    return path


def _from_folder(recipe: Recipe, folder: Path) -> Recipe:
    """Take paths from the folder of the recipe. A model's name is a path only where there is such a folder."""
    built_in = constitutions.builtins()
    return _renamed(
        recipe,
        constitution=lambda name: name if name in built_in else str(folder / name),
        prompts=lambda path: str(folder / path),
        model=lambda name: str(folder / name) if (folder / name).exists() else name,
    )


def _renamed(
    recipe: Recipe, *, constitution: Callable[[str], str], prompts: Callable[[str], str], model: Callable[[str], str]
) -> Recipe:
    """The recipe with other names for what it takes from elsewhere."""

    def renamed(of: NamedModel) -> NamedModel:
        changed = {} if of.name in (SANDBOX, SL_CAI) else {"name": model(of.name)}
        return of.model_copy(update=changed | ({"adapter": model(of.adapter)} if of.adapter else {}))

    changed: dict[str, Any] = {"constitution": constitution(recipe.constitution)}
    for key in SOURCES:
        if _is_path(given := getattr(recipe, key)):
            changed[key] = prompts(given)
    for key in LABELLED_BY:
        if (given := getattr(recipe, key)) is not None:
            changed[key] = tuple(map(constitution, given))
    for key in MODELS:
        if (given := getattr(recipe, key)) is not None:
            changed[key] = renamed(given) if isinstance(given, NamedModel) else tuple(map(renamed, given))
    return recipe.model_copy(update=changed)


def _is_path(prompts: str | None) -> bool:
    return prompts not in (None, *SANDBOX_PROMPTS) and not str(prompts).startswith("hub:")


def _with(recipe: Recipe, place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    data = recipe.model_dump(mode="json")
    within: Any = data
    for number, key in enumerate(place[:-1], 1):
        if within.get(key) is None:
            within[key] = {}
        if key in MODELS and isinstance(within[key], str):
            within[key] = {"name": within[key]}
        within = within[key]
        if not isinstance(within, dict):
            raise UsageError(f"--set {'.'.join(map(str, place))}: {'.'.join(map(str, place[:number]))} has no keys")
    within[place[-1]] = value
    return data


_AT_LEAST_ONE = (1, inf)
_SHARE = (0, 1)
_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("num_revisions", "max_tokens", "max_length", "epochs", "steps", "save_every"), _AT_LEAST_ONE),
    **dict.fromkeys(("batch_size", "micro_batch_size", "prompts_per_step", "threads"), _AT_LEAST_ONE),
    **dict.fromkeys(("upto", "most", "num_helpful_responses", "num_models", "rank", "alpha"), _AT_LEAST_ONE),
    **dict.fromkeys(("num_principles", "num_reasonings", "votes", "num_pairs"), _AT_LEAST_ONE),
    "num_responses": (2, inf),
    "helpful_ratio": (0, inf),
    "human_ratio": (0, inf),
    "margin_scale": (0, inf),
    "samples_per_prompt": (2, inf),
    "learning_rate": (1e-12, 1),
    "temperature": (0, inf),
    "kl": (0, inf),
    "truncation_penalty": (0, inf),
    "uncertainty_penalty": (0, inf),
    "held_out": (0, 0.9),
    "dropout": (0, 0.9),
    "min_mass": _SHARE,
    "clamp": _SHARE,
    "seed": (0, 2**31 - 1),
}
"""What the numbers of sections may be, by name, both ends included."""


def _out_of_range(document: Document) -> Iterator[tuple[int, str]]:
    """Say which numbers of the sections cannot work; whether they are numbers at all is asked elsewhere."""
    data = document.data if isinstance(document.data, dict) else {}
    for section in SECTIONS:
        for place, value in _leaves(data.get(section), (section,)):
            low, high = _RANGES.get(place[-1], (-inf, inf))
            for number in value if isinstance(value, list) else [value]:
                if not isinstance(number, int | float) or isinstance(number, bool):
                    continue
                if not (isfinite(number) and low <= number <= high):
                    bounds = f"at least {low:g}" if high == inf else f"from {low:g} to {high:g}"
                    yield document.lines.get(place, 0), f"{'.'.join(place)} is {number}; it must be {bounds}"


def _leaves(data: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, dict):
            yield from _leaves(value, (*place, str(key)))
        else:
            yield (*place, str(key)), value
