"""How long prompts are before there is a conversation in them: requests, hard constraints and all the examples."""

import random
from collections.abc import Callable, Iterable, Iterator

from solon import prompts
from solon.chains import Asked
from solon.constitution import exemplars
from solon.constitution.exemplars import ExemplarsConfig
from solon.constitution.schema import Constitution, Principle
from solon.prompts import FORMS, FormName
from solon.records import user

NOTHING = [user("")]
RESPONSES = ("", "")


def longest(
    constitution: Constitution, *, count: Callable[[Asked], int], forms: Iterable[FormName] = ("chat", "transcript")
) -> dict[str, tuple[int, str]]:
    """By the id of each principle, the `count` of its longest prompt and which that is, e.g. "revision, as chat"."""
    found: dict[str, tuple[int, str]] = {}
    forms = tuple(forms)
    for principle in constitution.principles:
        lengths = [
            (count(asked), f"{what}, as {form}")
            for form in forms
            for what, asked in _prompts(constitution, principle, form)
        ]
        found[principle.id] = max(lengths)
    return found


def _prompts(constitution: Constitution, principle: Principle, name: FormName) -> Iterator[tuple[str, Asked]]:
    """What is asked under a principle about an empty conversation, with all examples."""
    form, rules = FORMS[name], constitution.hard_constraints
    config, draw = ExemplarsConfig(), random.Random(0)
    critique = None
    if principle.revision_request is not None:
        shown = exemplars.revisions(constitution, principle, config=config, draw=draw)
        if principle.critique_request is not None:
            request = prompts.critique_request(principle.critique_request, rules)
            critique = request, ""
            yield "critique", form.critique(NOTHING, "", request, exemplars=shown)
        request = prompts.revision_request(principle.revision_request, rules)
        yield "revision", form.revision(NOTHING, "", critique=critique, request=request, exemplars=shown)
    if principle.comparison_request is not None:
        told = _wordiest(constitution)
        request = prompts.comparison_request(principle.comparison_request, rules)
        compared = exemplars.comparisons(told, principle, config=config, draw=draw)
        yield "comparison", form.comparison(NOTHING, RESPONSES, request, exemplars=compared)
        reasoned = exemplars.reasonings(told, principle, config=config, draw=draw, verbatim=name == "transcript")
        asked = form.reasoning(NOTHING, RESPONSES, request, exemplars=reasoned)
        yield "comparison after reasoning", form.read_out(asked, "")


def _wordiest(constitution: Constitution) -> Constitution:
    """With the principle alone whose request is the longest: examples that all share are asked about under any."""
    principle = max(constitution.for_comparison, key=lambda each: len(each.comparison_request or ""))
    return constitution.model_copy(update={"principles": (principle,)})
