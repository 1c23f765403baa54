"""What a checkpoint says of its quantisation is heeded, or told; the real thing where its package is installed."""

import importlib.util
import json
import shutil

import pytest
import torch

from solon.chains import Choice, Choose, Completion, Generate, Sampling
from solon.errors import UsageError
from solon.models import transformers
from solon.records import user


@pytest.fixture
def quantised(chat_folder, tmp_path):
    """A copy of the model whose config says that it is quantised."""

    def write(told):
        folder = shutil.copytree(chat_folder, tmp_path / "quantised", dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "quantization_config": told}))
        return str(folder)

    return write


@pytest.mark.parametrize(
    ("told", "package"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"load_in_8bit": True}, "bitsandbytes"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32}, "optimum"),
        ({"quant_method": "awq", "bits": 4, "group_size": 32}, "gptqmodel"),
        ({"quant_method": "torchao", "quant_type": "int8"}, "torchao"),
        ({"quant_method": "compressed-tensors", "format": "pack-quantized"}, "compressed_tensors"),
    ],
)
def test_a_package_that_is_not_there_is_named(quantised, told, package):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    name = package.replace("_", "-")
    with pytest.raises(UsageError, match=rf"is quantised \(.*\), and the package that reads it is not here: .*{name}"):
        transformers.load(quantised(told))


@pytest.mark.parametrize("told", [{"quant_method": "magic"}, {}, "magic", {"bits": 4}])
def test_what_transformers_does_not_know_is_not_taken_for_unquantised(quantised, told):
    with pytest.raises(UsageError, match=r"is quantised as .*, which Transformers does not know; give the model unq"):
        transformers.load(quantised(told))


def test_a_config_without_quantisation_is_plain_also_where_it_says_so(quantised):
    assert transformers.load(quantised(None)).identity["dtype"] == "float32"


def test_whatever_else_fails_is_told_with_the_method(quantised, monkeypatch):
    def fail(*given, **more):
        raise NameError("name 'QuantizeConfig' is not defined")  # as of optimum without gptqmodel

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", fail)
    with pytest.raises(UsageError, match=r"is quantised \(gptq\) and cannot be loaded: NameError: name 'Quant"):
        transformers.load(quantised({"quant_method": "gptq", "bits": 4}))


@pytest.mark.parametrize("settings", [{"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, {"load_in_8bit": True}])
def test_a_quantised_model_answers_like_itself(chat_folder, tmp_path, settings):
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

    plain, folder = tmp_path / "plain", tmp_path / "quantised"
    config = LlamaConfig.from_pretrained(chat_folder)
    config.update({"hidden_size": 128, "intermediate_size": 256, "head_dim": 64})
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(plain)
    how = BitsAndBytesConfig(**settings)
    AutoModelForCausalLM.from_pretrained(plain, quantization_config=how, device_map={"": "cpu"}).save_pretrained(folder)
    for each in (plain, folder):
        AutoTokenizer.from_pretrained(chat_folder).save_pretrained(each)

    model = transformers.load(str(folder), device="cpu")
    assert model.model.is_quantized
    asked = [Generate([user("Why?")], Sampling(8), seed=1)]
    (said,) = model.answer(asked)
    assert isinstance(said, Completion)
    assert model.answer(asked) == transformers.load(str(folder), device="cpu").answer(asked) == [said]
    (choice,), (whole,) = (
        each.answer([Choose([user("Which?")], ("A", "B"), "(")])
        for each in (model, transformers.load(str(plain), device="cpu"))
    )
    assert isinstance(choice, Choice)
    assert choice.probabilities == pytest.approx(whole.probabilities, abs=0.2)
    with pytest.raises(UsageError, match=r"is quantised \(bitsandbytes\) and computes in float32, whatever dtype says"):
        transformers.load(str(folder), device="cpu", dtype="bfloat16")
    with pytest.raises(UsageError, match=r"is quantised, to which .* cannot be added exactly"):
        transformers.load(str(folder), device="cpu", adapter=str(tmp_path))
