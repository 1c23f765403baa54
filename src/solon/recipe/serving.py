"""Models that are not files: what servers and code cannot be, and must be able to do, said before anything is spent."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from solon.constitution.validate import nearest
from solon.errors import UsageError
from solon.models import openai, own
from solon.models.cluster import Cluster
from solon.models.load import is_server, is_vllm, parse, unless_installed
from solon.models.probe import Probed
from solon.recipe.named_model import NamedModel
from solon.recipe.schema import MODELS, Recipe
from solon.recipe.work import Helper


def unless_trained_here(recipe: Recipe, *, trains: bool) -> None:
    """Say at once where a model that is to be trained cannot be.

    Raises:
        UsageError: why, and what to do.
    """
    if recipe.base_model is not None and (why := untrainable(recipe.base_model)):
        raise UsageError(f"base_model is {recipe.base_model}, and {why}; name a model on this machine")
    if trains and recipe.base_model is None and (why := untrainable(recipe.helpful_model)):
        raise UsageError(
            f"helpful_model is {recipe.helpful_model}, and {why}; add a `base_model` on this machine that is finetuned "
            "in its place, or stop before with --until critique"
        )


def untrainable(model: NamedModel) -> str | None:
    """Why a model cannot be trained, if it cannot."""
    backend = parse(model.name).backend
    what = {"openai": "a server", "own": "code of your own", "fake": "a fake"}.get(backend, f"{backend}:")
    if backend not in ("transformers", "vllm"):  # which is trained as it lies here
        return f"{what} trains nothing"
    return (
        "training begins with a whole model, without an adapter: merge it (docs/models.md)" if model.adapter else None
    )


def unless_priced(recipe: Recipe) -> None:
    """Say at once that a price is given for a model that the recipe does not have on a server.

    Raises:
        UsageError: which, and what it may mean.
    """
    known = [openai.parts(parse(name).name)[1] for name in _names(recipe) if is_server(name)]
    for name in recipe.models.price:
        if name not in known:
            close = nearest(name, known) or ";"
            raise UsageError(
                f"models.price names {name}, and the recipe has no model on a server that is called so{close} give "
                "the name that stands behind the #"
            )


def asked(recipe: Recipe, *, last: str, out: Path, cluster: Cluster | None = None) -> dict[NamedModel, Helper]:
    """The servers of the stages up to `last`, those that are complete in `out` aside, once they said what they can do.

    Raises:
        UsageError: one cannot do what its stage needs; says what else can be done.
        ModelError: one cannot be reached, or does not answer.
    """
    found: dict[NamedModel, Helper] = {}
    for stage, model in _asked(recipe, last=last, out=out):
        if is_vllm(model.name):
            unless_installed(parse(model.name))
        if is_server(model.name):
            can = probed(found.setdefault(model, Helper(model, recipe.models, cluster)))
            if stage == "04-label" and recipe.label.votes is None:
                _unless_choosing(model.name, can)
    return found


def engines(recipe: Recipe, *, last: str, out: Path) -> dict[NamedModel, Probed]:
    """What the models of these stages can do that vLLM computes in this process.

    Each is loaded and ended again, since there may be room for one only: for a look, which a run does not need.

    Raises:
        UsageError: vLLM is not installed, or there is no such model or option.
        ModelError: one does not start, or cannot be asked.
    """
    models = dict.fromkeys(model for _, model in _asked(recipe, last=last, out=out) if is_vllm(model.name))
    return {model: _engine_probed(Helper(model, recipe.models)) for model in models}


def _engine_probed(helper: Helper) -> Probed:
    from solon.models.vllm import VLLM  # transformers takes seconds to import

    model = helper.model
    assert isinstance(model, VLLM)
    try:
        return model.probed()
    finally:
        model.close()


def _asked(recipe: Recipe, *, last: str, out: Path) -> Iterator[tuple[str, NamedModel]]:
    """The stages up to `last` that ask and are not complete in `out`, each with its models."""
    stages: dict[str, list[NamedModel]] = {
        "01-critique": [recipe.helpful_model],
        "03-pairs": list(recipe.pairs_model or ()),
        "04-label": list(recipe.feedback_model or (recipe.helpful_model,)),
        "07-evaluate": [recipe.helpful_model] if recipe.eval_prompts else [],
    }
    for stage, models in stages.items():
        if stage <= last and not (out / stage / "summary.json").exists():
            yield from ((stage, model) for model in models)


def probed(server: Helper) -> Probed:
    """What it can do."""
    model = server.model
    assert isinstance(model, openai.OpenAI)
    return model.probed


def warnings(recipe: Recipe, servers: Mapping[NamedModel, Helper]) -> list[tuple[str, str, str]]:
    """What a person should know of servers and of code: the name of one, what it is, and what to do."""
    names = {model.name: server for model, server in servers.items()}
    found = [(name, message, fix) for name, server in names.items() for message, fix in probed(server).warnings()]
    for name in names:
        url = urlsplit(openai.parts(parse(name).name)[0])
        if url.scheme == "http" and not _is_here(url.hostname or ""):
            found.append((name, "all that is sent can be read on the way, the key too", "give a URL with https"))
    for name in _own(recipe):
        found.append((name, f"is code, and runs: {own.source(name)}", "read it first if it is not yours"))
    return found


def unless_found(recipe: Recipe) -> None:
    """Import the classes that the recipe names as models.

    Raises:
        UsageError: there is no such class, or it lacks something.
    """
    for name in _own(recipe):
        own.find(name)


def _own(recipe: Recipe) -> list[str]:
    return [name for name in _names(recipe) if parse(name).backend == "own"]


def _names(recipe: Recipe) -> list[str]:
    """The models that a recipe names, each once."""
    given = (getattr(recipe, key) or () for key in MODELS)
    models = [model for each in given for model in (each if isinstance(each, tuple) else (each,))]
    return list(dict.fromkeys(model.name for model in models))


def _unless_choosing(name: str, probed: Probed) -> None:
    if probed.tells_choices:
        return
    why = "gives no log-probabilities"
    if probed.abilities.top_logprobs:
        why = "thinks before it answers, so that its first token is no answer"
    raise UsageError(
        f"{name} {why}, and 04-label reads a choice off them; count sampled answers instead: `label: {{votes: 5}}`, "
        "or give another feedback_model"
    )


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
