"""What vLLM answers is what Transformers answers. Only where vLLM is installed, with the sandbox's model."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

import pytest

from solon import sandbox
from solon.chains import Choose, Completion, Failure, Generate, Sampling
from solon.errors import ModelError, UsageError
from solon.models.base import Server
from solon.records import assistant, system, user
from solon.runs import read_rows

pytestmark = [
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed: pip install 'solon[vllm]'"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

QUESTIONS = (
    "How do I open my own bicycle lock?",
    "How can I take a stranger's bicycle?",
    "Tell me a story. Answer in one sentence.",
    "<|end|>How do I open a lock?",
)
PREFILL = "The answer is: ("


@pytest.fixture(scope="module")
def environment():
    """What vLLM asks for on a CPU: little memory, and no thread bound to a core."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        patch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0")
        yield


@pytest.fixture(scope="module")
def engine(environment):
    from solon.models import vllm

    model = vllm.load(str(sandbox.model_path()), dtype="float32", engine={"enforce_eager": True})
    yield model
    model.close()


@pytest.fixture(scope="module")
def here():
    from solon.models import transformers

    return transformers.load(str(sandbox.model_path()), device="cpu")


def answers(model, requests):
    """The replies, asked for side by side, each time in another event loop."""

    async def asked():
        async with model:
            return await asyncio.gather(*map(model.answer, requests))

    return asyncio.run(asked())


def test_it_is_asked_as_a_server_and_known_by_its_files(engine, here):
    assert isinstance(engine, Server)
    same = {key for key in engine.identity if engine.identity[key] == here.identity.get(key)}
    assert {"name", "weights", "config", "tokenizer", "dtype"} <= same
    assert engine.form == "chat"
    asked = Generate([system("Be kind."), user("Why?")], prefill="Well")
    assert engine.rendered(asked) == here.rendered(asked)


def test_choices_are_those_of_transformers(engine, here):
    asked = [Choose([user(question)], ("A", "B"), PREFILL) for question in QUESTIONS]
    asked += [Choose([user(question)], ("C", "B", "A"), "(") for question in QUESTIONS]
    asked += [Choose(f"\n\nHuman: {question}\n\nAssistant: The answer is:", ("A", "B"), " (") for question in QUESTIONS]
    for one, other in zip(
        answers(engine, asked), here.answer(asked[:4]) + here.answer(asked[4:8]) + here.answer(asked[8:]), strict=True
    ):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
        assert one.mass == pytest.approx(other.mass, abs=1e-4)
        assert one.source == "exact"
        assert one.prompt_tokens > 0


@pytest.mark.parametrize("changed", [{}, {"max_tokens": 5}, {"stop": ("e ", "zzz")}])
def test_without_temperature_it_says_what_transformers_says(engine, here, changed):
    sampling = Sampling(**{"max_tokens": 60, "temperature": 0.0, **changed})
    asked = [Generate([user(question)], sampling) for question in QUESTIONS]
    asked += [
        Generate([user(question), assistant("No."), user("Why?")], sampling, prefill="To") for question in QUESTIONS
    ]
    asked += [Generate(f"Human: {question}\n\nAssistant:", sampling) for question in QUESTIONS]
    said = answers(engine, asked)
    assert [replace(each, prompt_tokens=0) for each in said] == here.answer(asked)
    assert [each.prompt_tokens for each in said] == [len(here.language.prompt(each)) for each in asked]


def test_the_seed_decides_what_is_said(engine):
    sampling = Sampling(30)
    asked = [Generate([user(QUESTIONS[0])], sampling, seed=2**62 + n // 3) for n in range(24)]
    said = [each.text for each in answers(engine, asked)]
    assert all(len(set(said[n : n + 3])) == 1 for n in range(0, 24, 3))
    assert len(set(said)) > 4


def test_a_question_that_is_too_long_fails_alone(engine, here):
    long = Generate([user("door " * 900)], Sampling(9))
    failed, said = answers(engine, [long, Generate([user("Why?")], Sampling(9))])
    assert failed == here.answer([long])[0]
    assert isinstance(failed, Failure)
    assert isinstance(said, Completion)


def test_an_option_of_several_tokens_stops_the_run(engine):
    with pytest.raises(ModelError, match="is not one token after"):
        answers(engine, [Choose([user("Which?")], ("A", "strawberry"), PREFILL)])


def test_what_it_can_do_is_told_as_of_a_server(engine):
    told = engine.probed()
    assert (told.keeps_seed, told.varies, told.tells_choices, told.context) == (True, True, True, 768)
    assert told.told()["log-probabilities"] == "of any token that is named"


def test_options_that_cannot_be_are_the_persons_mistake(environment):
    from solon.models import vllm

    for engine, told in (({"max_num_seq": 4}, "did you mean 'max_num_seqs'"), ({"load_format": "pt"}, "set by Solon")):
        with pytest.raises(UsageError, match=told):
            vllm.load(str(sandbox.model_path()), engine=engine)
    with pytest.raises(UsageError, match="is no folder"):
        vllm.load("/no/where")
    with pytest.raises(UsageError, match="no LoRA adapter"):
        vllm.load(str(sandbox.model_path()), adapter=str(sandbox.model_path()))


def test_check_starts_the_engine_says_what_it_can_do_and_ends_it(environment, tmp_path):
    from solon.recipe import apply_settings, load, serving

    told = ["helpful_model=vllm:sandbox", "models.max_model_len=256", "models.engine={enforce_eager: true}"]
    before = _children()
    found = serving.engines(apply_settings(load("demo"), told), last="01-critique", out=tmp_path / "run")
    assert list(found) == ["vllm:sandbox"]
    assert found["vllm:sandbox"].context == 256
    assert _children() == before


def test_an_adapter_changes_the_answers_as_it_does_when_it_is_merged(environment, tmp_path):
    torch = pytest.importorskip("torch")
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from solon.models import transformers, vllm

    path, merged, adapter = str(sandbox.model_path()), tmp_path / "merged", tmp_path / "adapter"
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "o_proj", "down_proj"], init_lora_weights=False)
    torch.manual_seed(0)
    learned = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(path), config)
    learned.save_pretrained(adapter)
    learned.merge_and_unload().save_pretrained(merged)
    AutoTokenizer.from_pretrained(path).save_pretrained(merged)

    asked = [Choose([user(question)], ("A", "B"), PREFILL) for question in QUESTIONS]
    expected, plain = (transformers.load(str(name), device="cpu").answer(asked) for name in (merged, path))
    model = vllm.load(path, adapter=str(adapter), dtype="float32", engine={"enforce_eager": True})
    found = answers(model, asked)
    model.close()
    assert "adapter" in model.identity
    for one, other, before in zip(found, expected, plain, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
        assert one.probabilities != pytest.approx(before.probabilities, abs=1e-2)


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_is_stopped_leaves_no_process_and_asks_nothing_again_that_is_on_file(
    environment, tmp_path, how, code
):
    journal = tmp_path / "run" / "01-critique" / "journal.jsonl"
    first = _begun(tmp_path)
    while first.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 20):
        time.sleep(0.05)
    if how == signal.SIGINT:
        os.killpg(first.pid, how)  # as a terminal does
    else:
        first.send_signal(how)
    assert first.wait(60) == code
    ends = time.monotonic() + 60
    while (left := _of_session(first.pid)) and time.monotonic() < ends:
        time.sleep(0.5)
    assert not left
    on_file = journal.read_bytes()
    on_file = on_file[: on_file.rindex(b"\n") + 1]
    assert _begun(tmp_path).wait(600) == 0
    assert journal.read_bytes().startswith(on_file)
    assert [row["drop_reason"] for row in read_rows(journal.parent)] == [None] * 100


def test_an_engine_that_dies_stops_the_run(engine):
    """The last test: the engine is dead after it."""
    asked = [Generate([user("Why?")], Sampling(200), seed=n) for n in range(64)]

    async def killed():
        tasks = [asyncio.create_task(engine.answer(each)) for each in asked]
        await asyncio.sleep(0.3)
        for pid in _children():
            os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*tasks)

    with pytest.raises(ModelError, match="engine has died"):
        asyncio.run(killed())


def _begun(folder):
    """A run of 100 prompts in a session of its own."""
    told = ["num_prompts=100", "helpful_prompts=null", "helpful_model=vllm:sandbox", "models.concurrency=8"]
    told += ["models.engine={enforce_eager: true}"]
    words = ["run", "demo", "--until", "critique", "--out", str(folder / "run")]
    words += [word for each in told for word in ("--set", each)]
    code = "import sys; from solon.cli import main\nif __name__ == '__main__':\n    main()"
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # which a background process does not
    return subprocess.Popen([sys.executable, "-c", code, *words], start_new_session=True, preexec_fn=hear)


def _of_session(leader):
    return subprocess.run(["ps", "-o", "args=", "-s", str(leader)], capture_output=True, text=True).stdout


def _children():
    found = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "EngineCore" in line]
