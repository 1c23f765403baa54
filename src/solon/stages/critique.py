"""Critique and revise: a helpful model says what is wrong with its own response, and mends it (paper, section 3.1).

Each step draws its own principle, independently and with replacement (264 published draws fit that, PAPER fact 2), and
sees the prompt and the latest response only, no earlier critique. Where we differ from the paper:
1. A principle may have a weight; the paper draws uniformly.
2. A principle that has no critique request is revised by directly, as all are without critiques (section 3.5).
3. An answer that was cut or is empty ends its row, with a reason; the paper does not say what it did.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from solon import prompts
from solon.chains import Chain, Failed, Sampling, generate
from solon.constitution.schema import Principle
from solon.errors import UsageError
from solon.records import Conversation, Prompt, Revision, Step, draw_seed, rng


@dataclass(frozen=True)
class CritiqueConfig:
    """Settings of `critique_and_revise`."""

    num_revisions: int = 4
    """ "4 critique-revision pairs per prompt" (section 3.2)."""
    critique: bool = True
    """False revises directly, without a critique (section 3.5)."""
    max_tokens: int = 512
    """The longest answer; the paper does not say. What is cut there is dropped."""
    temperature: float = 1.0
    """ "We always sample at temperature T = 1" (section 3.2)."""
    seed: int = 0
    """Decides principles and answers."""


def critique_and_revise(prompt: Prompt, *, principles: Sequence[Principle], config: CritiqueConfig) -> Chain[Revision]:
    """Answer `prompt` and, if it is a red-team prompt, revise the answer step by step.

    A helpful prompt is answered only. A dropped row keeps the steps that went well.

    Raises:
        UsageError: no principle has a revision request.
    """
    usable = [principle for principle in principles if principle.revision_request is not None]
    if not usable:
        raise UsageError("No principle of the constitution has a revision_request; add one, or leave out this stage.")
    row: Revision = {**prompt, "response": "", "steps": [], "flaws": []}
    try:
        seed = draw_seed(config.seed, prompt["id"], 0, "response")
        row["response"] = yield from _answer("response", prompt["prompt"], config=config, seed=seed)
        response = row["response"]
        for number in range(1, config.num_revisions + 1 if prompt["kind"] == "red-team" else 1):
            weights = [principle.weight for principle in usable]
            principle = rng(config.seed, prompt["id"], number, "principle").choices(usable, weights)[0]
            step = yield from _step(prompt, response, principle=principle, number=number, config=config)
            row["steps"].append(step)
            response = step["revision"]
    except Failed as failed:
        row["drop_reason"] = str(failed)
    return row


def _step(prompt: Prompt, response: str, *, principle: Principle, number: int, config: CritiqueConfig) -> Chain[Step]:
    """The `number`-th (from 1) critique and revision."""
    critique = None
    if config.critique and principle.critique_request is not None:
        asked = prompts.critique(prompt["prompt"], response, principle.critique_request)
        seed = draw_seed(config.seed, prompt["id"], number, "critique")
        critique = yield from _answer(f"critique {number}", asked, config=config, seed=seed)

    told = None if critique is None else (principle.critique_request or "", critique)
    asked = prompts.revision(prompt["prompt"], response, critique=told, request=principle.revision_request or "")
    seed = draw_seed(config.seed, prompt["id"], number, "revision")
    revision = yield from _answer(f"revision {number}", asked, config=config, seed=seed)
    return {"principle": principle.id, "critique": critique, "revision": revision}


def _answer(what: str, asked: Conversation, *, config: CritiqueConfig, seed: int) -> Chain[str]:
    completion = yield from generate(asked, Sampling(config.max_tokens, config.temperature), seed)
    if completion.flaw is not None:
        raise Failed(f"{what} {completion.flaw}")
    return completion.text.strip()
