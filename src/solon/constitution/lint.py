"""What would go wrong with a constitution that loads: said before a run spends hours on it.

These are questions of wording and of form that a program can ask, and no more; whether the principles are good ones is
not. `lint_exemplars` asks those of the examples.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from solon.constitution.finding import Finding, alike, words
from solon.constitution.lint_exemplars import lint_exemplars
from solon.constitution.schema import Constitution, Principle
from solon.records import Conversation

Stage = Literal["supervised", "reinforcement"]
FIELDS = ("critique_request", "revision_request", "comparison_request")

AGAINST_REFUSING = (
    r"(?:\b(?:less|least|not|non|never|without|avoid\w*|too|over\w*)|n['’]t)\b\W+(?:\w+\W+){0,6}?"
    r"(?:evasi|evad|preach|lectur|scold|morali[sz]|judg|condescend|dismissive|closed|reacti|react|cautious|refus|unhelpful)"
    r"|\b(?:more|most|as)\W+(?:(?!less|least)\w+\W+){0,3}?(?:engag|attentive|open\b)"
    r"|(?<!less )(?<!least )(?<!not )\b(?:helpful|useful)\b"
)
"""How a principle tells against answers that avoid, preach, or refuse what is fine, or for those that engage."""
AGAINST_BARE_REFUSALS = (
    AGAINST_REFUSING + r"|\b(?:refus|evad|dodg|lectur|preach)(?:es|ed|ing)\b"
    r"|\bother way\b|\banother way|\balternative|\bsay(?:s|ing)? why|\b(?:to|still|simply|otherwise)\W+help"
    r"|\bkeep\w*\W+(?:\w+\W+){0,4}?(?:good|sound|helps?)\b"
)
"""The same of a critique or revision, which may also name such an answer as a fault, or ask for what can be given."""
ABOUT_HARM = (
    r"harm|hurt|danger|\bsafe|crim|illegal|unlawful|ethic|moral|toxic|racis|sexis|prejud|offens|violen|hate|insult|abus"
    r"|evasi|evad|closed|unhelpful|refus|declin"
)
"""What a principle is about that could make a model refuse: without any of it, nothing draws that way."""
SLOT = r"\{[a-z_]*\}|<[a-z_ ]+>|\[[A-Z_ ]+\]|\bTODO\b"
"""What looks like a template's slot."""

BANS = r"\b(?:not|never|avoid\w*|refrain\w*|without|cannot)\b|\b\w+n['’]t\b"
"""What a statement of what is *not* wanted has."""
PIECES = (
    r"[.;:!?]+|\b(?:but|instead|rather|while|yet|provided)\b"
    r"|(?:,|\band\b)(?!\W*(?:and|or|nor|that)\b)"
    r"(?=(?:[\s'’-]+\w+){3}|\W+(?:answer|be|explain|give|help|is|keep|offer|say|show|speak|stay|tell|use)s?\b)"
)
"""Where one statement ends and another begins; "toxic, racist and violent" is one statement."""
SAYING_NOTHING = frozenset(
    words(
        "a again alone also an and answer answers anything are as assistant be been being best better can change "
        "choose could did do does edit everything for give human in is it its make more most must new of one ones "
        "only or person pick please prefer reply response responses revise rewrite rewritten select should so such "
        "text that the their they this to two was way we what which will with would write you your"
    )
)
"""Words of a request that say neither what is wanted nor what is not."""


@dataclass(frozen=True)
class Room:
    """How long prompts are for a model before there is a conversation in them, and how long they may be."""

    context: int
    """Tokens."""
    taken: Mapping[str, tuple[int, str]]
    """By the id of each principle, the tokens of its longest prompt, and which that is, e.g. "revision, as chat"."""


def lint(
    constitution: Constitution,
    *,
    stages: Collection[Stage] = ("supervised", "reinforcement"),
    eval_prompts: Iterable[Conversation] = (),
    room: Room | None = None,
) -> list[Finding]:
    """Return what is likely to go wrong where these stages are run, errors first.

    `eval_prompts` are those that the trained model will be measured on.
    """
    found = [*_stages(constitution, stages), *_drift(constitution, stages), *_duplicates(constitution)]
    found += [finding for principle in constitution.principles for finding in _wording(principle)]
    found += lint_exemplars(constitution, eval_prompts=eval_prompts)
    found += _room(room) if room else ()
    return sorted(found, key=lambda finding: finding.severity)


def _stages(constitution: Constitution, stages: Collection[Stage]) -> Iterator[Finding]:
    where = "the constitution"
    if "supervised" in stages and not constitution.for_revision:
        message = "no principle has a revision_request: the supervised stage has nothing to revise by"
        yield Finding("error", where, message, "add a critique_request and a revision_request to a principle")
    if "reinforcement" in stages and not constitution.for_comparison:
        message = "no principle has a comparison_request: the reinforcement stage has nothing to compare by"
        yield Finding("error", where, message, "add a comparison_request to a principle")
    used = {*(constitution.for_revision if "supervised" in stages else ())}
    used |= {*(constitution.for_comparison if "reinforcement" in stages else ())}
    for principle in constitution.principles if used else ():
        if principle not in used:
            field = "comparison_request" if principle.revision_request is None else "revision_request"
            message = f"is used by no stage that is run: it has only a {field}"
            yield Finding("warning", principle.id, message, "word it for that stage too, or leave it out")
    direct = [p.id for p in constitution.for_revision if p.critique_request is None]
    if "supervised" in stages and direct and len(direct) < len(constitution.for_revision):
        message = f"some principles revise without a critique, the others with one: {', '.join(direct)}"
        yield Finding("warning", where, message, "give all of them a critique_request, or none")


def _drift(constitution: Constitution, stages: Collection[Stage]) -> Iterator[Finding]:
    """Section 4.3 of the paper: trained too long on harmlessness alone, a model preaches and falls into boilerplate."""
    revising = [text for p in constitution.for_revision for text in (p.critique_request, p.revision_request) if text]
    comparing = [*_wordings(constitution, "comparison_request").values()]
    if "supervised" in stages and _is_one_sided(revising, AGAINST_BARE_REFUSALS):
        message = "no critique_request or revision_request tells against bare refusals: revisions may come to be those"
        fix = "ask one of them to keep what helps, or to say why something is declined and to offer another way"
        yield Finding("warning", "the constitution", message, fix)
    if "reinforcement" in stages and _is_one_sided(comparing, AGAINST_REFUSING):
        message = (
            "no comparison_request tells against preachy, evasive or unhelpful answers: the model may come to refuse"
        )
        fix = "add a principle that prefers the less preachy, the less evasive or the more helpful response"
        yield Finding("warning", "the constitution", message, fix)


def _is_one_sided(wordings: list[str], against: str) -> bool:
    about_harm = any(re.search(ABOUT_HARM, text, re.IGNORECASE) for text in wordings)
    return about_harm and not any(re.search(against, text, re.IGNORECASE) for text in wordings)


def _duplicates(constitution: Constitution) -> Iterator[Finding]:
    for field in FIELDS:
        for (first, one), (second, other) in combinations(_wordings(constitution, field).items(), 2):
            if alike(words(one), words(other)):
                message = f"says nearly the same as that of '{first}', which together count double"
                yield Finding("warning", f"{second}.{field}", message, "reword or remove one, or use `weight` if meant")


def _wording(principle: Principle) -> Iterator[Finding]:
    critique, revision = principle.critique_request, principle.revision_request
    if critique and revision and words(critique) == words(revision):
        message = "is the same text as the critique_request: the model would criticise twice and revise never"
        yield Finding("warning", f"{principle.id}.revision_request", message, "ask it to rewrite the response")
    for field in FIELDS:
        where, text = f"{principle.id}.{field}", getattr(principle, field) or ""
        if slot := re.search(SLOT, text):
            message = f"contains {slot.group()}, and nothing is filled in there: the model sees it as it stands"
            yield Finding("warning", where, message, "word it without; Solon shows the conversation")
        if field != "critique_request" and _only_bans(text):
            message = (
                "says only what is not wanted. People prefer to read what is; models that were tuned on bans kept to "
                "those better (so C3AI, arXiv 2502.15861)"
            )
            yield Finding("warning", where, message, "say what is wanted too, and keep the ban beside it if need be")


def _only_bans(request: str) -> bool:
    """Whether a request says what is not wanted, and nowhere what is."""
    bans = False
    for piece in re.split(PIECES, request.lower()):
        before, *banned = re.split(BANS, piece, maxsplit=1)
        if set(words(before)) - SAYING_NOTHING:
            return False
        bans = bans or bool(banned)
    return bans


def _room(room: Room) -> Iterator[Finding]:
    fix = "shorten the examples, have a recipe show fewer (`exemplars.most`), or take a model that takes more"
    for id, (tokens, what) in room.taken.items():
        told = f"its longest prompt ({what}) has {tokens:,} tokens before there is a conversation in it"
        if tokens >= room.context:
            message = f"{told}, and the model takes {room.context:,}: every row that draws it would be dropped"
            yield Finding("error", id, message, fix)
        elif 2 * tokens > room.context:
            message = f"{told}, more than half of the {room.context:,} that the model takes"
            yield Finding("warning", id, message, fix)


def _wordings(constitution: Constitution, field: str) -> dict[str, str]:
    return {p.id: text for p in constitution.principles if (text := getattr(p, field)) is not None}
