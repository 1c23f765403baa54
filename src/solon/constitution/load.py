"""Constitutions: built in, or from a person's YAML file, which may extend another."""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from solon.constitution.schema import Constitution, Extension, Principle
from solon.constitution.validate import nearest, validated
from solon.constitution.yaml_file import Document, read_yaml, written
from solon.errors import UsageError


def load(source: str | Path) -> Constitution:
    """Load a constitution by the name of a built-in or the path of a file.

    Raises:
        UsageError: every problem of the file, each as `file:line: what was given; why; what to do`.
    """
    return _load(_found(source), extended_by={})


def text_of(source: str | Path) -> str:
    """The YAML text that a run keeps a copy of: the file's own, or the whole of it where it extends another."""
    document = read_yaml(_found(source), what="constitution")
    if not _extends(document):
        return document.text
    return to_yaml(load(source))


def to_yaml(constitution: Constitution) -> str:
    """The file of a constitution; loaded, it is the same."""
    told = constitution.model_dump(mode="json", exclude_defaults=True)
    for exemplars in (told.get("exemplars", {}), *(each.get("exemplars", {}) for each in told["principles"])):
        for exemplar in (*exemplars.get("revisions", ()), *exemplars.get("comparisons", ())):
            if [turn["role"] for turn in exemplar["prompt"]] == ["user"]:
                exemplar["prompt"] = exemplar["prompt"][0]["content"]
    return written(told)


def builtins() -> list[str]:
    """The names of the constitutions that come with Solon."""
    return sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml"))


def _folder() -> Traversable:
    return files("solon.constitution") / "builtin"


def _found(source: str | Path, folder: Path = Path()) -> Path | Traversable:
    names = builtins()
    if source in names:
        return _folder() / f"{source}.yaml"
    path = folder / source
    if path.exists():
        return path
    close = nearest(path.stem, names)
    raise UsageError(
        f"{source}: there is no such constitution{close or ';'} give the path of a YAML file, or one of the "
        f"built-in names: {', '.join(names)}"
    )


def _load(path: Path | Traversable, *, extended_by: Mapping[Path, str]) -> Constitution:
    """Load a file that is on its way to others, which by their real paths have these names."""
    document = read_yaml(path, what="constitution")
    if not _extends(document):
        return validated(document, Constitution, also=[*_repeated_ids(document), *_lacking(document)])
    extension = validated(document, Extension, also=_repeated_ids(document))
    line = document.lines["extends",]
    way = {**extended_by, Path(str(path)).resolve(): str(path)}
    try:
        other = _found(extension.extends, Path(str(path)).parent)
    except UsageError as error:
        raise UsageError(f"{document.name}:{line}: extends {error}") from None
    if Path(str(other)).resolve() in way:
        through = " > ".join([*way.values(), str(other)])
        raise UsageError(f"{document.name}:{line}: extends itself, by way of {through}; extend a whole constitution")
    return _extended(_load(other, extended_by=way), extension, document)


def _extends(document: Document) -> bool:
    return isinstance(document.data, dict) and "extends" in document.data


def _extended(other: Constitution, extension: Extension, document: Document) -> Constitution:
    """The other constitution with what the extension says in place of what stands there."""
    known = [principle.id for principle in other.principles]
    for number, id in enumerate(extension.without):
        if id not in known:
            line = document.lines["without", number]
            close = nearest(id, known) or f"; its principles are {', '.join(known)}"
            raise UsageError(f"{document.name}:{line}: {other.name} has no principle '{id}' to leave out{close}")
    changes = {principle.id: principle for principle in extension.principles}
    kept = [principle for principle in other.principles if principle.id not in extension.without]
    principles = [
        principle.model_copy(update=_given(changes.pop(principle.id))) if principle.id in changes else principle
        for principle in kept
    ]
    told: dict[str, Any] = {
        "name": extension.name or other.name,
        "description": other.description if extension.description is None else extension.description,
        "hard_constraints": (*other.hard_constraints, *extension.hard_constraints),
        "exemplars": extension.exemplars or other.exemplars,
        "principles": (*principles, *changes.values()),
    }
    lines = {principle.id: document.lines["principles", i] for i, principle in enumerate(extension.principles)}
    for principle in told["principles"]:
        if principle.lack:
            line = lines.get(principle.id, 1)
            raise UsageError(f"{document.name}:{line}: the principle '{principle.id}' {principle.lack}")
    if not told["principles"]:
        line = document.lines["without",]
        raise UsageError(f"{document.name}:{line}: leaves out every principle of {other.name}; keep one, or add one")
    return Constitution(**told)


def _given(principle: Principle) -> dict[str, Any]:
    return {key: getattr(principle, key) for key in principle.model_fields_set}


def _principles(document: Document) -> Iterator[tuple[int, Any]]:
    principles = document.data.get("principles") if isinstance(document.data, dict) else None
    yield from enumerate(principles if isinstance(principles, list) else [])


def _repeated_ids(document: Document) -> Iterator[tuple[int, str]]:
    first: dict[str, int] = {}
    for index, principle in _principles(document):
        id = principle.get("id") if isinstance(principle, dict) else None
        if not isinstance(id, str):
            continue
        line = document.lines["principles", index, "id"]
        if id in first:
            yield line, f"the id '{id}' names another principle already, on line {first[id]}; ids must differ"
        first.setdefault(id, line)


def _lacking(document: Document) -> Iterator[tuple[int, str]]:
    """Principles that are well-formed and of no use."""
    for index, given in _principles(document):
        try:
            principle = Principle.model_validate_json(json.dumps(given), strict=True)
        except ValidationError:
            continue
        if principle.lack:
            yield document.lines["principles", index], f"principles[{principle.id}] {principle.lack}"
