"""Other people's lists: requests by twos, traits of a character, sentences.

A sentence is no request; `TEMPLATE` makes it three. Its words stand in them as they are.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from solon.constitution.importers.part import Part, counted, made, other_keys, slug, texts, untidy
from solon.constitution.schema import Principle, RevisionExemplar
from solon.constitution.yaml_file import shortened

TEMPLATE = {
    "critique_request": (
        "The assistant is to live by this: “{}” Say where its last response does not, and quote the words that show "
        "it. If it does throughout, say so."
    ),
    "revision_request": (
        "The assistant is to live by this: “{}” Rewrite its last response so that it does, and keep all else. Give "
        "only the rewritten response."
    ),
    "comparison_request": "The assistant is to live by this: “{}” Which response does so better?",
}
"""The requests that a sentence becomes, in whatever person it speaks; it stands once in each, in place of `{}`."""

BULLET = re.compile(r"\s*(?:[-*+•]|\d+[.)])\s+(.*)")


def requests_by_twos(items: Any, *, chats: Any = ()) -> Part:
    """Hugging Face's lists of {"critic", "revision"}, and chats in which they are used (`system_chat`)."""
    if not isinstance(items, list) or not all(
        isinstance(it, dict) and {"critic", "revision"} <= it.keys() for it in items
    ):
        raise ValueError('"constitutions" is not a list of {"critic": "...", "revision": "..."}')
    part = Part(
        principles=[
            made(
                Principle,
                f"item {number}",
                id=slug(str(item["critic"])),
                critique_request=item["critic"],
                revision_request=item["revision"],
            )
            for number, item in enumerate(items, 1)
        ],
        notes=[
            f"{counted(len(items), 'principle')} with a critique and a revision request; the file has no comparison "
            "requests",
            *other_keys(items, ("critic", "revision")),
            *untidy(item[key] for item in items for key in ("critic", "revision")),
        ],
    )
    if not isinstance(chats, list | tuple):
        raise ValueError('"system_chat" is not a list of chats')
    for number, chat in enumerate(chats, 1):
        _add_chat(part, chat, number=number)
    longer = sum(len(example.prompt) > 1 for example in part.revisions)
    if part.revisions:
        part.notes.append(f"{counted(len(part.revisions), 'example')} of revisions, {longer} of several turns")
    return part


def traits(items: Sequence[Mapping[str, Any]]) -> Part:
    """Open Character Training's lists of {"trait", "questions"}."""
    part = _principles(
        [item["trait"] for item in items], "trait", rationales=[item.get("clarification") or "" for item in items]
    )
    for number, item in enumerate(items, 1):
        for key in ("questions", "additional_questions"):
            part.questions += texts(item.get(key, []), f"item {number}: {key}")
    asked = [question for question in part.questions if question.strip()]
    if blank := len(part.questions) - len(asked):
        part.notes.append(f"{counted(blank, 'question')} left out, as there are no words in it")
    part.questions = asked
    if part.questions:
        part.notes.append(
            f"{counted(len(part.questions), 'question')}, which are prompts and no part of a constitution"
        )
    if any(item.get("clarification") for item in items):
        part.notes.append("clarifications became rationales, which no model reads")
    part.notes += other_keys(items, ("trait", "questions", "additional_questions", "clarification"))
    return part


def sentences(items: Sequence[str]) -> Part:
    """A list of sentences, each a principle."""
    return _principles(items, "sentence")


def lines(text: str) -> Part:
    """Text or Markdown with a sentence a line; a bullet's may go on in indented lines."""
    found: list[str] = []
    notes: Counter[str] = Counter()
    is_bullet = False
    for line in re.split(r"\r\n|\r|\n", text):
        words, bullet = line.strip(), BULLET.fullmatch(line)
        if words.startswith("#"):
            notes["heading (`#`) left out"] += 1
        elif words and not any(map(str.isalnum, words)):
            notes["line without a letter or digit left out"] += 1
        elif words and is_bullet and not bullet and line[0].isspace():
            found[-1] += f" {words}"
            notes["indented line joined to the bullet above"] += 1
        elif words:
            found.append(bullet[1].strip() if bullet else words)
            notes["bullet or number cut off"] += bullet is not None
        is_bullet = bool(words) and (bullet is not None or (is_bullet and line[0].isspace()))
    if not found:
        raise ValueError("holds no sentence")
    part = sentences(found)
    part.notes += [f"{note}: {count}" for note, count in notes.items() if count]
    return part


def _principles(given: Sequence[Any], kind: str, *, rationales: Sequence[Any] = ()) -> Part:
    """A principle for each sentence, with what the template makes of it."""
    principles = []
    for number, said in enumerate(given, 1):
        if not isinstance(said, str) or not said.strip():
            raise ValueError(f"item {number}: the {kind} is {'empty' if isinstance(said, str) else 'not text'}")
        sentence = said.strip()
        asked = {field: template.replace("{}", sentence, 1) for field, template in TEMPLATE.items()}
        rationale = rationales[number - 1] if rationales else ""
        principles.append(
            made(Principle, f"item {number}", id=slug(sentence), title=sentence, rationale=rationale, **asked)
        )
    notes = [
        f"{counted(len(given), kind)}, each a principle, whose requests are in our words; in them it stands for `{{}}`",
        *(f"each {field} is: {template}" for field, template in TEMPLATE.items()),
        *untidy(given),
    ]
    if twice := len(given) - len({str(said).strip() for said in given}):
        notes.append(f"{counted(twice, kind)} said again: each counts as often as it stands")
    return Part(principles=principles, notes=notes)


def _add_chat(part: Part, chat: Any, *, number: int) -> None:
    """A chat that ends in a response, a critique and a revision, as an example; a note of any other."""
    turns = chat if isinstance(chat, list) and all(isinstance(turn, dict) for turn in chat) else []
    roles = [str(turn.get("role")) for turn in turns]
    spoken = roles[1:] if roles[:1] == ["system"] else roles
    if len(spoken) < 6 or len(spoken) % 2 or spoken != ["user", "assistant"] * (len(spoken) // 2):
        seen = " ".join(roles) or "not a list of turns"
        part.notes.append(
            f"chat {number} is left out: it is {shortened(seen)}; known are chats of user and assistant by turns that "
            "end in a response, a critique and a revision"
        )
        return
    response, asked, critique, wanted, revision = (turn.get("content") for turn in turns[-5:])
    unchanged = isinstance(revision, str) and isinstance(response, str) and revision.strip() == response.strip()
    part.revisions.append(
        made(
            RevisionExemplar,
            f"chat {number}",
            prompt=[{"role": turn["role"], "content": turn.get("content")} for turn in turns[:-5]],
            response=response,
            critique=critique,
            revision=None if unchanged else revision,
            unchanged=unchanged,
            critique_request=asked,
            revision_request=wanted,
        )
    )
    notes = [*other_keys(turns, ("role", "content")), *untidy(turn["content"] for turn in turns)]
    part.notes += [f"chat {number}: {note}" for note in notes]
