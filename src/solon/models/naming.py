"""Which tokens the options of a choice are on a server that says how it splits text, as vLLM's `/tokenize` does.

With these it can be asked how likely each option is, whatever its rank. As of a local model an option has to be one
token after the prefill, and leave the prefill's as they are.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from solon.chains import Choose, Failure
from solon.models.client import Again, Client, GaveUp
from solon.models.completions import Abilities, tokenize_of
from solon.records import user


async def option_ids(
    client: Client, request: Choose, *, model: str, abilities: Abilities, extra: Mapping[str, Any]
) -> tuple[int, ...] | Failure | GaveUp:
    """The token of each option; asked of a short conversation, since what was said turns before changes nothing.

    Raises:
        ModelError: the server splits no text.
    """
    short = replace(request, conversation=[user("?")])
    split: list[list[int]] = []
    for option in ("", *request.options):
        asked = replace(short, prefill=request.prefill + option)
        path, body = tokenize_of(asked, model=model, abilities=abilities, extra=extra)
        found = await client.post(path, body, _tokens)
        if isinstance(found, Failure | GaveUp):
            return found
        split.append(found)
    before, *after = split
    for option, ids in zip(request.options, after, strict=True):
        if not ids or ids[:-1] != before:
            return Failure(
                f"{option!r} is not one token after {request.prefill!r} for {model}, so its probability cannot be read "
                "off; choose options that are, e.g. single letters"
            )
    return tuple(ids[-1] for ids in after)


def _tokens(data: Any) -> list[int] | Again:
    ids = data.get("tokens") if isinstance(data, dict) else None
    if not isinstance(ids, list) or not all(type(id) is int and 0 <= id < 2**31 for id in ids):
        return Again("an answer without tokens")
    return ids
