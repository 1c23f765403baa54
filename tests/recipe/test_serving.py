"""Stages that ask a server: the same rows however often they are killed, and nothing asked that is on file."""

import json
import multiprocessing
import os
import random
import signal
from collections import Counter

import pytest
from served_run import play, recipe_of
from server import Behaviour, Said, Scripted, error

from solon.errors import ModelError, Stopped, UsageError
from solon.models import openai
from solon.recipe import Budget, model_name, trained_model, unless_able
from solon.recipe.paper import constitutions
from solon.runs import read_rows, read_summary

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["pytest", "aiohttp", "solon.recipe"])  # so that a process is a fork
ASKING = ("01-critique", "03-pairs", "04-label")
SAID = "Rather not"


def slow(behaviour, seconds=0.005):
    return lambda path, body: said if isinstance(said := behaviour(path, body), Said) else Said(said, delay=seconds)


def tables(run):
    return {stage: (run / stage / "00000.parquet").read_bytes() for stage in ASKING}


def counted(bodies):
    return Counter(json.dumps(body, sort_keys=True) for body in bodies)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The tables, the questions and those of the probe, of a run that nothing disturbs."""
    out = tmp_path_factory.mktemp("unbroken") / "run"
    with Scripted(slow(Behaviour(said=SAID))) as server:
        openai.load(f"{server.url}#m")
        probe = counted(server.questions)
        server.asked.clear()
        play(server.name(), out)
        questions = counted(body for body in server.questions if not counted([body]).keys() & probe.keys())
    assert server.most <= 4
    return {"tables": tables(out), "questions": questions, "probe": probe}


def test_the_supervised_stage_pairs_and_labels_run_on_a_server(unbroken, tmp_path):
    with Scripted(Behaviour(said=SAID)) as server:
        play(server.name(), tmp_path / "run")
    for stage in ASKING:
        summary = read_summary(tmp_path / "run" / stage)
        assert (summary["rows"], summary["ok"]) == (8, 8), summary
    for row in read_rows(tmp_path / "run" / "04-label"):
        assert (row["known_by"], row["state"]) == ("exact", "labelled")
        assert row["probability"] == pytest.approx(0.768, abs=0.001)
    assert sum(unbroken["questions"].values()) == 8 * (3 + 2 + 1)
    assert set(unbroken["questions"].values()) == {1}
    stage = json.loads((tmp_path / "run" / "01-critique" / "stage.json").read_text())
    assert stage["model"]["server"] == f"127.0.0.1:{server.port}/v1"
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["stages"]["01-critique"]["tokens"] == 3 * 24
    assert record["stages"]["01-critique"]["prompt_tokens"] > 0


@pytest.mark.parametrize("after", sorted(random.Random(0).sample(range(10, 55), 4)))
def test_a_run_that_is_killed_asks_again_no_more_than_was_under_way(unbroken, tmp_path, after):
    child, behaviour = [], slow(Behaviour(said=SAID))

    def reply(path, body):
        if len(server.questions) == after and child[0].exitcode is None:
            os.kill(child[0].pid, signal.SIGKILL)
        return behaviour(path, body)

    with Scripted(reply) as server:
        child.append(CONTEXT.Process(target=play, args=(server.name(), tmp_path / "run")))
        child[0].start()
        child[0].join(120)
        assert child[0].exitcode == -signal.SIGKILL
        on_file = sum(len(path.read_bytes().splitlines()) for path in (tmp_path / "run").glob("*/journal.jsonl"))
        before = counted(server.questions)
        play(server.name(), tmp_path / "run")
    assert tables(tmp_path / "run") == unbroken["tables"]
    asked = Counter({body: times for body, times in counted(server.questions).items() if body not in unbroken["probe"]})
    assert sum((asked - before).values()) == 48 - on_file
    assert sum((asked - unbroken["questions"]).values()) <= 4  # what was under way


def test_a_server_that_fails_now_and_then_gives_the_same_rows(unbroken, tmp_path):
    dice = random.Random(1)
    faults = [
        Said("", 500),
        Said('{"choices": ['),
        Said({"choices": []}),
        Said(error("slow"), 429, {"Retry-After": "0"}),
    ]
    behaviour = Behaviour(said=SAID)

    def reply(path, body):
        return dice.choice(faults) if dice.random() < 0.15 else behaviour(path, body)

    with Scripted(reply) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr("solon.models.client.Client._wait", lambda *given: 0.02)
        play(server.name(), tmp_path / "run")
    assert tables(tmp_path / "run") == unbroken["tables"]


def test_a_server_with_little_room_is_asked_less_at_once_and_loses_nothing(unbroken, tmp_path):
    behaviour, most = Behaviour(said=SAID), []

    def reply(path, body):
        most.append(server.under_way)
        return Said(error("no room"), 429) if server.under_way > 2 else Said(behaviour(path, body), delay=0.005)

    with Scripted(reply) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr("solon.models.client.Client._wait", lambda *given: 0.02)
        patch.setattr("solon.models.client.BUSY", 10_000)
        play(server.name(), tmp_path / "run", "models.concurrency=16")
    assert tables(tmp_path / "run") == unbroken["tables"]
    assert max(most) > 2
    assert sum(many > 2 for many in most[-30:]) < 15  # of eight at once, three quarters would be refused


def test_a_refused_question_costs_its_row_and_no_other(tmp_path):
    behaviour = Behaviour(said=SAID)
    refused = []

    def reply(path, body):
        if body.get("max_tokens") == 64 and (not refused or refused == [body]):
            refused[:] = [body]
            return Said(error("too \x1b[31mlong"), 400)
        return behaviour(path, body)

    with Scripted(reply) as server:
        play(server.name(), tmp_path / "run", until="critique")
    summary = read_summary(tmp_path / "run" / "01-critique")
    assert summary["ok"] == 7
    assert list(summary["dropped"]) == ["the server refuses it, 400: too \x1b[31mlong"]


def test_a_server_that_dies_ends_the_run_and_the_same_call_goes_on(unbroken, tmp_path):
    behaviour = Behaviour(said=SAID)
    with Scripted(lambda path, body: behaviour(path, body) if len(server.questions) < 30 else Said("", 500)) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("solon.models.client.Client._wait", lambda *given: 0.02)
            with pytest.raises(ModelError, match="does not answer any more"):
                play(server.name(), tmp_path / "run")
        server.reply = behaviour
        play(server.name(), tmp_path / "run")
    assert tables(tmp_path / "run") == unbroken["tables"]


def test_tokens_that_are_spent_stop_the_run_and_what_was_under_way_is_kept(unbroken, tmp_path):
    with Scripted(slow(Behaviour(said=SAID))) as server:
        with pytest.raises(
            Stopped, match=r"The run has \d+ tokens, and --max-tokens-total is 500; a larger one goes on"
        ):
            play(server.name(), tmp_path / "run", budget=Budget(tokens=500))
        for _ in range(2):
            asked = len(server.questions)
            with pytest.raises(Stopped):
                play(server.name(), tmp_path / "run", budget=Budget(tokens=500))
            assert counted(server.questions[asked:]) == unbroken["probe"]
        play(server.name(), tmp_path / "run", budget=Budget(tokens=10**6))
    assert tables(tmp_path / "run") == unbroken["tables"]
    extra = counted(server.questions) - unbroken["questions"]
    assert extra.keys() == unbroken["probe"].keys()


def test_time_that_is_over_stops_the_run(tmp_path):
    with Scripted(slow(Behaviour(said=SAID))) as server, pytest.raises(Stopped, match=r"0\.05 seconds of --max-time"):
        play(server.name(), tmp_path / "run", budget=Budget(seconds=0.05))


def test_how_a_server_is_reached_may_change_and_what_is_asked_of_it_may_not(tmp_path):
    with Scripted(Behaviour(said=SAID)) as server:
        play(server.name(), tmp_path / "run", until="critique")
        play(server.name(), tmp_path / "run", "models.concurrency=2", "models.timeout=60", until="critique")
        with pytest.raises(UsageError, match=r"recipe\.yaml is not the one this run was begun with"):
            play(server.name(), tmp_path / "run", "models.extra_body={top_k: 1}", until="critique")


def test_a_server_that_can_something_else_than_before_is_not_gone_on_with(tmp_path):
    with Scripted(slow(Behaviour(said=SAID))) as server:
        with pytest.raises(Stopped):
            play(server.name(), tmp_path / "run", budget=Budget(tokens=300))
        server.reply = Behaviour(said=SAID, system=False)
        with pytest.raises(UsageError, match=r"model\.takes_system was true, is now false"):
            play(server.name(), tmp_path / "run")


def test_a_complete_stage_needs_no_server(tmp_path):
    with Scripted(Behaviour(said=SAID)) as server:
        name = server.name()
        play(name, tmp_path / "run", until="critique")
    play(name, tmp_path / "run", until="critique")


def test_a_server_without_log_probabilities_is_told_before_anything_is_spent_with_the_alternative(tmp_path):
    with Scripted(Behaviour(said=SAID, top_logprobs=0)) as server:
        with pytest.raises(UsageError, match=r"gives no log-probabilities, .* `label: \{votes: 5\}`"):
            play(server.name(), tmp_path / "run")
        assert not (tmp_path / "run").exists()
        play(server.name(), tmp_path / "run", until="pairs")


def test_votes_are_counted_of_a_server_that_neither_tells_nor_continues(tmp_path):
    behaviour = Behaviour(said="The answer is: (A)", continues=False, top_logprobs=0)
    behaviour._text = lambda body, prompt, is_open: (
        "The answer is: (A" if body.get("stop") == [")"] else f"{SAID} {body.get('seed', 0)}."
    )
    with Scripted(behaviour) as server:
        play(server.name(), tmp_path / "run", "label.votes=3")
    for row in read_rows(tmp_path / "run" / "04-label"):
        assert (row["known_by"], row["probability"], row["mass"]) == ("votes", 1.0, 1.0)


def test_labels_of_a_server_that_does_not_continue_a_turn_are_read_off_the_first_token(tmp_path):
    likely = {"A": -1.2, "(A": -1.2, "B": -1.5, "The": -4.0}
    with Scripted(Behaviour(said=SAID, continues=False, likely=likely)) as server:
        play(server.name(), tmp_path / "run")
    row = read_rows(tmp_path / "run" / "04-label")[0]
    assert row["known_by"] == "top_logprobs"
    assert row["probability"] == pytest.approx(0.73, abs=0.01)


def test_a_model_that_answers_neither_way_abstains(tmp_path):
    with Scripted(Behaviour(said=SAID, likely={"The": -0.1, "It": -4.0})) as server:
        play(server.name(), tmp_path / "run")
    assert read_summary(tmp_path / "run" / "04-label")["states"]["rows"] == {"abstained": 8}


def test_a_transcript_is_what_a_model_without_a_chat_template_is_asked_in(tmp_path):
    with Scripted(Behaviour(said=SAID, chat=False)) as server:
        play(server.name(), tmp_path / "run")
    prompts = [body["prompt"] for body in server.questions if "prompt" in body]
    assert sum("\n\nCritiqueRequest:" in prompt for prompt in prompts) == 16
    assert read_rows(tmp_path / "run" / "04-label")[0]["known_by"] == "exact"


@pytest.mark.parametrize(
    ("settings", "until", "told"),
    [
        (["base_model=null"], None, "add a `base_model` on this machine"),
        (["base_model=openai:http://h/v1#m"], "critique", "base_model is openai:http://h/v1#m, and a server trains"),
    ],
)
def test_what_a_server_cannot_be_is_told_before_it_is_asked(settings, until, told):
    recipe = recipe_of("openai:http://h/v1#m", *settings)
    with pytest.raises(UsageError, match=told):
        unless_able(constitutions.load("sandbox"), recipe, until=until)


def test_a_name_that_is_none_is_told_as_it_is_read():
    with pytest.raises(UsageError, match="feedback_model cannot be loaded: A server is named by its URL"):
        recipe_of("openai:http://h/v1#m", "feedback_model=openai:gpt")


def test_a_model_for_vllm_where_that_is_not_installed_is_told_before_anything_is_begun(tmp_path, monkeypatch):
    monkeypatch.setattr("solon.models.load.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"vllm:mine needs vLLM, which is not installed here"):
        play("vllm:mine", tmp_path / "run", until="critique")
    assert not (tmp_path / "run").exists()


def test_a_model_that_vllm_computes_is_trained_as_it_lies_here():
    recipe = recipe_of("vllm:sandbox", "base_model=null")
    assert trained_model(recipe) == model_name("sandbox")
    assert model_name(recipe.helpful_model.name) == f"vllm:{model_name('sandbox')}"
    unless_able(constitutions.load(recipe.constitution), recipe)
