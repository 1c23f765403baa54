"""What a server cannot do is noticed, and said with what to do instead."""

from dataclasses import replace

import pytest
from server import Behaviour, Said, Scripted, error

from solon.chains import Choose, Generate
from solon.errors import ModelError, UsageError
from solon.models import openai
from solon.models.client import Pace
from solon.models.completions import Abilities
from solon.records import system, user


async def at_once(seconds):
    pass


def probed(behaviour, **options):
    with Scripted(behaviour) as server:
        return openai.load(f"{server.url}#m", pace=Pace(sleep=at_once), **options).probed


def test_a_server_that_can_all():
    found = probed(Behaviour())
    assert found.abilities == Abilities("chat", names_tokens=True)
    assert (found.listed, found.context) == (True, 4096)
    assert found.keeps_seed
    assert found.varies
    assert not found.thinks
    assert found.tells_choices
    assert found.warnings() == []


@pytest.mark.parametrize(
    ("behaviour", "changed"),
    [
        (Behaviour(system=False), {"takes_system": False}),
        (Behaviour(continues=False), {"continues": False, "names_tokens": False}),
        (Behaviour(names_tokens=False), {"names_tokens": False}),
        (Behaviour(tokenizes=False), {"names_tokens": False}),
        (Behaviour(limit="max_completion_tokens"), {"limit": "max_completion_tokens"}),
        (Behaviour(top_logprobs=5), {"top_logprobs": 5}),
        (Behaviour(top_logprobs=0), {"top_logprobs": 0, "names_tokens": False}),
        (Behaviour(chat=False), {"form": "transcript", "names_tokens": False}),
    ],
)
def test_what_it_cannot_is_noticed(behaviour, changed):
    assert probed(behaviour).abilities == replace(Abilities("chat", names_tokens=True), **changed)


def test_a_system_prompt_that_is_dropped_in_silence_is_noticed():
    def reply(path, body):
        if body.get("messages"):
            body = {**body, "messages": [turn for turn in body["messages"] if turn["role"] != "system"]}
        return Behaviour()(path, body)

    assert not probed(reply).abilities.takes_system


def test_a_server_that_refuses_answers_of_one_token_takes_system_prompts_all_the_same():
    def reply(path, body):
        is_short = body.get("max_tokens") == 1 and "logprobs" not in body
        return Said(error("the answer would be cut"), 400) if is_short else Behaviour()(path, body)

    assert probed(reply).abilities == Abilities("chat", names_tokens=True)


def test_a_model_that_does_not_know_the_word_is_known_to_be_continued_by_its_tokens():
    behaviour = Behaviour()
    behaviour._text = lambda body, prompt, is_open: "zzz"
    assert probed(behaviour).abilities.continues


def test_seeds_that_are_ignored_and_temperatures_that_are_are_told():
    ignored = probed(Behaviour(seeds=False))
    assert (ignored.keeps_seed, ignored.varies) == (False, True)
    assert "seeds are ignored" in str(ignored.warnings())
    greedy = probed(Behaviour(samples=False))
    assert not greedy.varies
    assert "three answers at temperature 1 are the same" in str(greedy.warnings())


@pytest.mark.parametrize("thinks", ["reasoning_content", "reasoning", "tags"])
def test_thinking_is_noticed_and_spoils_a_first_token_only(thinks):
    found = probed(Behaviour(thinks=thinks))
    assert found.thinks
    assert "max_tokens bounds both" in str(found.warnings())
    assert found.tells_choices
    assert not probed(Behaviour(thinks=thinks, continues=False)).tells_choices


def test_a_wrong_name_ends_with_the_names_that_there_are():
    with Scripted(Behaviour(model="my-model")) as server, pytest.raises(ModelError, match="did you mean 'my-model'"):
        openai.load(f"{server.url}#my-modle")


def test_a_name_that_is_answered_and_not_listed_is_told():
    def reply(path, body):
        return Behaviour()(path, {**body, "model": "m"})

    with Scripted(reply) as server:
        found = openai.load(f"{server.url}#other").probed
    assert found.listed is False
    assert "check the name" in str(found.warnings())


def test_a_server_without_a_list_of_models_will_do():
    def reply(path, body):
        return Said(error("offline"), 500) if path == "/v1/models" else Behaviour()(path, body)

    found = probed(reply)
    assert (found.listed, found.context) == (None, None)


def test_a_form_that_the_model_has_not_is_told():
    with pytest.raises(UsageError, match="no chat template"):
        probed(Behaviour(chat=False), form="chat")
    assert probed(Behaviour(), form="transcript").abilities.form == "transcript"


def test_no_server_is_a_message_within_seconds():
    with Scripted(Behaviour()) as server:
        url = server.url
    with pytest.raises(ModelError, match="is the server running"):
        openai.load(f"{url}#m", pace=Pace(sleep=at_once))


@pytest.mark.parametrize(
    "name",
    ["localhost:8000#m", "http://h/v1", "http://h/v1#", "ftp://h#m", "http://sk-secret@h/v1#m", "http://h/v1?k=sk-secret#m",
     "http://h:99999/v1#m", "http://h\n/v1#m", ""],
)  # fmt: skip
def test_what_names_no_server_is_refused_without_repeating_what_could_be_a_key(name):
    with pytest.raises(UsageError, match="A server is named by its URL") as told:
        openai.parts(name)
    assert "sk-secret" not in str(told.value)


def test_an_identity_has_all_that_decides_answers_and_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Scripted(Behaviour(continues=False)) as server:
        model = openai.load(f"{server.url}#m", extra_body={"top_k": 3})
    assert model.identity == {
        "backend": "openai",
        "server": f"127.0.0.1:{server.port}/v1",
        "name": "m",
        "form": "chat",
        "takes_system": True,
        "continues": False,
        "top_logprobs": 20,
        "names_tokens": False,
        "limit": "max_tokens",
        "extra_body": {"top_k": 3},
        "words": model.identity["words"],
    }
    assert all(body["top_k"] == 3 for body in server.questions)
    assert all(headers["authorization"] == "Bearer sk-secret" for headers in server.headers)


def test_a_key_goes_to_its_own_server_only(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with Scripted(Behaviour()) as server:
        openai.load(f"{server.url}#m", api_key_env={"elsewhere.example": "MY_KEY"})
        assert not any("authorization" in headers for headers in server.headers)
        openai.load(f"{server.url}#m", api_key_env={f"127.0.0.1:{server.port}": "MY_KEY"})
        assert server.headers[-1]["authorization"] == "Bearer sk-secret"


def test_what_is_sent_can_be_looked_at():
    with Scripted(Behaviour()) as server:
        model = openai.load(f"{server.url}#m")
    assert model.rendered(Generate([system("Be kind."), user("Why?")])) == "[system]\nBe kind.\n\n[user]\nWhy?"
    assert model.rendered(Choose([user("Which?")], ("A", "B"), "It is (")).endswith("[assistant]\nIt is ( …")
    assert model.rendered(Choose("Which?", ("A", "B"), " (")) == "Which? ("
