"""Pairs of responses of which it is known which is better, for the audit of a feedback model."""

import json
from collections.abc import Iterator

from solon.constitution.schema import Constitution, Exemplars
from solon.errors import UsageError
from solon.evaluate.audit import Known
from solon.recipe.comparison_file import read_comparisons
from solon.recipe.schema import SANDBOX
from solon.records import rng


def known_pairs(source: str | None, constitution: Constitution, *, most: int, seed: int) -> list[Known]:
    """Up to `most` pairs of a source, each of a prompt of its own, drawn by the seed.

    None takes the constitution's own examples: comparisons, and revisions beside what they revise. "sandbox" are pairs
    of which its oracle is sure. Else a file or data set as `human_comparisons` takes it.

    Raises:
        UsageError: there are none.
    """
    if source == SANDBOX:
        found = _of_sandbox(constitution, most=most, seed=seed)
    elif source is not None:
        found = _of_people(source, seed=seed)
    else:
        found = _of_examples(constitution)
    pairs = list({json.dumps(each.prompt): each for each in found}.values())
    if not pairs:
        raise UsageError(
            f"{source or f'the constitution {constitution.name}'} has no pair of responses to a prompt of which one is "
            "known to be better, which an audit needs; add exemplars to the principles that compare, or give a file of "
            "prompt, chosen and rejected"
        )
    rng(seed, "audit").shuffle(pairs)
    return pairs[:most]


def _of_examples(constitution: Constitution) -> Iterator[Known]:
    sets: list[tuple[str | None, Exemplars]] = [(None, constitution.exemplars)]
    for name, exemplars in [*sets, *((each.id, each.exemplars) for each in constitution.for_comparison)]:
        place = name or "shared"
        for number, it in enumerate(exemplars.comparisons, 1):
            better, worse = it.responses if it.better == "A" else reversed(it.responses)
            yield Known(f"{place}-comparison-{number}", it.conversation, better, worse, name)
        for number, each in enumerate(exemplars.revisions, 1):
            if each.revised != each.response:
                yield Known(f"{place}-revision-{number}", each.conversation, each.revised, each.response, name)


def _of_people(source: str, *, seed: int) -> Iterator[Known]:
    for row in read_comparisons(source, first=None, seed=seed).rows:
        if row["drop_reason"] is None:
            first, second = row["responses"]
            better, worse = (first, second) if row["probability"] == 1 else (second, first)
            yield Known(row["id"], row["prompt"], better, worse)


def _of_sandbox(constitution: Constitution, *, most: int, seed: int) -> Iterator[Known]:
    """Responses to seen requests, each under a principle that the sandbox has words for."""
    from solon.sandbox import documents, principles, requests
    from solon.sandbox.examine import CLEAR, truth
    from solon.sandbox.world import prompts

    usable = [
        (each.id, wanted)
        for each in constitution.for_comparison
        if (wanted := principles.read(each.comparison_request or ""))
    ]
    draw = rng(seed, "audit", "sandbox")
    for prompt in prompts("red-team", n=most, seed=seed) if usable else ():
        request = requests.read(prompt["prompt"][0]["content"])
        if request is None:
            continue
        principle, wanted = draw.choice(usable)
        first = 0.5
        while max(first, 1 - first) < CLEAR:
            pair = documents.two_responses(request, draw)
            first = truth(request, pair, wanted)
        better, worse = pair if first > 0.5 else reversed(pair)
        yield Known(prompt["id"], prompt["prompt"], better, worse, principle)
