"""An adapter changes the weights as PEFT itself would; one of another model, or of another kind, is told."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_adapter import write_adapter

from solon.chains import Generate, Sampling
from solon.errors import ModelError, UsageError
from solon.models import transformers
from solon.records import user

ASKED = [Generate([user(f"How do I open door {i}?")], Sampling(12), seed=i) for i in range(4)]


def said(folder, adapter=None):
    return [reply.text for reply in transformers.load(str(folder), adapter=adapter and str(adapter)).answer(ASKED)]


def logits(model):
    with torch.no_grad():
        return model(torch.arange(20)[None]).logits


@pytest.fixture
def copied(adapter_folder, tmp_path):
    return shutil.copytree(adapter_folder, tmp_path / "copied")


def configured(folder, **settings):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return folder


def test_its_matrices_are_added_as_peft_would_apply_them(chat_folder, adapter_folder):
    import peft
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(chat_folder)
    before = logits(plain)
    applied = logits(peft.PeftModel.from_pretrained(plain, adapter_folder).eval())
    model = transformers.load(str(chat_folder), adapter=str(adapter_folder)).model
    assert torch.allclose(logits(model), applied, atol=1e-4)
    assert (before - applied).abs().max() > 0.1
    assert not [name for name, _ in model.named_parameters() if "lora" in name]
    assert said(chat_folder, adapter_folder) != said(chat_folder)


@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"use_rslora": True, "lora_alpha": 3},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"k_proj": 32}},
        {"target_modules": ["q_proj"], "layers_to_transform": [1]},
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    ],
)
def test_variants_are_added_too(chat_folder, tmp_path, settings):
    import peft
    from transformers import AutoModelForCausalLM

    adapter = write_adapter(tmp_path / "adapter", chat_folder, seed=2, **settings)
    applied = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(chat_folder), adapter).eval()
    model = transformers.load(str(chat_folder), adapter=str(adapter)).model
    assert torch.allclose(logits(model), logits(applied), atol=1e-4)


def test_the_page_says_how_one_is_merged_into_a_model_that_can_be_trained(
    chat_folder, adapter_folder, tmp_path, monkeypatch
):
    page = Path(__file__).parent.parent.parent / "docs" / "models.md"
    (code,) = [each for each in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL) if "merged" in each]
    monkeypatch.chdir(tmp_path)
    exec(code.replace("Qwen/Qwen3-8B", str(chat_folder)).replace("owner/my-lora", str(adapter_folder)))
    assert said(tmp_path / "my-merged-model") == said(chat_folder, adapter_folder)


def test_the_identity_has_the_digest_of_the_adapter_beside_that_of_the_weights(chat_folder, copied):
    plain, adapted = (transformers.load(str(chat_folder), adapter=it).identity for it in (None, str(copied)))
    assert "adapter" not in plain
    assert {**plain, "adapter": adapted["adapter"]} == adapted
    weights = load_file(copied / "adapter_model.safetensors")
    save_file({name: 2 * matrix for name, matrix in weights.items()}, copied / "adapter_model.safetensors")
    assert transformers.load(str(chat_folder), adapter=str(copied)).identity["adapter"] != adapted["adapter"]


def test_a_tokenizer_beside_an_adapter_is_the_one_it_was_trained_with(base_folder, chat_folder, copied):
    model = transformers.load(str(base_folder), adapter=str(copied))
    assert model.form == "transcript"
    for path in (*chat_folder.glob("tokenizer*"), chat_folder / "chat_template.jinja"):
        shutil.copy(path, copied)
    told = transformers.load(str(base_folder), adapter=str(copied))
    assert told.form == "chat"
    assert told.identity["tokenizer"] == transformers.load(str(chat_folder)).identity["tokenizer"]


def test_more_tokens_than_the_model_has_are_told(base_folder, chat_folder, copied):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(chat_folder)
    tokenizer.add_tokens([f"<new {n}>" for n in range(3)])
    tokenizer.save_pretrained(copied)
    with pytest.raises(UsageError, match=r"has more tokens than .*; merge it by what trained it"):
        transformers.load(str(base_folder), adapter=str(copied))


@pytest.mark.parametrize("change", [{"hidden_size": 64}, {"num_hidden_layers": 1}, {"num_hidden_layers": 3}])
def test_an_adapter_of_another_model_is_told_with_the_model_it_was_made_for(chat_folder, tmp_path, change):
    from transformers import LlamaConfig, LlamaForCausalLM

    other = shutil.copytree(chat_folder, tmp_path / "other")
    config = LlamaConfig.from_pretrained(chat_folder)
    config.update(change)
    LlamaForCausalLM(config).save_pretrained(other)
    adapter = write_adapter(tmp_path / "adapter", chat_folder, seed=1, target_modules=["q_proj", "down_proj"])
    configured(adapter, base_model_name_or_path="owner/small")
    with pytest.raises(UsageError, match=r"is no adapter of (.|\n)*Give the model .* by its own words owner/small"):
        transformers.load(str(other), adapter=str(adapter))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"peft_type": "PROMPT_TUNING"}, "an adapter of type PROMPT_TUNING for CAUSAL_LM; only LORA"),
        ({"task_type": "SEQ_CLS"}, "of type LORA for SEQ_CLS; only LORA for CAUSAL_LM"),
        ({"corda_config": {"cache_file": "x.pt"}}, "no plain LoRA: it has corda_config"),
        ({"layer_replication": [[0, 2]]}, "no plain LoRA: it has layer_replication"),
        ({"something_new": True}, "no plain LoRA: it has something_new"),
        ({"bias": "lora_only"}, "has biases that were trained"),
        ({"target_parameters": ["mlp.experts.down_proj"]}, "no plain LoRA: it has target_parameters"),
        ({"init_lora_weights": "pissa"}, "was trained beside weights that pissa had changed"),
        ({"target_modules": ["query"]}, "is no adapter of"),
        ({"r": "four"}, "is no adapter of"),
    ],
)
def test_what_is_no_plain_lora_is_told_with_what_to_do(chat_folder, copied, settings, told):
    with pytest.raises(UsageError, match=told):
        transformers.load(str(chat_folder), adapter=str(configured(copied, **settings)))


def test_what_is_not_whole_is_told(chat_folder, copied):
    (copied / "adapter_config.json").write_text("{")
    with pytest.raises(UsageError, match=r"adapter_config\.json is damaged"):
        transformers.load(str(chat_folder), adapter=str(copied))


def test_pickled_matrices_are_never_read(chat_folder, copied):
    torch.save(load_file(copied / "adapter_model.safetensors"), copied / "adapter_model.bin")
    (copied / "adapter_model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"it has not both .* Pickled weights are never read"):
        transformers.load(str(chat_folder), adapter=str(copied))


def test_cut_or_unnumbered_matrices_are_told(chat_folder, copied):
    file = copied / "adapter_model.safetensors"
    weights = load_file(file)
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(UsageError, match="is no adapter of"):
        transformers.load(str(chat_folder), adapter=str(copied))
    save_file({name: matrix * torch.nan for name, matrix in weights.items()}, file)
    with pytest.raises(UsageError, match="is no adapter of"):
        transformers.load(str(chat_folder), adapter=str(copied))


def test_an_adapter_that_is_nowhere_is_told(chat_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="is no folder; give"):
        transformers.load(str(chat_folder), adapter=str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match="could not be fetched from the Hugging Face Hub"):
        transformers.load(str(chat_folder), adapter="nobody/nothing")
