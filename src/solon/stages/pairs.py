"""Pairs of responses to be compared (paper, section 4.1): two samples of SL-CAI for each prompt.

Where we differ from the paper:
1. A prompt may have more than two responses, of which all pairs are made.
2. Responses may come from several models, and a revision may be set against the response that it revises, as others do.
3. Identical responses have nothing to compare, and a flawed one is not compared; such a pair is kept with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from solon.chains import Chain, Failed, Sampling, generate
from solon.records import Pair, Prompt, Response, Revision, draw_seed, rng


@dataclass(frozen=True)
class PairsConfig:
    """Settings of `sample_pairs`."""

    source: Literal["samples", "revisions"] = "samples"
    """ "revisions" sets the last revision against the first response, and asks no model. A helpful prompt, which has no
    revisions, is sampled all the same."""
    num_responses: int = 2
    """Samples for each prompt; of k, all k(k-1)/2 pairs are labelled. The paper: 2."""
    max_tokens: int = 512
    """The longest response; the paper does not say. What is cut there is dropped."""
    temperature: float = 1.0
    """ "We always sample at temperature T = 1" (section 3.2)."""
    seed: int = 0
    """Decides the responses, no two of which share a seed, and which side a revision stands on."""


def sample_pairs(prompt: Prompt, *, config: PairsConfig) -> Chain[list[Pair]]:
    """Draw `num_responses` responses to `prompt` and make all pairs; end early where no two can be left."""
    responses: list[Response] = []
    for number in range(1, config.num_responses + 1):
        responses.append((yield from sample_numbered(prompt, number=number, config=config)))
        if sum(row["drop_reason"] is not None for row in responses) > config.num_responses - 2:
            break
    return all_pairs(prompt, responses, config=config)


def sample_numbered(prompt: Prompt, *, number: int, config: PairsConfig, model: str = "") -> Chain[Response]:
    """Draw the `number`-th response (from 1) to `prompt`; `model` names who answers."""
    row: Response = {
        "id": prompt["id"],
        "prompt": prompt["prompt"],
        "drop_reason": None,
        "model": model,
        "response": "",
    }
    try:
        seed = draw_seed(config.seed, prompt["id"], number - 1)
        completion = yield from generate(prompt["prompt"], Sampling(config.max_tokens, config.temperature), seed)
        row["response"] = completion.text.strip()
        if completion.flaw is not None:
            raise Failed(f"response {number} {completion.flaw}")
    except Failed as failed:
        row["drop_reason"] = str(failed)
    return row


def all_pairs(prompt: Prompt, responses: Sequence[Response], *, config: PairsConfig) -> list[Pair]:
    """Set each response beside each later one. Where there are several pairs, "p1/1-3" is that of the first and third.

    A response that was not drawn, since too many before were flawed, is paired as if it were flawed too.
    """
    pairs = []
    for numbers in combinations(range(config.num_responses), 2):
        sides = [responses[number] for number in numbers if number < len(responses)]
        pair = _pair(prompt, [side["response"] for side in sides if side["drop_reason"] is None])
        pair["drop_reason"] = next((side["drop_reason"] for side in sides if side["drop_reason"]), pair["drop_reason"])
        if config.num_responses > 2:
            pair["id"] += f"/{numbers[0] + 1}-{numbers[1] + 1}"
        pairs.append(pair)
    return pairs


def with_revision(row: Revision, *, config: PairsConfig) -> Pair:
    """Set the last revision beside the first response, in an order that is drawn."""
    pair = _pair(row, [row["response"], row["steps"][-1]["revision"]])
    pair["revision"] = 2
    if rng(config.seed, row["id"], "order").random() < 0.5:
        pair["responses"].reverse()
        pair["revision"] = 1
    return pair


def _pair(prompt: Prompt, responses: list[str]) -> Pair:
    return {
        "id": prompt["id"],
        "prompt": prompt["prompt"],
        "drop_reason": "identical responses" if len(set(responses)) < len(responses) else None,
        "kind": prompt["kind"],
        "prompt_id": prompt["id"],
        "responses": responses,
        "revision": None,
    }
