"""What is sent to an OpenAI-compatible server, and how its answers are read: functions of their arguments alone.

`/chat/completions` takes the turns of a chat, `/completions` the paper's transcript. A prefill is an unfinished last
turn where the server goes on with one (`continue_final_message`, as of vLLM), and simply text in `/completions`. Any
other server is told in words how to begin.

A choice is read off the log-probabilities of one token:
- after a prefill they are those of the options themselves, "exact" as on a local model;
- else of the first token of a reply, all spellings of an option together ("A", " A", "(A"): "top_logprobs".
Where a server takes it, the options are named by their tokens (`logprob_token_ids`, as of vLLM). Else it tells the
likeliest tokens only: an option that is not among them has no part in the mass; how the others share is reckoned with
the most it can have, the least that is told, so that the label is never surer than that.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from solon import prompts
from solon.chains import Choice, Choose, Completion, Failure, Generate, Request
from solon.models.client import Again
from solon.prompts import FormName
from solon.records import Conversation, assistant

CHAT, TEXT, TOKENIZE = "/chat/completions", "/completions", "/tokenize"
SEEDS = 2**31
"""Seeds are taken modulo this: some servers keep them in 32 bits."""
MAX_STOPS = 4
"""More are refused by OpenAI; the text is cut at all of them here."""
ENDED = ("stop", "length", "eos_token", "stop_sequence")
"""The last two are those of Text Generation Inference."""
AROUND = " \t\n()[]*\"'`.:"
"""What may stand around an option in the token that spells it."""


@dataclass(frozen=True)
class Abilities:
    """What a server can do with a model."""

    form: FormName
    """Which of both paths plain conversations take."""
    takes_system: bool = True
    continues: bool = True
    """Whether it goes on with an unfinished turn; a transcript is always gone on with."""
    top_logprobs: int = 20
    """Of how many tokens it tells the log-probabilities; 0 is none."""
    names_tokens: bool = False
    """Whether it tells those of the tokens that are named, whatever their rank; in a chat."""
    limit: str = "max_tokens"
    """What the most tokens of an answer are called; OpenAI's newer models take "max_completion_tokens" only."""


def request_of(
    request: Request, *, model: str, abilities: Abilities, extra: Mapping[str, Any], tokens: Sequence[int] = ()
) -> tuple[str, dict[str, Any]]:
    """The path and the body of a question; `extra` are the person's own fields, `tokens` those of the options."""
    told: dict[str, Any] = {"model": model}
    is_text = as_text(request, abilities)
    if is_text:
        told["prompt"] = _text(request)
    else:
        told |= _turns(request, abilities)
    if isinstance(request, Generate):
        sampling = request.sampling
        told |= {abilities.limit: sampling.max_tokens, "temperature": sampling.temperature, "top_p": sampling.top_p}
        told["seed"] = request.seed % SEEDS
        if stops := _stops(request, is_text=is_text):
            told["stop"] = sorted(stops, key=len)[:MAX_STOPS]
    else:
        told |= {abilities.limit: 1, "temperature": 1.0, "top_p": 1.0}
        depth = abilities.top_logprobs
        if tokens:
            told |= {"logprobs": True, "logprob_token_ids": list(tokens), "return_tokens_as_token_ids": True}
        else:
            told |= {"logprobs": depth} if is_text else {"logprobs": True, "top_logprobs": depth}
    return (TEXT if is_text else CHAT), told | dict(extra)


def tokenize_of(
    request: Request, *, model: str, abilities: Abilities, extra: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The path and the body that ask into which tokens a prompt is split."""
    asked = {"prompt": _text(request)} if as_text(request, abilities) else _turns(request, abilities)
    return TOKENIZE, {"model": model, **asked} | dict(extra)


def as_text(request: Request, abilities: Abilities) -> bool:
    """Whether it is asked as a text to go on with."""
    return isinstance(request.conversation, str) or abilities.form == "transcript"


def read(
    data: Any, *, request: Request, abilities: Abilities, tokens: Sequence[int] = ()
) -> Completion | Choice | Failure | Again:
    """Read the answer to a question, and to which `tokens`."""
    if isinstance(request, Generate):
        return read_completion(data, request, abilities=abilities)
    return read_choice(data, request, abilities=abilities, tokens=tokens)


def read_completion(data: Any, request: Generate, *, abilities: Abilities) -> Completion | Failure | Again:
    """Read what was generated."""
    is_text = as_text(request, abilities)
    choice = _choice(data)
    if choice is None:
        return Again("an answer without choices")
    message = choice if is_text else choice.get("message")
    if not isinstance(message, dict):
        return Again("an answer without a message")
    text = message.get("text" if is_text else "content")
    if text is None and isinstance(message.get("refusal"), str):
        text = message["refusal"]
    if not isinstance(text, str | None):
        return Again("an answer whose text is none")
    ended = choice.get("finish_reason")
    if ended in ("content_filter", "tool_calls", "function_call"):
        return Failure(f"the server ended the answer by {ended!r}")
    if ended not in ENDED:  # e.g. vLLM's "abort"
        return Again(f"an answer that ended by {str(ended)[:40]!r}")
    thinking, text = _thought(message, text or "", is_whole=ended != "length")
    if is_text and not isinstance(request.conversation, str):
        text = text.removeprefix(" ")
    if request.prefill and not is_text and not abilities.continues:
        text = text.lstrip().removeprefix(request.prefill)
    cut = min((at for stop in _stops(request, is_text=is_text) if (at := text.find(stop)) >= 0), default=None)
    return Completion(
        text[:cut],
        "length" if ended == "length" and cut is None else "stop",
        thinking=thinking,
        tokens=used(data, "completion_tokens"),
        prompt_tokens=used(data, "prompt_tokens"),
    )


def read_choice(
    data: Any, request: Choose, *, abilities: Abilities, tokens: Sequence[int] = ()
) -> Choice | Failure | Again:
    """Read how likely each option is."""
    if _choice(data) is None:
        return Again("an answer without choices")
    told = _log_probabilities(data)
    if not told:
        return Failure("the server's answer has no log-probabilities")
    for token, likely in told:
        if not isinstance(likely, float | int) or isinstance(likely, bool) or not likely <= 1e-6:  # NaN is not
            return Failure(f"impossible log-probability {str(likely)[:40]} of {token[:40]!r}")
    chances = [(token, math.exp(max(likely, -700.0))) for token, likely in told]  # which leaves something to share
    if math.fsum(p for _, p in chances) > 1.01:
        return Failure("impossible log-probabilities, whose probabilities sum to more than 1")
    is_exact = as_text(request, abilities) or abilities.continues
    names = [f"token_id:{id}" for id in tokens] or request.options
    found = [[p for token, p in chances if _spells(token, name, is_exact)] for name in names]
    if tokens and not all(found):
        return Failure("the server's answer has no log-probability of an option that was asked for")
    mass = math.fsum(p for each in found for p in each)
    least = min(p for _, p in chances)
    shares = [math.fsum(each) if each else least for each in found]
    return Choice(
        tuple(share / math.fsum(shares) for share in shares),
        min(mass, 1.0),
        "exact" if is_exact else "top_logprobs",
        prompt_tokens=used(data, "prompt_tokens"),
    )


def used(data: Any, what: str) -> int:
    """Tokens that the server counted; 0 where it says nothing."""
    usage = data.get("usage") if isinstance(data, dict) else None
    many = usage.get(what) if isinstance(usage, dict) else None
    return many if isinstance(many, int) and not isinstance(many, bool) and 0 <= many < 2**53 else 0


def _text(request: Request) -> str:
    asked = request.conversation
    return asked + request.prefill if isinstance(asked, str) else prompts.open_transcript(asked, request.prefill)


def _turns(request: Request, abilities: Abilities) -> dict[str, Any]:
    turns = request.conversation
    assert not isinstance(turns, str)
    if not abilities.takes_system:
        turns = prompts.without_system(turns)
    if not request.prefill:
        return {"messages": turns}
    if abilities.continues:
        return _continued(turns, request.prefill)
    if isinstance(request, Choose):
        return {"messages": prompts.asked_for_an_option(turns, request.options)}
    return {"messages": prompts.asked_to_begin(turns, request.prefill)}


def _continued(turns: Conversation, prefill: str) -> dict[str, Any]:
    return {
        "messages": [*turns, assistant(prefill)],
        "continue_final_message": True,
        "add_generation_prompt": False,
    }


def _stops(request: Generate, *, is_text: bool) -> list[str]:
    stops = [*request.sampling.stop, *([prompts.NEXT_TURN] if is_text else [])]
    return list(dict.fromkeys(stops))


def _choice(data: Any) -> dict[str, Any] | None:
    choices = data.get("choices") if isinstance(data, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def _thought(message: Mapping[str, Any], text: str, *, is_whole: bool) -> tuple[str, str]:
    """What was thought, and what was said: servers give them apart, or the one in tags before the other."""
    for field in ("reasoning_content", "reasoning"):
        if isinstance(thought := message.get(field), str) and thought:
            return thought.strip(), text
    thought, tag, said = text.rpartition("</think>")
    if tag:
        return thought.strip().removeprefix("<think>").strip(), said.lstrip()
    if text.lstrip().startswith("<think>") and not is_whole:  # cut before anything was said
        return text.strip().removeprefix("<think>").strip(), ""
    return "", text


def _log_probabilities(data: Any) -> list[tuple[str, Any]]:
    """Of the first token: what it could have been, as either path tells it."""
    choice = _choice(data) or {}
    told = choice.get("logprobs")
    if not isinstance(told, dict):
        return []
    if isinstance(content := told.get("content"), list):
        first = content[0] if content and isinstance(content[0], dict) else {}
        tops = first.get("top_logprobs")
        entries = [entry for entry in tops if isinstance(entry, dict)] if isinstance(tops, list) else []
        return [(str(entry.get("token")), entry.get("logprob")) for entry in entries]
    tops = told.get("top_logprobs")
    first = tops[0] if isinstance(tops, list) and tops and isinstance(tops[0], dict) else {}
    return [(str(token), likely) for token, likely in first.items()]


def _spells(token: str, option: str, is_exact: bool) -> bool:
    return token == option if is_exact else token.strip(AROUND) == option
