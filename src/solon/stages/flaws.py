"""What goes wrong with critiques and revisions, found by rule and dealt with by a policy.

Why the paper shows few-shots: the model confuses its points of view, criticises where it should revise and the other
way round (section 3.1). Of the 264 published revisions one carries a tag of the prompt. None of these rules reads
meaning; what they find is counted, so that a rule that is wrong for a model is seen.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from solon.chains import Completion
from solon.constitution.markers import TAGS, markers_in
from solon.records import Comparison, Conversation, Pair, Revision

Policy = Literal["keep", "trim", "drop"]
"""Keep the text as it is; cut the flaw away; or end the row with the flaw as its reason."""


@dataclass(frozen=True)
class FlawPolicies:
    """What is done with each flaw. Whatever is kept or trimmed is named in the row's `flaws`."""

    cut: Literal["keep", "drop"] = "drop"
    """The text ends at max_tokens. A model that learns from cut texts learns not to end."""
    empty: Literal["drop"] = "drop"
    """There is no text."""
    unchanged: Literal["keep", "drop"] = "keep"
    """The revision is the response. Where nothing was wrong that is right, and models must see it."""
    copied_critique: Literal["keep", "drop"] = "drop"
    """The revision is the critique, or begins with most of it."""
    copied_exemplar: Literal["keep", "drop"] = "drop"
    """The revision is that of an example that was shown, or begins with most of it."""
    scaffold: Policy = "trim"
    """The revision begins by announcing itself: "Here is the revised response:"."""
    tags: Policy = "trim"
    """The text goes on with, or begins with, a tag of the transcript: "Human:", "Revision:"."""
    refusal: Literal["keep", "drop"] = "keep"
    """The critic declines to criticise. What it then revises may be good all the same."""


WORDS = {
    "cut": "cut at max_tokens",
    "empty": "empty",
    "unchanged": "unchanged",
    "copied_critique": "copies the critique",
    "copied_exemplar": "copies an example",
    "scaffold": "announces itself",
    "tags": "has a tag",
    "refusal": "is a refusal",
}
"""How a flaw is told: "revision 2 copies the critique"."""
BECAME = {"keep": "kept", "trim": "trimmed", "drop": "dropped"}
"""What became of an answer by what its flaw's policy says: the text stays, the flaw is cut away, the row ends."""
_TAG = "(?:" + "|".join(TAGS) + r"):"
_BEGINS_WITH_TAG = re.compile(rf"\A\s*(?:{_TAG}\s*)+")
_GOES_ON_WITH_TAG = re.compile(rf"\n\s*{_TAG}")
_SCAFFOLD = re.compile(
    r"\s*(?:(?:sure|certainly|of course|okay|ok|absolutely)[,.!:]?\s+)?(?:here(?: is|['’]s|\s+are)|below is|this is)\s+"
    r"(?:an?|the|my|your)?\s*(?:\w+[\s,-]+){0,4}?(?:revis\w+|rewrit\w+|rewrote|improved|updated|new|better|corrected)\b"
    r"[^\n:]{0,80}:\s*",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\s*(?:i['’]?m sorry|i am sorry|sorry|i apologi[sz]e|as an ai"
    r"|i (?:can(?:no|['’])t|am unable|am not able|won['’]t))",
    re.IGNORECASE,
)
_NOTHING_WRONG = re.compile(
    r"\b(?:no (?:\w+ ){0,2}(?:problems?|issues?|harm|changes?|flaws?|faults?|need to)\b|nothing (?:\w+ ){0,2}"
    r"(?:wrong|harmful|problematic|to (?:change|fix|improve|revise|criticis\w+|criticiz\w+))"
    r"|is (?:perfectly |already |quite )?(?:fine|good|appropriate|harmless)\b(?! but))",
    re.IGNORECASE,
)
SAME = 0.9
"""The share of a critique's words, in order, with which a revision that copies it begins."""


def finds_nothing(critique: str) -> bool:
    """Whether a critique says that there is nothing to mend; by its first sentence alone."""
    first = re.split(r"(?<=[.!?])\s", critique.strip(), maxsplit=1)[0]
    return _NOTHING_WRONG.search(first) is not None


def of_prompt(prompt: Conversation) -> list[str]:
    """What a prompt contains that would mean something in a prompt of Solon's; there it is text."""
    said = "\n\n".join(turn["content"] for turn in prompt)
    return [f"prompt contains {marker}" for marker in markers_in(said)]


def of_pair(pair: Pair) -> list[str]:
    """The same of a prompt and the responses that are quoted beside one another in a comparison."""
    answers = [
        f"response {number} contains {marker}"
        for number, response in enumerate(pair["responses"], 1)
        for marker in markers_in(response)
    ]
    return of_prompt(pair["prompt"]) + answers


def unfit(pair: Pair) -> str | None:
    """Why two responses cannot be compared, if they cannot."""
    responses = pair["responses"]
    if len(responses) != 2:
        return f"{len(responses)} responses"
    empty = [number for number, response in enumerate(responses, 1) if not response.strip()]
    if empty:
        return f"response {empty[0]} empty"
    return "identical responses" if responses[0] == responses[1] else None


def refuses(text: str) -> bool:
    """Whether a text begins by declining what was asked for."""
    return _REFUSAL.match(text) is not None


def of_any(completion: Completion) -> list[str]:
    """What is wrong with any text that was asked for."""
    found = ["cut"] if completion.finish_reason == "length" else []
    if not completion.text.strip():
        return [*found, "empty"]
    return found + (["tags"] if _tags(completion.text) else [])


def of_critique(text: str) -> list[str]:
    """What is wrong with a critique beside that."""
    return ["refusal"] if refuses(text) else []


def of_revision(text: str, *, response: str, critique: str | None, exemplars: Iterable[str] = ()) -> list[str]:
    """What is wrong with a revision of `response` beside that; `exemplars` are the revisions of those shown."""
    found = ["unchanged"] if text.strip() == response.strip() else []
    if critique is not None and _copies(text, critique):
        found.append("copied_critique")
    if not found and any(_copies(text, exemplar) for exemplar in exemplars):
        found.append("copied_exemplar")
    return found + (["scaffold"] if _SCAFFOLD.match(text) else [])


def trimmed(text: str, flaws: list[str], policies: FlawPolicies) -> str:
    """The text without what a policy cuts away."""
    cuts: Mapping[str, Callable[[str], str]] = {"tags": _without_tags, "scaffold": _without_scaffold}
    for flaw, policy in asdict(policies).items():
        if flaw in flaws and policy == "trim":
            text = cuts[flaw](text)
    return text.strip()


def dropped(flaws: list[str], policies: FlawPolicies) -> str | None:
    """The flaw that costs the row, if any."""
    return next((flaw for flaw in flaws if getattr(policies, flaw) == "drop"), None)


def counted(rows: Iterable[Revision | Comparison], policies: FlawPolicies) -> dict[str, dict[str, int]]:
    """How often each flaw was found, whatever its number, and what became of it; what a text contains is kept."""
    found: dict[str, Counter[str]] = {}
    for flaw in (flaw for row in rows for flaw in row["flaws"]):
        policy = next((getattr(policies, key) for key, words in WORDS.items() if flaw.endswith(words)), "keep")
        found.setdefault(re.sub(r" \d+ ", " ", flaw), Counter())[BECAME[policy]] += 1
    return {flaw: dict(counts) for flaw, counts in sorted(found.items(), key=lambda it: -it[1].total())}


def _tags(text: str) -> bool:
    return bool(_BEGINS_WITH_TAG.match(text) or _GOES_ON_WITH_TAG.search(text))


def _without_tags(text: str) -> str:
    return _GOES_ON_WITH_TAG.split(_BEGINS_WITH_TAG.sub("", text), maxsplit=1)[0]


def _without_scaffold(text: str) -> str:
    told = _SCAFFOLD.sub("", text, count=1).strip()
    quoted = len(told) > 1 and told[0] == told[-1] == '"' and '"' not in told[1:-1]
    return told[1:-1] if quoted else told


def _copies(text: str, critique: str) -> bool:
    words, told = text.split(), critique.split()
    begins = max(1, round(SAME * len(told)))
    return len(told) >= 4 and words[:begins] == told[:begins]
