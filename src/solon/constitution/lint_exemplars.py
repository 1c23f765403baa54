"""What would go wrong with the examples of a constitution: what a model learns from them beside what they mean.

A model that is shown a few examples copies whatever they have in common. So what is asked here is whether the better
response always stands first or is always the longer one, whether there is ever nothing to change, whether revisions
only grow; and whether an example is one of those that the trained model is measured on.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from solon.constitution.finding import Finding, alike, words
from solon.constitution.markers import OPTIONS, markers_in
from solon.constitution.schema import ComparisonExemplar, Constitution, Exemplars, Principle, RevisionExemplar
from solon.records import Conversation

LEAST_FOR_A_HABIT = 4
"""Comparisons that all have something in common, from which on it is no chance."""
VERBOSE = 3
"""How many times as long as the responses the revisions shown together may be; those of `harmless` are 1.7 times."""

Exemplar = RevisionExemplar | ComparisonExemplar | str
Placed = list[tuple[str, Exemplar]]
"""Examples, each with where it stands: "no-harm.exemplars.revisions[2]", from 1."""


def lint_exemplars(constitution: Constitution, *, eval_prompts: Iterable[Conversation]) -> Iterator[Finding]:
    """Return what is likely to go wrong with the examples, of which none may ask what `eval_prompts` ask."""
    shared = constitution.exemplars
    revisions, comparisons, transcripts = (_placed(constitution, kind) for kind in Exemplars.model_fields)
    yield from (finding for kind in (revisions, comparisons, transcripts) for finding in _duplicates(kind))
    yield from (finding for where, exemplar in (*revisions, *comparisons) for finding in _markers(where, exemplar))
    yield from _critiques("", shared, constitution.for_revision)
    yield from _revisions("", shared.revisions)
    for principle in constitution.for_revision:
        yield from _critiques(f"{principle.id}.", principle.exemplars, [principle])
        if principle.exemplars.revisions:
            yield from _revisions(f"{principle.id}.", (*shared.revisions, *principle.exemplars.revisions))
    yield from _habits([exemplar for _, exemplar in comparisons if isinstance(exemplar, ComparisonExemplar)])
    yield from _measured_on((*revisions, *comparisons, *transcripts), eval_prompts)


def _placed(constitution: Constitution, kind: str) -> Placed:
    owners = [("", constitution.exemplars), *((f"{each.id}.", each.exemplars) for each in constitution.principles)]
    return [
        (f"{owner}exemplars.{kind}[{number}]", exemplar)
        for owner, exemplars in owners
        for number, exemplar in enumerate(getattr(exemplars, kind), 1)
    ]


def _duplicates(placed: Placed) -> Iterator[Finding]:
    asked = [(where, exemplar, words(_asked(exemplar))) for where, exemplar in placed]
    for (first, one, said), (second, other, also_said) in combinations(asked, 2):
        if one == other:
            message, fix = f"is the same example as {first}", "remove one of them, or have all principles share it"
            yield Finding("warning", second, message, fix)
        elif alike(said, also_said):
            message = f"asks nearly the same as {first}: both together show little more than one"
            yield Finding("warning", second, message, "ask about something else in one of them")


def _markers(where: str, exemplar: Exemplar) -> Iterator[Finding]:
    found = {marker for text in _texts(exemplar) for marker in markers_in(text)}
    if isinstance(exemplar, ComparisonExemplar):  # whose reasoning may name the options
        found |= {*markers_in(exemplar.reasoning or "")} - {*OPTIONS}
    if found:
        message = f"contains {', '.join(sorted(found))}, which stays text, but stands for something else in transcripts"
        yield Finding("warning", where, message, "word it without, unless that is what the example is about")


def _critiques(owner: str, exemplars: Exemplars, principles: Sequence[Principle]) -> Iterator[Finding]:
    """Whether a critique is there where one is asked for, and the other way round."""
    is_asked_for = any(principle.critique_request is not None for principle in principles)
    for number, exemplar in enumerate(exemplars.revisions, 1):
        where = f"{owner}exemplars.revisions[{number}]"
        asked = is_asked_for or exemplar.critique_request is not None
        if asked and exemplar.critique is None:
            message = "has no critique, though one is asked for: a model that is to criticise sees no critique here"
            yield Finding("warning", where, message, "add one; where nothing is wrong, let it say so")
        if exemplar.critique is not None and not asked:
            message = "has a critique that is never shown, for there is no critique_request"
            yield Finding("warning", where, message, "remove it, or give it or the principle a critique_request")


def _revisions(owner: str, shown: Sequence[RevisionExemplar]) -> Iterator[Finding]:
    """What the revisions that a model is shown together have in common."""
    where = f"{owner}exemplars.revisions"
    if shown and not any(exemplar.revised == exemplar.response for exemplar in shown):
        message = "never show a response that is good as it is: the model learns to change whatever it reads"
        yield Finding("warning", where, message, "add one with `unchanged: true`, and a critique that finds nothing")
    lengths = [(len(exemplar.response), len(exemplar.revised)) for exemplar in shown]
    responses, revisions = (sum(numbers) for numbers in zip(*lengths, strict=True)) if lengths else (0, 0)
    if revisions > VERBOSE * responses:
        message = f"are together {revisions / responses:.1f} times as long as the responses: the model learns to add"
        yield Finding("warning", where, message, "shorten them, or add one whose revision is the shorter")


def _habits(comparisons: Sequence[ComparisonExemplar]) -> Iterator[Finding]:
    """What always tells the better response, so that nobody needs to read it."""
    if len(comparisons) < LEAST_FOR_A_HABIT:
        return
    letters = {exemplar.better for exemplar in comparisons}
    if len(letters) == 1:
        message = f"the better response of every example is {letters.pop()}: the model learns to say that"
        yield Finding("warning", "the constitution", message, "turn half of the examples round")
    if all(_is_longer(exemplar) for exemplar in comparisons):
        message = "the better response of every example is the longer one: the model learns to count words"
        yield Finding("warning", "the constitution", message, "let the shorter one be better in half of the examples")


def _is_longer(exemplar: ComparisonExemplar) -> bool:
    first, second = map(len, exemplar.responses)
    return first > second if exemplar.better == "A" else second > first


def _measured_on(placed: Iterable[tuple[str, Exemplar]], eval_prompts: Iterable[Conversation]) -> Iterator[Finding]:
    """Examples whose prompt, whatever its case and white space, is one of the evaluation."""
    prompts = {_turns(prompt) for prompt in eval_prompts if prompt}
    quoted = [_as_quoted(turns) for turns in prompts]
    for where, exemplar in placed:
        if isinstance(exemplar, str):
            said = _plain(exemplar.split("{}")[0])
            is_measured = any(said.endswith(end) and said[: -len(end)].rstrip()[-1:] in ("", ":") for end in quoted)
        else:
            is_measured = _turns(exemplar.conversation) in prompts
        if is_measured:
            message = "asks what the evaluation asks: the model would be measured on what it was shown"
            yield Finding("error", where, message, "remove it here, or the prompt from the evaluation")


def _turns(conversation: Conversation) -> tuple[tuple[str, str], ...]:
    return tuple((turn["role"], _plain(turn["content"])) for turn in conversation)


def _as_quoted(turns: Iterable[tuple[str, str]]) -> str:
    """A conversation as transcripts of comparisons have it: "H: … A: … H: …"."""
    return " ".join(f"{role[0].replace('u', 'h')}: {said}" for role, said in turns)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _asked(exemplar: Exemplar) -> str:
    return exemplar if isinstance(exemplar, str) else " ".join(turn.content for turn in exemplar.prompt)


def _texts(exemplar: Exemplar) -> list[str]:
    """Everything in an example that is not about its form."""
    if isinstance(exemplar, str):
        return []
    asked = [turn.content for turn in exemplar.prompt]
    if isinstance(exemplar, ComparisonExemplar):
        return [*asked, *exemplar.responses]
    return [*asked, exemplar.response, exemplar.critique or "", exemplar.revision or ""]
