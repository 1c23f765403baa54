"""What would go wrong with a constitution that loads: said before a run spends hours on it.

These are questions of wording that a program can ask, and no more; whether the principles are good ones is not.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from solon.constitution.schema import Constitution, Principle

FIELDS = ("critique_request", "revision_request", "comparison_request")
NEARLY_THE_SAME = 0.9
"""The share of words in common, difflib's ratio in [0, 1], above which two wordings are near-duplicates."""

AGAINST_REFUSING = (
    r"(?:\b(?:less|least|not|non|never|without|avoid\w*|too|over\w*)|n['’]t)\b\W+(?:\w+\W+){0,6}?"
    r"(?:evasi|evad|preach|lectur|morali[sz]|judg|condescend|dismissive|closed|reacti|react|cautious|refus|unhelpful)"
    r"|\b(?:more|most|as)\W+(?:(?!less|least)\w+\W+){0,3}?(?:engag|helpful|attentive|open\b|useful)"
)
"""How a principle tells against answers that avoid, preach, or refuse what is fine, or for those that engage."""
SLOT = r"\{[a-z_]*\}|<[a-z_ ]+>|\[[A-Z_ ]+\]|\bTODO\b"
"""What looks like a template's slot."""


@dataclass(frozen=True)
class Finding:
    """One thing to mend. With an error a whole run cannot finish; a warning says what the run is likely to become."""

    severity: Literal["error", "warning"]
    where: str
    """The principle and field, or "the constitution"."""
    message: str
    fix: str


def lint(constitution: Constitution) -> list[Finding]:
    """Return what is likely to go wrong, errors first."""
    found = [*_stages(constitution), *_drift(constitution), *_duplicates(constitution)]
    found += [finding for principle in constitution.principles for finding in _wording(principle)]
    return sorted(found, key=lambda finding: finding.severity)


def _stages(constitution: Constitution) -> Iterator[Finding]:
    where = "the constitution"
    if not constitution.for_revision:
        message = "no principle has a revision_request: the supervised stage has nothing to revise by"
        yield Finding("error", where, message, "add a critique_request and a revision_request to a principle")
    if not constitution.for_comparison:
        message = "no principle has a comparison_request: the reinforcement stage has nothing to compare by"
        yield Finding("error", where, message, "add a comparison_request to a principle")
    direct = [p.id for p in constitution.for_revision if p.critique_request is None]
    if direct and len(direct) < len(constitution.for_revision):
        message = f"some principles revise without a critique, the others with one: {', '.join(direct)}"
        yield Finding("warning", where, message, "give all of them a critique_request, or none")


def _drift(constitution: Constitution) -> Iterator[Finding]:
    """Section 4.3 of the paper: trained too long on harmlessness alone, a model preaches and falls into boilerplate."""
    wordings = _wordings(constitution, "comparison_request").values()
    if wordings and not any(re.search(AGAINST_REFUSING, text, re.IGNORECASE) for text in wordings):
        message = (
            "no comparison_request tells against preachy, evasive or unhelpful answers: the model may come to refuse"
        )
        fix = "add a principle that prefers the less preachy, the less evasive or the more helpful response"
        yield Finding("warning", "the constitution", message, fix)


def _duplicates(constitution: Constitution) -> Iterator[Finding]:
    for field in FIELDS:
        for (first, one), (second, other) in combinations(_wordings(constitution, field).items(), 2):
            matcher = difflib.SequenceMatcher(None, _words(one), _words(other), autojunk=False)
            if matcher.quick_ratio() > NEARLY_THE_SAME and matcher.ratio() > NEARLY_THE_SAME:
                message = f"says nearly the same as that of '{first}', which together count double"
                yield Finding("warning", f"{second}.{field}", message, "reword or remove one, or use `weight` if meant")


def _wording(principle: Principle) -> Iterator[Finding]:
    critique, revision = principle.critique_request, principle.revision_request
    if critique and revision and _words(critique) == _words(revision):
        message = "is the same text as the critique_request: the model would criticise twice and revise never"
        yield Finding("warning", f"{principle.id}.revision_request", message, "ask it to rewrite the response")
    for field in FIELDS:
        if slot := re.search(SLOT, getattr(principle, field) or ""):
            message = f"contains {slot.group()}, and nothing is filled in there: the model sees it as it stands"
            yield Finding(
                "warning", f"{principle.id}.{field}", message, "word it without; Solon shows the conversation"
            )


def _wordings(constitution: Constitution, field: str) -> dict[str, str]:
    return {p.id: text for p in constitution.principles if (text := getattr(p, field)) is not None}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
