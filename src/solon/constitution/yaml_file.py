"""YAML files that a person writes, read strictly: what YAML would quietly turn into something else is an error.

Plain words are read by YAML 1.2's rules (`1e-4` is a number, a date is text); `yes`, `no`, `on` and `off`, which YAML
1.1 takes for truth values, must be written as `true`, `false` or in quotes. A key stands once. Every problem of a file
is reported at once, each as `file:line: what was given; why it cannot work; what to do`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from solon.errors import UsageError

Place = tuple[str | int, ...]
"""Where something stands in a file: keys and indices, from the top."""

SAFEST = "put the text in quotes, or after `|` on lines of its own"
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """A YAML file as it was read."""

    name: str
    """What to call it in messages: its path, as given."""
    text: str
    data: Any
    lines: Mapping[Place, int]
    """The line, from 1, on which each key or item begins."""
    problems: tuple[tuple[int, str], ...] = ()
    """(line, message) of what is wrong whatever the file is for."""


def read_yaml(path: Path | Traversable, *, what: str) -> Document:
    """Read the file of a `what` ("constitution", "recipe"), e.g. to give it to `validated`.

    Raises:
        UsageError: it cannot be read, or is no YAML.
    """
    instead = f"`solon init` writes a {what} to begin with"
    text = read_text(path, wanted=f"the YAML file of the {what}", instead=instead)
    return parse_yaml(text, name=str(path), what=what)


def parse_yaml(text: str, *, name: str, what: str) -> Document:
    """Read the text of a `what`; `name` stands for it in messages.

    Raises:
        UsageError: it is no YAML.
    """
    try:
        refused = _shorthand(text)
        node = None if refused else yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        line, message = _syntax(error, text)
        raise UsageError(f"{name}:{line}: {message}") from None
    except RecursionError:
        raise UsageError(f"{name}:1: nested too deeply; a {what} is a few keys and lists") from None
    if refused:
        raise UsageError(f"{name}:{refused[0]}: {refused[1]}")
    if node is None:
        raise UsageError(f"{name}:1: the file is empty; `solon init` writes a {what} to begin with")
    reading = _Reading({(): 1})
    data = reading.value(node, ())
    return Document(name, text, data, reading.lines, tuple(reading.problems))


def read_text(path: Path | Traversable, *, wanted: str, instead: str) -> str:
    """Read a file that a person wrote; errors say that `wanted` should be given, or what to do `instead`.

    Raises:
        UsageError: it is a folder, is missing, cannot be read, or is not UTF-8.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; give {wanted}")
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file; {instead}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8 text"
        ) from None


class _Loader(yaml.SafeLoader):
    """Composes nodes whose plain words are read by the core schema of YAML 1.2."""

    yaml_implicit_resolvers = {}  # noqa: RUF012


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     list("-+.0123456789")),
):  # fmt: skip
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


@dataclass
class _Reading:
    """Turns nodes into data, and remembers the line of each place and what is wrong."""

    lines: dict[Place, int]
    problems: list[tuple[int, str]] = field(default_factory=list)

    def value(self, node: yaml.Node, place: Place) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.lines[*place, index] = item.start_mark.line + 1
            return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self.scalar(node, place)

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append((line, f"a key must be a word; {SAFEST}"))
                continue
            key = key_node.value
            if key in data:
                first = self.lines[*place, key]
                self.problems.append((line, f"the key '{key}' stands here again, after line {first}; keep one"))
                continue
            self.lines[*place, key] = line
            data[key] = self.value(value_node, (*place, key))
        return data

    def scalar(self, node: yaml.ScalarNode, place: Place) -> Any:
        line, word = node.start_mark.line + 1, node.value
        if has_half_characters(word):
            self.problems.append((line, "`\\ud800` and its like are halves of a character; write the whole character"))
        if node.style is not None:
            return word
        if word.lower() in ("yes", "no", "on", "off"):
            advice = f'`true` or `false` if that is meant, or "{word}" in quotes if it is text'
            self.problems.append((line, f"`{word}` can be read as a truth value or as text; write {advice}"))
        if not word:
            self.problems.append((line, f"`{place[-1] if place else ''}:` has no value; give one, or remove the line"))
        return _READ.get(node.tag.removeprefix(_TAG), str)(word)


_READ: dict[str, Callable[[str], Any]] = {
    "null": lambda word: None,
    "bool": lambda word: word.lower() == "true",
    "int": int,
    "float": lambda word: float(re.sub(r"\.(?=[a-zA-Z])", "", word)),
}


def _shorthand(text: str) -> tuple[int, str] | None:
    """Find YAML's `&name`, `*name` and `!tag`, which a file for people has no use for and text can begin with."""
    for event in yaml.parse(text, Loader=_Loader):
        name, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if event.start_mark is not None and (name is not None or tag is not None):
            given = tag or f"{'*' if isinstance(event, yaml.AliasEvent) else '&'}{name}"
            return event.start_mark.line + 1, f"`{given}` means something else than text to YAML; {SAFEST}"
    return None


def _syntax(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Say in plain words, and where, why a file is no YAML."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return line, f"character U+{int(error.character):04X} is not allowed in YAML; remove it"
    assert isinstance(error, yaml.MarkedYAMLError)
    problem, context = error.problem or "", error.context or ""
    opened = "quoted scalar" in context or "simple key" in context
    mark = error.context_mark if opened and error.context_mark else error.problem_mark
    line = (mark.line if mark else 0) + 1
    lines = text.splitlines()
    shown = f"`{shortened(lines[line - 1].strip())}`" if line <= len(lines) else "the end of the file"
    if "mapping values" in problem:
        return line, f"{shown}: ': ' inside text is read as a second key; {SAFEST}"
    if "'\\t'" in problem:
        return line, "a tab stands where YAML wants spaces; indent with spaces"
    if "cannot start any token" in problem:
        return line, f"{shown}: text cannot begin with {problem.split()[2]}; {SAFEST}"
    if "alphabetic or numeric" in problem:
        return line, f"{shown}: text cannot begin with '*', '&' or '!'; {SAFEST}"
    if "quoted scalar" in context:
        return line, f"{shown}: a quote is opened here and never closed; close it, or {SAFEST}"
    if "simple key" in context:
        return line, f"{shown}: is neither `key: value` nor indented as part of the text above; {SAFEST}"
    if "single document" in context:
        return line, "a second document begins here; keep one, without `---` in between"
    return line, f"{shown}: cannot be read here ({problem}); look for a missing quote or wrong indentation, or {SAFEST}"


def has_half_characters(text: str) -> bool:
    """Whether a text has characters that UTF-8 cannot hold; JSON and YAML can spell them."""
    return re.search("[\ud800-\udfff]", text) is not None


class _Writer(yaml.SafeDumper):
    """Writes strings so that a reader of YAML 1.1 or 1.2 has them back as they are."""


_Writer.add_implicit_resolver(  # plain words that `read_yaml` takes for numbers, and those it refuses
    _TAG + "float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"), list("-+.0123456789")
)
_Writer.add_implicit_resolver(_TAG + "bool", re.compile(r"^(yes|no|on|off)$", re.IGNORECASE), list("yYnNoO"))
_Writer.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        _TAG + "str", text, style='"' if re.search("[\r\x85\u2028\u2029]", text) else None
    ),
)  # which PyYAML would write as they stand, and read as other line breaks


def written(data: Any) -> str:
    """Data as YAML that `read_yaml` reads as the same data."""
    return str(yaml.dump(data, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120))


def shortened(text: str) -> str:
    """The text on one line of at most 60 characters, for a message."""
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
