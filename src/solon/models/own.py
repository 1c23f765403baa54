"""A model of a person's own: a class, named "package.module:Class", that keeps the promises of `base`.

It is code, and is run because a person names it. It is looked for on Python's path, and then in the folder where the
command was typed. What it raises or replies against the promises is told by its name, as a `ModelError`.
"""

import hashlib
import importlib
import inspect
import json
import math
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from solon.chains import Choice, Choose, Completion, Failure, Generate, Reply, Request
from solon.constitution.validate import nearest
from solon.errors import ModelError, Stopped, UsageError
from solon.models.base import Model, Server
from solon.models.width import Width
from solon.prompts import FormName

NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
LOCAL = ("rendered", "batches", "answer")
SERVED = ("rendered", "answer", "__aenter__", "__aexit__")


def is_own(text: str) -> bool:
    """Whether a model's name is that of a class: "package.module:Class". "C:model" is a path of Windows."""
    return NAME.fullmatch(text) is not None and text[1] != ":"


def load(name: str, *, options: Mapping[str, Any] | None = None) -> "Own | OwnServer":
    """Make the model, of `options` as keyword arguments.

    Raises:
        UsageError: there is no such class, it does not take the options, or lacks something that a model has.
        ModelError: it failed as it was made.
    """
    kind, given = find(name), dict(options or {})
    try:
        inspect.signature(kind).bind(**given)
    except TypeError as error:
        raise UsageError(
            f"{name} takes {inspect.signature(kind)}, and was given the options {', '.join(given) or 'none'}: {error}; "
            f"options stand beside the name: {{name: {name}, options: {{…}}}}"
        ) from None
    with _told(name, "as it was made"):
        model = kind(**given)
    for attribute in ("identity", "form", *(["width"] if is_server(kind) else [])):
        with _told(name, f"at its {attribute}"):
            if not hasattr(model, attribute):
                raise UsageError(f"{name} has no {attribute}, which a model has (solon.models.base); add it")
    if model.form not in ("chat", "transcript"):
        raise UsageError(f"The form of {name} is {model.form!r}; it must be 'chat' or 'transcript'")
    if is_server(kind) and not isinstance(model.width, Width):
        raise UsageError(
            f"The width of {name} must be a solon.models.width.Width, which bounds how much is asked at once"
        )
    return (OwnServer if is_server(kind) else Own)(model, name)


def find(name: str) -> Any:
    """Import the class, and see that it has the methods of a model.

    Raises:
        UsageError: it cannot be imported, or has not; says which.
    """
    where, _, called = name.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # behind all else, so that no file here stands in for an installed module
    try:
        module = importlib.import_module(where)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{where}.".startswith(f"{error.name}."):
            raise UsageError(
                f"{name}: there is no backend, and no Python module {error.name!r} on Python's path or in {here}; set "
                "PYTHONPATH to the module's folder, or name a model on the Hugging Face Hub, e.g. Qwen/Qwen3-8B."
            ) from None
        raise UsageError(f"{name}: {where} cannot be imported: {_of(error)}") from error
    kind = getattr(module, called, None)
    if not inspect.isclass(kind):
        known = [each for each, it in vars(module).items() if inspect.isclass(it) and it.__module__ == module.__name__]
        raise UsageError(
            f"{name}: {source(name)} has no class {called!r}{nearest(called, known) or ';'} "
            f"its classes are {', '.join(known) or 'none'}"
        )
    wanted = SERVED if is_server(kind) else LOCAL
    if missing := [method for method in wanted if not callable(getattr(kind, method, None))]:
        raise UsageError(
            f"{name} lacks {', '.join(missing)}; a model has identity, form and {', '.join(LOCAL)}, and one behind a "
            f"server, whose answer is async, identity, form, width and {', '.join(SERVED)} (solon.models.base)"
        )
    return kind


def is_server(kind: Any) -> bool:
    """Whether a class is one that is asked one question at a time."""
    return inspect.iscoroutinefunction(getattr(kind, "answer", None))


def source(name: str) -> str:
    """The file of the code, once it was found."""
    return getattr(sys.modules[name.partition(":")[0]], "__file__", None) or "no file"


class Own:
    """A local model of a person's own."""

    def __init__(self, model: Model, name: str):
        self.model = model
        self.name = name

    @property
    def identity(self) -> dict[str, Any]:
        """Its own, beside its name and a digest of the file it is written in."""
        return _identity(self.model, self.name)

    @property
    def form(self) -> FormName:
        """Its own."""
        return self.model.form

    def rendered(self, request: Request) -> str:
        """What it says of itself."""
        return _rendered(self.model, self.name, request)

    def batches(self, requests: Sequence[Request]) -> list[list[int]]:
        """Its own, each question in one of them."""
        with _told(self.name, "in batches"):
            batches = [list(batch) for batch in self.model.batches(requests)]
        if sorted(i for batch in batches for i in batch) != list(range(len(requests))):
            raise ModelError(f"{self.name}: its batches of {len(requests)} questions have not each of them once")
        return batches

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Its own replies, which are seen to be replies.

        Raises:
            ModelError: it failed, or replied something else.
        """
        with _told(self.name, "in answer"):
            replies = list(self.model.answer(requests))
        if len(replies) != len(requests):
            raise ModelError(f"{self.name} gave {len(replies)} replies to {len(requests)} questions")
        return [_checked(reply, request, self.name) for reply, request in zip(replies, requests, strict=True)]


class OwnServer:
    """A model of a person's own that is asked one question at a time."""

    def __init__(self, model: Server, name: str):
        self.model = model
        self.name = name
        self.width = model.width

    @property
    def identity(self) -> dict[str, Any]:
        """As of `Own`."""
        return _identity(self.model, self.name)

    @property
    def form(self) -> FormName:
        """Its own."""
        return self.model.form

    def rendered(self, request: Request) -> str:
        """What it says of itself."""
        return _rendered(self.model, self.name, request)

    async def answer(self, request: Request) -> Reply:
        """Its own reply, which is seen to be one.

        Raises:
            ModelError: it failed, or replied something else.
        """
        with _told(self.name, "in answer"):
            reply = await self.model.answer(request)
        return _checked(reply, request, self.name)

    async def __aenter__(self) -> Self:
        with _told(self.name, "in __aenter__"):
            await self.model.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _told(self.name, "in __aexit__"):
            await self.model.__aexit__(kind, error, trace)


def _identity(model: Model | Server, name: str) -> dict[str, Any]:
    with _told(name, "at its identity"):
        own = model.identity
    try:
        own = json.loads(json.dumps(own, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UsageError(f"The identity of {name} is not JSON: {error}; give text and numbers") from None
    file = Path(source(name))
    code = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
    return {"backend": "own", "name": name, "code": code, "own": own}


def _rendered(model: Model | Server, name: str, request: Request) -> str:
    with _told(name, "in rendered"):
        return str(model.rendered(request))


def _checked(reply: Any, request: Request, name: str) -> Reply:
    """A reply that is one to the question.

    Raises:
        ModelError: it is not; says what is wrong.
    """
    wrong = None
    match reply:
        case Failure(reason) if isinstance(reason, str) and reason:
            return reply
        case Completion() if isinstance(request, Generate):
            if not (isinstance(reply.text, str) and reply.finish_reason in ("stop", "length")):
                wrong = "its text is none, or its finish_reason neither 'stop' nor 'length'"
        case Choice() if isinstance(request, Choose):
            numbers = (*reply.probabilities, reply.mass)
            if len(reply.probabilities) != len(request.options):
                wrong = f"{len(reply.probabilities)} probabilities for {len(request.options)} options"
            elif not all(0 <= number <= 1 for number in numbers) or abs(math.fsum(reply.probabilities) - 1) > 1e-6:
                wrong = f"probabilities {reply.probabilities} that do not sum to 1, or a mass of {reply.mass}"
        case _:
            wrong = f"a {type(reply).__name__}, which is no reply to that"
    if wrong is not None:
        raise ModelError(
            f"{name} replied to {type(request).__name__} wrongly: {wrong} (solon.chains says what is right)"
        )
    return reply  # type: ignore[no-any-return]


@contextmanager
def _told(name: str, when: str) -> Iterator[None]:
    """Tell what the person's code raises as an error of the model, with the line of code."""
    try:
        yield
    except (UsageError, ModelError, Stopped):
        raise
    except Exception as error:
        raise ModelError(f"{name} failed {when}: {_of(error)}") from error


def _of(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}, line {last.lineno})"
