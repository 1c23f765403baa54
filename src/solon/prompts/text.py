"""Conversations as text, the same for every prompt that quotes one."""

import json
from collections.abc import Sequence

from solon.records import Conversation, user

SPEAKERS = {"system": "System", "user": "Human", "assistant": "Assistant"}
NEXT_TURN = "\n\nHuman:"
"""Where a model without a chat template begins to write the human's next turn, and its own is over."""


def transcript(conversation: Conversation) -> str:
    """A conversation quoted inside a prompt: "Human: …", a blank line, "Assistant: …"."""
    return "\n\n".join(f"{SPEAKERS[message['role']]}: {message['content']}" for message in conversation)


def open_transcript(conversation: Conversation, prefill: str = "") -> str:
    """What a model without a chat template continues: a transcript up to `prefill` in the assistant's turn."""
    return f"\n\n{transcript(conversation)}\n\n{SPEAKERS['assistant']}:" + (f" {prefill}" if prefill else "")


def transcript_template(*, bos: bool) -> str:
    """The transcript as a chat template (Jinja), for a model without one that is to learn to chat.

    It begins with the `bos` token where texts of the model do. Each answer ends with the end token, which is no text:
    that alone tells a "Human:" inside a turn from a turn of the human. The space before an answer is the model's to
    write, as after `open_transcript`, so an answer that was sampled with it gets no second.
    """
    return (
        ("{{ bos_token }}" if bos else "")
        + f"{{% set speakers = {json.dumps(SPEAKERS)} %}}"
        + "{% for turn in messages %}"
        + "{{ '\n\n' + speakers[turn.role] + ':' }}"
        + "{% if turn.role == 'assistant' %}"
        + "{% generation %}{{ ' ' if turn.content[:1] != ' ' }}{{ turn.content + eos_token }}{% endgeneration %}"
        + "{% else %}{{ ' ' + turn.content }}{% endif %}"
        + "{% endfor %}"
        + "{% if add_generation_prompt %}{{ '\n\n' + speakers['assistant'] + ':' }}{% endif %}"
    )


def without_system(conversation: Conversation) -> Conversation:
    """For a model that has no system turn: its text stands before the first human turn."""
    told = [turn["content"] for turn in conversation if turn["role"] == "system"]
    turns = [turn for turn in conversation if turn["role"] != "system"]
    if not told or not turns or turns[0]["role"] != "user":
        return turns
    return [user("\n\n".join([*told, turns[0]["content"]])), *turns[1:]]


def critique_request(request: str, rules: Sequence[str]) -> str:
    """A critique request, and the rules that hold whatever it asks."""
    return _with(rules, request, "Say so too if the response breaks one of these rules, which always hold:")


def revision_request(request: str, rules: Sequence[str]) -> str:
    """A revision request, and the rules."""
    return _with(rules, request, "Keep these rules, which always hold:")


def comparison_request(request: str, rules: Sequence[str]) -> str:
    """A comparison request, and the rules."""
    return _with(rules, request, "A response that breaks one of these rules is not the better one:")


def _with(rules: Sequence[str], request: str, told: str) -> str:
    return "\n\n".join([request, told + "".join(f"\n- {rule}" for rule in rules)]) if rules else request
