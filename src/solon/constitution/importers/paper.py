"""The paper's own prompt files: two lists of principles and three of examples.

They hold whole prompts, with the tags and blank lines that Solon puts in by itself; these are cut off here, and
`prompts.transcript` puts them back, byte for byte. Slips inside a text stay.

Where we differ: the paper does not say which letter the better response of an example had (section 4.1); we draw it.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal

from solon.constitution.importers.part import Part, counted, is_id, is_tidy, made, pieces, slug, texts, untidy
from solon.constitution.schema import ComparisonExemplar, Principle, RevisionExemplar
from solon.records import Conversation, rng

Letter = Literal["A", "B"]

SEED = 2
"""Of the letters of the better responses: one by which the paper's five do not take turns, as a pattern would."""
STOP_MARKER = "\n\nHuman:"
OPTIONS = " Options:"
SPEAKERS: dict[str, Literal["user", "assistant"]] = {
    "Human": "user",
    "H": "user",
    "Assistant": "assistant",
    "A": "assistant",
}
STEPS = {
    "Human": "H",
    "Assistant": "A",
    "CritiqueRequest": "C",
    "Critique": "c",
    "RevisionRequest": "R",
    "Revision": "r",
}
"""The tags of an example, each with its letter in ORDER."""
ORDER = r"(HA)+(Cc)?Rr"
REASONED = re.compile(
    r"(?P<start>\s*)Human: Consider the following conversation between a human(?P<h> \(H\))? and an assistant"
    r"(?P<a> \(A\))?:\n\n(?P<turns>.*?)\n\n\{\}\n \(A\) \[\[\[(?P<A>.*?)\]\]\]\n \(B\) \[\[\[(?P<B>.*?)\]\]\]"
    r"\n\nAssistant: Let's think step by step:(?P<why>.*?)\n\nHuman:\s*So the answer is:\s*\((?P<better>[AB])\)\s*",
    re.DOTALL,
)


def revision_requests(data: Mapping[str, Mapping[str, Any]]) -> Part:
    """CritiqueRevisionInstructions.json: what is asked for in the supervised stage, by name."""
    part, bare, renamed, asked = Part(), list[str](), list[str](), list[str | None]()
    for key, value in data.items():
        prompts, request = texts(value["prompt"], f"{key}: prompt"), value["edit_request"]
        if not prompts:
            raise ValueError(f"{key}: prompt is empty")
        revision = _between(request, "RevisionRequest", "Revision")
        for number, prompt in enumerate(prompts, 1):
            name = key if number == 1 else f"{key}-{number}"
            critique = _between(prompt, "CritiqueRequest", "Critique")
            asked += [critique, revision]
            bare += [name] if critique is None or revision is None else []
            renamed += [] if is_id(name) else [name]
            id = name if is_id(name) else slug(name)
            wordings = (critique or prompt, revision or request)
            part.principles.append(
                made(Principle, name, id=id, critique_request=wordings[0], revision_request=wordings[1])
            )
    part.notes = [
        f"{counted(len(part.principles), 'principle')} with a critique and a revision request; the tags around them "
        "(`CritiqueRequest:` and so on) are cut off, as Solon puts them in",
        *untidy(asked),
    ]
    if bare:
        part.notes.append(f"taken as they stand, for want of the tags: {', '.join(bare)}")
    if renamed:
        part.notes.append(f"named anew, as an id is lower-case letters, digits and hyphens: {', '.join(renamed)}")
    return part


def comparison_requests(data: Sequence[str]) -> Part:
    """RLMadisonInstructions.json: what is asked for in the reinforcement stage."""
    asked = [text.removeprefix("\n").removesuffix(OPTIONS) for text in data]
    return Part(
        principles=[
            made(Principle, f"item {number + 1}", id=f"comparison-{number}", comparison_request=text)
            for number, text in enumerate(asked)
        ],
        notes=[
            f"{counted(len(asked), 'principle')} with a comparison request; the line break before and the "
            "`Options:` after it are cut off, as Solon puts them in",
            *untidy(asked),
        ],
    )


def revision_examples(data: Sequence[str]) -> Part:
    """CritiqueRevisionFewShotPrompts.json: dialogues that end in a critique and a revision."""
    part, parts = Part(), []
    stopped = [text.removesuffix(STOP_MARKER) for text in data]
    for number, text in enumerate(stopped, 1):
        said = pieces(text, STEPS)
        if not re.fullmatch(ORDER, "".join(STEPS[tag] for tag, _ in said)):
            seen = ", ".join(tag for tag, _ in said) or "no tag at its beginning"
            raise ValueError(f"item {number} has {seen}; it must have {', '.join(STEPS)}, in this order")
        parts += [content.removeprefix(" ") for _, content in said]
        part.revisions.append(_revision_example(said, f"item {number}"))
    part.notes = [_told_of(part.revisions), *untidy(parts)]
    if marked := sum(text != given for text, given in zip(stopped, data, strict=True)):
        part.notes.append(f"{marked} ended in a stop marker, `Human:`, which is cut off")
    return part


def comparison_examples(data: Sequence[Mapping[str, Any]]) -> Part:
    """RLMadisonFewShotPrompts.json: a prompt, a better and a worse response."""
    part, parts = Part(), list[str]()
    for number, item in enumerate(data, 1):
        where = f"item {number}"
        better_ones = texts(item["corrects"], f"{where}: corrects")
        worse_ones = texts(item["incorrects"], f"{where}: incorrects")
        pairs = list(product(better_ones, worse_ones))
        if not pairs:
            raise ValueError(f"{where} lacks a better or a worse response")
        said = _said(item["prompt"], where)
        parts += [*better_ones, *worse_ones, *(content.removeprefix(" ") for _, content in said)]
        for right, wrong in pairs:
            better = _letter(len(part.comparisons))
            responses = (right, wrong) if better == "A" else (wrong, right)
            part.comparisons.append(
                made(ComparisonExemplar, where, prompt=_turns(said), responses=responses, better=better)
            )
    letters = " ".join(each.better for each in part.comparisons)
    part.notes = [
        f"{counted(len(part.comparisons), 'example')} of comparisons; the file does not say which letter the better "
        f"response has: of any two that follow one another one is A and one is B, drawn from a fixed seed: {letters}",
        *untidy(parts),
    ]
    return part


def reasoned_examples(data: Sequence[Mapping[str, Any]]) -> Part:
    """RLMadisonPrecogFewShotPrompts.json: comparisons with reasoning, kept as they stand and taken apart."""
    part = Part(transcripts=texts([item["prompt"] for item in data], "the list of prompts"))
    slips: list[str] = []
    for number, text in enumerate(part.transcripts, 1):
        if text.count("{}") != 1:
            raise ValueError(f"item {number} has `{{}}` {text.count('{}')} times; it must stand once, for the request")
        if (match := REASONED.fullmatch(text)) is None or not (said := pieces(match["turns"], ("H", "A"))):
            slips.append(f"item {number} cannot be taken apart: chat models, which take no transcripts, do not see it")
            continue
        part.comparisons.append(
            made(
                ComparisonExemplar,
                f"item {number}",
                prompt=_turns(said),
                responses=(match["A"], match["B"]),
                better=match["better"],
                reasoning=match["why"].strip(),
            )
        )
        slips += [f"item {number} {slip}" for slip in _slips(match, said)]
    part.notes = [
        f"{counted(len(data), 'transcript')} of comparisons with their reasoning, kept as they stand; "
        f"{len(part.comparisons)} of them taken apart as well, for chat models",
        *(f"{slip} (a slip of the file's; the transcript keeps it)" for slip in slips),
    ]
    return part


def _between(text: Any, tag: str, answer: str) -> str | None:
    """What stands between a tag and the tag of the answer; None where they are not there."""
    match = re.fullmatch(rf"\s*{tag}:(.*)\n\n{answer}:\s*", text, re.DOTALL) if isinstance(text, str) else None
    return None if match is None else match[1].removeprefix(" ")


def _revision_example(said: list[tuple[str, str]], where: str) -> RevisionExemplar:
    turns = [(tag, content) for tag, content in said if tag in SPEAKERS]
    rest = {tag: content.strip() for tag, content in said if tag not in SPEAKERS}
    response = turns.pop()[1].strip()
    unchanged = rest["Revision"] == response
    return made(
        RevisionExemplar,
        where,
        prompt=_turns(turns),
        response=response,
        critique=rest.get("Critique"),
        revision=None if unchanged else rest["Revision"],
        unchanged=unchanged,
        critique_request=rest.get("CritiqueRequest"),
        revision_request=rest["RevisionRequest"],
    )


def _told_of(examples: Sequence[RevisionExemplar]) -> str:
    unchanged, longer = sum(it.unchanged for it in examples), sum(len(it.prompt) > 1 for it in examples)
    return (
        f"{counted(len(examples), 'example')} of revisions, with the requests of their own; {longer} of several turns, "
        f"{unchanged} with nothing to revise (`unchanged`)"
    )


def _said(prompt: Any, where: str) -> list[tuple[str, str]]:
    """The turns of an open transcript; a text that is none is the human's turn."""
    [text] = texts([prompt], f"{where}: prompt")
    return pieces(text.rstrip().removesuffix("\n\nAssistant:"), ("Human", "Assistant")) or [("Human", f" {text}")]


def _turns(said: Sequence[tuple[str, str]]) -> Conversation:
    return [{"role": SPEAKERS[tag], "content": content.strip()} for tag, content in said]


def _letter(index: int) -> Letter:
    """Which letter the better response has; a function of the index alone."""
    letters: list[Letter] = ["A", "B"]
    rng(SEED, "better", index // 2).shuffle(letters)
    return letters[index % 2]


def _slips(match: re.Match[str], said: Sequence[tuple[str, str]]) -> list[str]:
    """How an example differs from the others of its kind."""
    found = []
    if match["start"] != "\n\n":
        found.append(f"begins with {counted(match['start'].count(chr(10)), 'line break')} and not 2")
    if match["h"] is None or match["a"] is None:
        found.append('does not say that "H" is the human and "A" the assistant')
    if irregular := sum(not is_tidy(content) for _, content in said):
        found.append(f"has {counted(irregular, 'turn')} with irregular space around the text")
    if not is_tidy(match["why"]):
        found.append("has irregular space around the reasoning")
    return found
