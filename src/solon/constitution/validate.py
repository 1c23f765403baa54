"""What a person wrote, turned into a pydantic model or dataclass; what cannot be is told by line, in plain words."""

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from solon.constitution.yaml_file import SAFEST, Document, Place, shortened
from solon.errors import UsageError

T = TypeVar("T")

MOST_REPORTED = 20


def validated(document: Document, kind: type[T], *, also: Iterable[tuple[int, str]] = ()) -> T:
    """Turn a document into a `kind`: a pydantic model or a dataclass that forbids unknown keys.

    Nothing is converted on the way: `"3"` is no number and `true` is not 1. `also` are problems that the caller found.

    Raises:
        UsageError: every problem of the file, a line each.
    """
    adapter = TypeAdapter(kind)
    problems = [*document.problems, *also]
    value: T | None = None
    try:
        value = adapter.validate_json(json.dumps(document.data), strict=True)
    except ValidationError as error:
        schema = adapter.json_schema()
        known = {line for line, _ in problems}
        found = [_problem(detail, document, schema) for detail in _causes(error.errors(), whole=not problems)]
        problems += [(line, message) for line, message in found if line not in known]
    if problems or value is None:
        raise UsageError(_report(document.name, problems))
    return value


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that looks most like `name`: "; did you mean 'critique'?", or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _report(name: str, problems: Sequence[tuple[int, str]]) -> str:
    told = [f"{name}:{line}: {message}" if line else f"{name}: {message}" for line, message in sorted(set(problems))]
    if len(told) > MOST_REPORTED:
        told = [*told[:MOST_REPORTED], f"{name}: and {len(told) - MOST_REPORTED} more"]
    return "\n".join(told)


def _causes(details: Sequence[ErrorDetails], *, whole: bool) -> list[ErrorDetails]:
    """Leave out what follows from another error: a list is "empty" when its items fail, a `whole` when its parts do."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if not (detail["type"] == "too_short" and any(_inside(place, detail["loc"]) for place in places))
        and (detail["loc"] or whole)
    ]


def _inside(place: Place, outer: Place) -> bool:
    return len(place) > len(outer) and place[: len(outer)] == outer


def _problem(detail: ErrorDetails, document: Document, schema: Mapping[str, Any]) -> tuple[int, str]:
    """One error of pydantic's as (line, message)."""
    place = _written(detail["loc"], document.data)
    known = next((place[:end] for end in range(len(place), -1, -1) if place[:end] in document.lines), ())
    keys = partial(_keys, schema, tuple(detail["loc"][:-1]))
    return document.lines[known], _message(detail, _told(place, document.data), keys)


def _written(place: Place, data: Any) -> Place:
    """A place without the numbers of items where one thing was written in place of a list."""
    told: list[str | int] = []
    for step in place:
        if isinstance(step, int) and not isinstance(data, list):
            continue
        told.append(step)
        data = _within(data, step)
    return tuple(told)


def _message(detail: ErrorDetails, where: str, keys: Callable[[], list[str]]) -> str:
    given = _given(detail["input"])
    limits = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            name = str(detail["loc"][-1])
            return f"unknown key {where}{nearest(name, keys()) or ';'} the keys here are {', '.join(keys())}"
        case "missing" | "missing_argument":
            return f"{where} is missing; add it"
        case "string_type" if isinstance(detail["input"], dict):
            return f"{where} is {given}, not text (': ' inside text makes it a key); {SAFEST}"
        case "string_type":
            return f"{where} is {given}, not text; put it in quotes"
        case "too_short" | "too_long" if limits.get("actual_length"):
            bound = "at least" if detail["type"] == "too_short" else "at most"
            number = limits.get("min_length", limits.get("max_length"))
            return f"{where} has {limits['actual_length']}; give {bound} {number}"
        case "string_too_short" | "too_short":
            return f"{where} is empty; give at least {limits.get('min_length', 1)}"
        case "greater_than_equal":
            return f"{where} is {given}; it must be at least {limits['ge']:g}"
        case "string_pattern_mismatch":
            return f"{where} is {given}; use lower-case letters, digits and hyphens"
        case "literal_error":
            return f"{where} is {given}; it must be {limits['expected']}"
        case "value_error":
            return f"{where} {limits['error']}"
        case kind if kind.endswith("_type") and kind[:-5] in _NEEDED:
            return f"{where} is {given}; {_NEEDED[kind[:-5]]} is needed"
    return f"{where} is {given}; {detail['msg'].replace('Input should', 'it must')}"


_NEEDED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "`true` or `false`",
    "tuple": "a list, e.g. `[one, another]`,",
    "list": "a list, e.g. `[one, another]`,",
    "model": "a mapping of `key: value` lines",
    "dataclass": "a mapping of `key: value` lines",
    "dict": "a mapping of `key: value` lines",
}


def _keys(schema: Mapping[str, Any], place: Place) -> list[str]:
    """The keys that a JSON schema knows at a place."""
    here = _plain(schema, schema)
    for step in place:
        key = "items" if isinstance(step, int) else "properties"
        within = [each[key] if isinstance(step, int) else each[key].get(step, {}) for each in here if key in each]
        here = [plain for each in within for plain in _plain(each, schema)]
    return [key for each in here for key in each.get("properties", {})]


def _plain(here: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A part of a schema without references; several where it may be one thing or another."""
    if "$ref" in here:
        return _plain(schema["$defs"][here["$ref"].split("/")[-1]], schema)
    return [plain for each in here["anyOf"] for plain in _plain(each, schema)] if "anyOf" in here else [here]


def _told(place: Place, data: Any) -> str:
    """A place as a person would point to it: "principles[no-harm].weight", or "[2]" where an item has no id."""
    told = ""
    for step in place:
        data = _within(data, step)
        if isinstance(step, int):
            name = data.get("id") if isinstance(data, dict) else None
            told += f"[{name if isinstance(name, str) else step + 1}]"
        else:
            told += f".{step}" if told else step
    return told or "the file"


def _within(data: Any, step: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(step)
    return data[step] if isinstance(data, list) and isinstance(step, int) and step < len(data) else None


def _given(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "`true`" if value else "`false`"
        case dict():
            return f"a mapping (`{shortened(': '.join(map(str, next(iter(value.items()), ('{', '}')))))}`)"
        case list():
            return f"a list of {len(value)}"
        case str():
            return f"the text '{shortened(value)}'"
    return str(value)
