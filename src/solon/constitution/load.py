"""Constitutions: built in, or from a person's YAML file."""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from solon.constitution.schema import Constitution
from solon.constitution.validate import nearest, validated
from solon.constitution.yaml_file import Document, read_yaml
from solon.errors import UsageError


def load(source: str | Path) -> Constitution:
    """Load a constitution by the name of a built-in or the path of a file.

    Raises:
        UsageError: every problem of the file, each as `file:line: what was given; why; what to do`.
    """
    document = read_yaml(_found(source), what="constitution")
    return validated(document, Constitution, also=_repeated_ids(document))


def text_of(source: str | Path) -> str:
    """The YAML text itself, which a run keeps a copy of."""
    return read_yaml(_found(source), what="constitution").text


def builtins() -> list[str]:
    """The names of the constitutions that come with Solon."""
    return sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml"))


def _folder() -> Traversable:
    return files("solon.constitution") / "builtin"


def _found(source: str | Path) -> Path | Traversable:
    names = builtins()
    if source in names:
        return _folder() / f"{source}.yaml"
    path = Path(source)
    if path.exists():
        return path
    close = nearest(path.stem, names)
    raise UsageError(
        f"{source}: there is no such constitution{close or ';'} give the path of a YAML file, or one of the "
        f"built-in names: {', '.join(names)}"
    )


def _repeated_ids(document: Document) -> Iterator[tuple[int, str]]:
    principles = document.data.get("principles") if isinstance(document.data, dict) else None
    first: dict[str, int] = {}
    for index, principle in enumerate(principles if isinstance(principles, list) else []):
        id = principle.get("id") if isinstance(principle, dict) else None
        if not isinstance(id, str):
            continue
        line = document.lines["principles", index, "id"]
        if id in first:
            yield line, f"the id '{id}' names another principle already, on line {first[id]}; ids must differ"
        first.setdefault(id, line)
