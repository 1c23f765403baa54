"""Models behind servers: what they cannot be, and what they must be able to do, said before anything is spent."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from solon.constitution.validate import nearest
from solon.errors import UsageError
from solon.models import openai
from solon.models.load import is_server, parse
from solon.models.probe import Probed
from solon.recipe.schema import MODELS, Recipe
from solon.recipe.work import Helper


def unless_trained_here(recipe: Recipe, *, trains: bool) -> None:
    """Say at once where a model that is to be trained is behind a server, or no server is named.

    Raises:
        UsageError: which, and what to do.
    """
    for key in MODELS:
        for name in _names(getattr(recipe, key)):
            if is_server(name):
                parse(name)
    if recipe.base_model is not None and is_server(recipe.base_model):
        raise UsageError(
            f"base_model is {recipe.base_model}, and a server trains nothing; name a model on this machine"
        )
    if trains and recipe.base_model is None and is_server(recipe.helpful_model):
        raise UsageError(
            f"helpful_model is {recipe.helpful_model}, and a server trains nothing; add a `base_model` on this machine "
            "that is finetuned in its place, or stop before with --until critique"
        )


def unless_priced(recipe: Recipe) -> None:
    """Say at once that a price is given for a model that the recipe does not have on a server.

    Raises:
        UsageError: which, and what it may mean.
    """
    names = [name for key in MODELS for name in _names(getattr(recipe, key))]
    known = [openai.parts(parse(name).name)[1] for name in names if is_server(name)]
    for name in recipe.models.price:
        if name not in known:
            close = nearest(name, known) or ";"
            raise UsageError(
                f"models.price names {name}, and the recipe has no model on a server that is called so{close} give "
                "the name that stands behind the #"
            )


def asked(recipe: Recipe, *, last: str, out: Path) -> dict[str, Helper]:
    """The servers of the stages up to `last`, those that are complete in `out` aside, once they said what they can do.

    Raises:
        UsageError: one cannot do what its stage needs; says what else can be done.
        ModelError: one cannot be reached, or does not answer.
    """
    stages: dict[str, list[str]] = {
        "01-critique": [recipe.helpful_model],
        "03-pairs": list(recipe.pairs_model or ()),
        "04-label": list(recipe.feedback_model or (recipe.helpful_model,)),
        "07-evaluate": [recipe.helpful_model] if recipe.eval_prompts else [],
    }
    found: dict[str, Helper] = {}
    for stage, names in stages.items():
        if stage > last or (out / stage / "summary.json").exists():
            continue
        for name in filter(is_server, names):
            helper = found.setdefault(name, Helper(name, recipe.models))
            can = probed(helper)
            if stage == "04-label" and recipe.label.votes is None:
                _unless_choosing(name, can)
    return found


def probed(server: Helper) -> Probed:
    """What it can do."""
    model = server.model
    assert isinstance(model, openai.OpenAI)
    return model.probed


def warnings(servers: Mapping[str, Helper]) -> list[tuple[str, str, str]]:
    """What a person should know of the servers: the name of one, what it is, and what to do."""
    found = [(name, message, fix) for name, server in servers.items() for message, fix in probed(server).warnings()]
    for name in servers:
        url = urlsplit(openai.parts(parse(name).name)[0])
        if url.scheme == "http" and not _is_here(url.hostname or ""):
            found.append((name, "all that is sent can be read on the way, the key too", "give a URL with https"))
    return found


def _names(given: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else given or ()


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
