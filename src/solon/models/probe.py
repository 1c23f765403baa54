"""What a server can do with a model, found by asking it: servers ignore in silence what they do not know.

About fifteen questions of a few tokens each. Whether a turn is continued is known by the answer (the rest of a word
that was begun) or by the count of the prompt's tokens, which is smaller where the turn is left open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from solon.chains import Choice, Choose, Completion, Failure, Generate, Reply, Request, Sampling
from solon.constitution.validate import nearest
from solon.errors import ModelError, UsageError
from solon.models.client import Client, GaveUp
from solon.models.completions import Abilities, read, request_of, used
from solon.models.naming import option_ids
from solon.prompts import FormChoice
from solon.records import assistant, system, user

SHORT = Sampling(max_tokens=16)
HELLO = [user("Name three animals that live in the sea.")]
SYSTEM = system("You answer in a single word, whatever you are asked.")
WORD = [user("Write the word strawberry and nothing else.")]
BEGUN, REST = "strawb", "erry"
OTHER_LIMIT = "max_completion_tokens"
NAMED = Choose(HELLO, ("A", "B", "Z"), "(")
"""The last is hardly ever among the likeliest tokens: who tells of it has heard that it was named."""
DEPTHS = (20, 5)
"""vLLM's and OpenAI's most for chats; OpenAI's for texts."""


@dataclass(frozen=True)
class Probed:
    """What was found."""

    abilities: Abilities
    listed: bool | None
    """Whether the server names the model among those it has; None where it names none."""
    context: int | None
    """Tokens that prompt and answer may have together, where it says so."""
    keeps_seed: bool
    """Whether the same seed gave the same answer."""
    varies: bool
    """Whether another seed gave another answer, at temperature 1."""
    thinks: bool
    """Whether it thinks before it answers."""

    @property
    def tells_choices(self) -> bool:
        """Whether probabilities of "A" and "B" can be read; what is thought would come before them."""
        can = self.abilities
        return can.names_tokens or (can.top_logprobs > 0 and (can.continues or not self.thinks))

    def told(self) -> dict[str, str]:
        """In words."""
        abilities = self.abilities
        depth = f"of the {abilities.top_logprobs} likeliest tokens" if abilities.top_logprobs else "no"
        if abilities.names_tokens:
            depth = "of any token that is named"
        seeds = "yes" if self.keeps_seed else "no"
        return {
            "asked": "as a chat" if abilities.form == "chat" else "in the paper's transcript",
            "context": f"{self.context} tokens" if self.context else "not told",
            "system prompts": "yes" if abilities.takes_system else "no, they are put before the first human turn",
            "log-probabilities": depth,
            "continues a turn": "yes" if abilities.continues else "no, it is asked in words how to begin",
            "keeps seeds": seeds if self.varies else "not known, its answers do not differ",
            "thinks before it answers": "yes" if self.thinks else "no",
        }

    def warnings(self) -> list[tuple[str, str]]:
        """What a person should know before anything is spent, each with what to do."""
        found = []
        if self.listed is False:
            found.append(("the server answers, but not under this name among its models", "check the name"))
        if not self.varies:
            told = "three answers at temperature 1 are the same, and so will be the responses of a pair"
            found.append((told, "set the server up to sample"))
        elif not self.keeps_seed:
            told = "seeds are ignored: the same run again gives other rows"
            found.append((told, "keep the run folder, in which every answer stands"))
        if self.thinks:
            told = "it thinks before it answers, and max_tokens bounds both together"
            found.append((told, "raise max_tokens of the stages, or turn thinking off by models.extra_body"))
        return found


async def probe(client: Client, *, model: str, form: FormChoice, extra: Mapping[str, Any]) -> Probed:
    """Ask what the server can do with a model.

    Raises:
        UsageError: it does not take the form.
        ModelError: it cannot be reached, has no such model, or answers nothing.
    """
    asking = _Asking(client, model, extra)
    names, context = _models(await client.once("/models", None, lambda data: data), model)
    try:
        abilities, first = await _form(asking, form)
    except ModelError as error:
        if not names or model in names:
            raise
        raise ModelError(f"{error}\nIt has {', '.join(names[:10])}{nearest(model, names) or ''}") from error
    again, other = [await asking.reply(Generate(HELLO, SHORT, seed=seed), abilities) for seed in (1, 2)]
    texts = [each.thinking + each.text if isinstance(each, Completion) else "" for each in (first, again, other)]
    abilities = await _of_chat(asking, abilities) if abilities.form == "chat" else abilities
    abilities = replace(abilities, top_logprobs=await _depth(asking, abilities))
    abilities = replace(abilities, names_tokens=await _names_tokens(asking, abilities))
    return Probed(
        abilities,
        listed=model in names if names else None,
        context=context,
        keeps_seed=texts[0] == texts[1],
        varies=len(set(texts)) > 1,
        thinks=bool(first.thinking),
    )


@dataclass(frozen=True)
class _Asking:
    client: Client
    model: str
    extra: Mapping[str, Any]

    async def raw(self, request: Request, abilities: Abilities) -> Any:
        """The server's JSON, or Failure or GaveUp."""
        path, body = request_of(request, model=self.model, abilities=abilities, extra=self.extra)
        return await self.client.post(path, body, lambda data: data)

    async def reply(self, request: Request, abilities: Abilities, tokens: Sequence[int] = ()) -> Reply | GaveUp:
        path, body = request_of(request, model=self.model, abilities=abilities, extra=self.extra, tokens=tokens)
        reading = partial(read, request=request, abilities=abilities, tokens=tokens)
        return await self.client.post(path, body, reading)


def _models(data: Any, model: str) -> tuple[list[str], int | None]:
    """The names of the server's models, and how many tokens this one takes, as far as it says so."""
    listed = data.get("data") if isinstance(data, dict) else None
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    names = [entry["id"] for entry in entries if isinstance(entry.get("id"), str)]
    tokens = next((entry.get("max_model_len") for entry in entries if entry.get("id") == model), None)
    return names, tokens if isinstance(tokens, int) and tokens > 0 else None


async def _form(asking: _Asking, form: FormChoice) -> tuple[Abilities, Completion]:
    """How the model is asked, and what it said to the first question."""
    said: list[str] = []
    for each in ("chat", "transcript") if form == "auto" else (form,):
        abilities = Abilities(each, continues=each == "transcript")
        reply = await asking.reply(Generate(HELLO, SHORT, seed=1), abilities)
        if isinstance(reply, Failure) and OTHER_LIMIT in reply.reason:  # it says what to say instead
            abilities = replace(abilities, limit=OTHER_LIMIT)
            reply = await asking.reply(Generate(HELLO, SHORT, seed=1), abilities)
        if isinstance(reply, Completion):
            return abilities, reply
        if isinstance(reply, GaveUp):
            raise ModelError(f"{asking.client.url} does not answer: {reply.reason}; is the server running?")
        said.append(reply.reason if isinstance(reply, Failure) else "")
    fix = "set `models.form: chat` or `models.form: transcript`" if form != "auto" else "give another model"
    raise UsageError(f"{asking.client.url} does not take {asking.model!r} so: {said[0]}; {fix}")


async def _of_chat(asking: _Asking, abilities: Abilities) -> Abilities:
    """Whether it takes system prompts, and goes on with a turn that was begun."""
    least = Sampling(max_tokens=1)
    plain = await asking.raw(Generate(HELLO, least), abilities)
    told = await asking.raw(Generate([SYSTEM, *HELLO], least), abilities)
    is_refused = isinstance(told, Failure | GaveUp) and not isinstance(plain, Failure | GaveUp)
    is_dropped = 0 < used(told, "prompt_tokens") <= used(plain, "prompt_tokens")

    likeliest, continuing = Sampling(max_tokens=4, temperature=0.0), replace(abilities, continues=True)
    request = Generate(WORD, likeliest, prefill=BEGUN)
    begun = await asking.raw(request, continuing)
    closed = await asking.raw(Generate([*WORD, assistant(BEGUN)], likeliest), abilities)
    reply = read(begun, request=request, abilities=continuing)
    goes_on = isinstance(reply, Completion) and reply.text.startswith(REST)
    is_open = 0 < used(begun, "prompt_tokens") < used(closed, "prompt_tokens")
    return replace(abilities, takes_system=not (is_refused or is_dropped), continues=goes_on or is_open)


async def _depth(asking: _Asking, abilities: Abilities) -> int:
    """Of how many tokens it tells log-probabilities."""
    for depth in DEPTHS:
        reply = await asking.reply(Choose(HELLO, ("A", "B"), "("), replace(abilities, top_logprobs=depth))
        if isinstance(reply, Choice):
            return depth
    return 0


async def _names_tokens(asking: _Asking, abilities: Abilities) -> bool:
    """Whether it tells the log-probabilities of tokens that are named; it must say first which ones options are."""
    if abilities.form != "chat" or not abilities.continues:
        return False
    try:
        tokens = await option_ids(asking.client, NAMED, model=asking.model, abilities=abilities, extra=asking.extra)
    except ModelError:  # it has no such path
        return False
    return isinstance(tokens, tuple) and isinstance(await asking.reply(NAMED, abilities, tokens), Choice)
