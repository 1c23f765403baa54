"""Critique and revise: a helpful model says what is wrong with its own response, and mends it (paper, section 3.1).

Each step draws its own principle, independently and with replacement (264 published draws fit that, PAPER fact 2), and
sees the prompt and the latest response only, no earlier critique. Where we differ from the paper:
1. A principle may have a weight; the paper draws uniformly. It may have examples of its own, shown before its requests.
2. A principle that has no critique request is revised by directly, as all are without critiques (section 3.5).
3. What is wrong with an answer is found by rule, counted, and mended or dropped by a policy (`flaws`); the paper does
   not say what it did.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from solon import prompts
from solon.chains import Asked, Chain, Failed, Sampling, generate
from solon.constitution import exemplars
from solon.constitution.exemplars import ExemplarsConfig
from solon.constitution.schema import Constitution, Principle
from solon.errors import UsageError
from solon.prompts import Form, FormChoice
from solon.records import Prompt, Revision, Step, draw_seed, rng
from solon.stages import flaws
from solon.stages.flaws import FlawPolicies


@dataclass(frozen=True)
class CritiqueConfig:
    """Settings of `critique_and_revise`."""

    num_revisions: int = 4
    """ "4 critique-revision pairs per prompt" (section 3.2)."""
    critique: bool = True
    """False revises directly, without a critique (section 3.5)."""
    num_helpful_responses: int = 1
    """Answers to each helpful prompt, which are not revised. The paper: 2 (section 3.2)."""
    stop_early: bool = False
    """End at a critique that finds nothing wrong; the paper goes on. What comes after it is one text in many copies."""
    exemplars: ExemplarsConfig = field(default_factory=ExemplarsConfig)
    form: FormChoice = "auto"
    """How to ask: in "chat" turns, or in the paper's "transcript"; "auto" takes what suits the model."""
    flaws: FlawPolicies = field(default_factory=FlawPolicies)
    max_tokens: int = 512
    """The longest answer; the paper does not say."""
    temperature: float = 1.0
    """ "We always sample at temperature T = 1" (section 3.2)."""
    seed: int = 0
    """Decides principles and answers."""


@dataclass(frozen=True)
class _Asking:
    """A row, and what every question of it needs."""

    row: Revision
    constitution: Constitution
    config: CritiqueConfig
    form: Form


def critique_and_revise(prompt: Prompt, *, constitution: Constitution, config: CritiqueConfig) -> Chain[Revision]:
    """Answer `prompt` and, if it is a red-team prompt, revise the answer step by step.

    A helpful prompt is answered only. A dropped row keeps the steps that went well.

    Raises:
        UsageError: no principle has a revision request.
    """
    usable = constitution.for_revision
    if not usable:
        raise UsageError("No principle of the constitution has a revision_request; add one, or leave out this stage.")
    row: Revision = {**prompt, "response": "", "steps": [], "flaws": flaws.of_prompt(prompt["prompt"])}
    if row["drop_reason"] is not None:
        return row
    asking = _Asking(row, constitution, config, prompts.form(config.form))
    try:
        row["response"] = yield from _answer(asking, asking.form.response(prompt["prompt"]), number=0, what="response")
        response = row["response"]
        for number in range(1, config.num_revisions + 1 if prompt["kind"] == "red-team" else 1):
            principle = exemplars.draw_principle(usable, rng(config.seed, prompt["id"], number, "principle"))
            step, is_fine = yield from _step(asking, response, principle=principle, number=number)
            row["steps"].append(step)
            if is_fine:
                break
            response = step["revision"]
    except Failed as failed:
        row["drop_reason"] = str(failed)
    return row


def repeated(rows: Sequence[Prompt], times: int) -> list[Prompt]:
    """The prompts, helpful ones so many times, each with an id of its own."""
    return [
        {**prompt, "id": prompt["id"] if number == 1 else f"{prompt['id']}#{number}"}
        for prompt in rows
        for number in range(1, (times if prompt["kind"] == "helpful" else 1) + 1)
    ]


def _step(asking: _Asking, response: str, *, principle: Principle, number: int) -> Chain[tuple[Step, bool]]:
    """The `number`-th (from 1) critique and revision; and whether the row ends there, as it is fine and not revised."""
    row, config, form = asking.row, asking.config, asking.form
    draw = rng(config.seed, row["id"], number, "exemplars")
    shown = exemplars.revisions(asking.constitution, principle, config=config.exemplars, draw=draw)
    rules = asking.constitution.hard_constraints
    told = None
    if config.critique and principle.critique_request is not None:
        request = prompts.critique_request(principle.critique_request, rules)
        asked = form.critique(row["prompt"], response, request, exemplars=shown)
        critique = yield from _answer(asking, asked, number=number, what="critique", check=flaws.of_critique)
        if config.stop_early and flaws.finds_nothing(critique):
            return {"principle": principle.id, "critique": critique, "revision": response}, True
        told = request, critique

    request = prompts.revision_request(principle.revision_request or "", rules)
    asked = form.revision(row["prompt"], response, critique=told, request=request, exemplars=shown)
    check = partial(
        flaws.of_revision,
        response=response,
        critique=told[1] if told else None,
        exemplars=[example.revision for example in shown],
    )
    revision = yield from _answer(asking, asked, number=number, what="revision", check=check)
    return {"principle": principle.id, "critique": told[1] if told else None, "revision": revision}, False


def _answer(
    asking: _Asking, asked: Asked, *, number: int, what: str, check: Callable[[str], list[str]] = lambda text: []
) -> Chain[str]:
    """One answer, trimmed; what was wrong with it goes into the row.

    Raises:
        Failed: a flaw of it costs the row.
    """
    row, config = asking.row, asking.config
    seed = draw_seed(config.seed, row["id"], number, what)
    sampling = Sampling(config.max_tokens, config.temperature, stop=asking.form.STOP)
    completion = yield from generate(asked, sampling, seed)
    found = [*flaws.of_any(completion), *check(completion.text)]
    text = flaws.trimmed(completion.text, found, config.flaws)
    if not text and "empty" not in found:
        found.append("empty")
    name = f"{what} {number}" if number else what
    row["flaws"] += [f"{name} {flaws.WORDS[flaw]}" for flaw in found]
    if (worst := flaws.dropped(found, config.flaws)) is not None:
        raise Failed(f"{name} {flaws.WORDS[worst]}")
    return text
