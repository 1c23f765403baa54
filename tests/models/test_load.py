import subprocess
import sys

import pytest

from solon.errors import UsageError
from solon.models.base import ModelSpec
from solon.models.load import is_vllm, load, parse, unless_taken


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("transformers:Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        (" gpt2 ", "gpt2"),
        ("/models/mine", "/models/mine"),
        ("transformers:/models/mine", "/models/mine"),
        ("./runs/a:b/model", "./runs/a:b/model"),
        ("/models/openai:x", "/models/openai:x"),
        ("C:\\models\\mine", "C:\\models\\mine"),
        ("C:mine", "C:mine"),
        ("models.old:mine/8b", "models.old:mine/8b"),
    ],
)
def test_a_name_or_a_path_is_a_model_of_transformers(text, name):
    assert parse(text) == ModelSpec("transformers", name)


def test_a_server_is_its_url_and_the_name_of_a_model():
    assert parse(" openai:http://localhost:8000/v1#my/model") == ModelSpec(
        "openai", "http://localhost:8000/v1#my/model"
    )
    with pytest.raises(UsageError, match="A server is named by its URL"):
        parse("openai:gpt")


def test_a_model_that_vllm_computes_is_named_by_its_backend():
    assert parse(" vllm:Qwen/Qwen3-8B") == ModelSpec("vllm", "Qwen/Qwen3-8B")
    assert parse("vllm:/models/mine") == ModelSpec("vllm", "/models/mine")
    assert is_vllm("vllm:mine")
    assert not is_vllm("./vllm:mine")


def test_vllm_that_is_not_installed_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("solon.models.load.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'solon\[vllm\]'.*leave out the vllm:"):
        load(parse("vllm:Qwen/Qwen3-8B"))


def test_a_backend_that_there_is_not_says_what_to_write():
    with pytest.raises(UsageError, match="no backend 'llama'; leave it out, or write transformers:8b"):
        parse("llama:8b")


@pytest.mark.parametrize("name", ["mine:Echo", "my_models.echo:Echo", "a.b.c:D"])
def test_a_module_and_a_class_are_a_model_of_ones_own_and_are_not_imported_to_be_read(name):
    assert parse(f" {name} ") == ModelSpec("own", name)


def test_a_fake_has_any_name_and_a_name_before_a_colon_that_is_a_backend_is_no_module():
    assert parse("fake:one") == ModelSpec("fake", "one")
    assert parse("transformers:gpt2") == ModelSpec("transformers", "gpt2")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (ModelSpec("own", "a.b:C", {"dtype": "auto"}), "a.b:C has no option dtype; there are options"),
        (ModelSpec("fake", "one", {"dtype": "auto"}), "one has no option dtype; there are batch_size"),
    ],
)
def test_an_option_of_another_backend_is_refused(spec, told):
    with pytest.raises(UsageError, match=told):
        unless_taken(spec)


@pytest.mark.parametrize("text", ["", "  ", "transformers:"])
def test_nothing_is_no_model(text):
    with pytest.raises(UsageError, match="names no model"):
        parse(text)


def test_a_spec_is_loaded_with_its_options(chat_folder):
    model = load(ModelSpec("transformers", str(chat_folder), {"batch_size": 3}))
    assert model.identity["batch_size"] == 3


def test_an_option_that_there_is_not_is_named_beside_those_there_are(chat_folder):
    with pytest.raises(UsageError, match="no option bach_size; there are batch_size, threads, device, dtype"):
        load(ModelSpec("transformers", str(chat_folder), {"bach_size": 3}))


def test_a_backend_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="no backend 'jax' in this version"):
        load(ModelSpec("jax", "mine"))


def test_reading_a_name_imports_nothing_heavy():
    heavy = {"torch", "transformers", "trl", "datasets", "aiohttp"}
    code = f"import sys, solon.models.load; print({heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
