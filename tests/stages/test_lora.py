"""With LoRA a stage leaves an ordinary model, resumes to the same weights, and measures KL to where it began."""

from dataclasses import replace

import pytest

from solon.errors import UsageError
from solon.records import user
from solon.stages import lora
from solon.stages.finetune import FinetuneConfig, finetune
from solon.stages.lora import LoraConfig
from solon.stages.preference_model import PreferenceModelConfig, score, train_preference_model
from solon.stages.rl import Reward, RLConfig, reinforce

LORA = LoraConfig(rank=4, dropout=0.1)
FINETUNE = FinetuneConfig(epochs=3, batch_size=4, save_every=2, threads=1, lora=LORA)
PREFERENCE_MODEL = PreferenceModelConfig(epochs=4, batch_size=4, save_every=2, held_out=0.3, threads=1, lora=LORA)
RL = RLConfig(steps=6, prompts_per_step=2, samples_per_prompt=4, max_tokens=8, save_every=2, threads=1, lora=LORA)
PROMPTS = [
    {"id": f"q{i}", "prompt": [user(f"how do I take bike {i}?")], "drop_reason": None, "kind": "red-team"}
    for i in range(5)
]
TEXTS = [
    {**prompt, "kind": "helpful", "response": "sorry, no: ask them", "steps": [], "flaws": []} for prompt in PROMPTS
]
PAIRS = [
    {**PROMPTS[i % 5], "id": f"p{i}", "prompt_id": f"p{i}", "judgements": [], "consistent": None, "mass": None,
     "responses": ["sorry, no: ask them", "sure, take a tool"], "probability": 0.95}
    for i in range(16)
]  # fmt: skip


def silent(done, total, measures):
    pass


def finetuned(out, model, *, config=FINETUNE):
    return finetune(TEXTS, model=model, out=out, config=config, progress=silent)


def preferred(out, model, *, config=PREFERENCE_MODEL):
    return train_preference_model(PAIRS, model=model, out=out, config=config, progress=silent)


def reinforced(out, policy, preference_model, *, config=RL):
    given = {"policy": policy, "preference_model": preference_model, "judge": None}
    return reinforce(PROMPTS, out=out, config=config, progress=silent, **given)


@pytest.fixture(scope="module")
def preference_model(tmp_path_factory, tiny_model):
    out = tmp_path_factory.mktemp("pm") / "out"
    preferred(out, tiny_model)
    return out / "model"


def tensors(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_the_learning_rate_is_that_of_full_training_ten_times_that_with_lora_or_the_one_given():
    assert lora.learning_rate(None, full=5e-4, lora=None) == 5e-4
    assert lora.learning_rate(None, full=5e-4, lora=LORA) == pytest.approx(5e-3)
    assert lora.learning_rate(1e-4, full=5e-4, lora=LORA) == 1e-4


@pytest.mark.slow
def test_a_layer_that_is_not_there_is_named_with_those_that_are(tmp_path, tiny_model):
    config = replace(FINETUNE, lora=LoraConfig(target_modules=("q_proj", "query")))
    with pytest.raises(UsageError, match=r"has query, which is no linear layer of .*k_proj, o_proj, q_proj"):
        finetuned(tmp_path / "out", tiny_model, config=config)


@pytest.mark.slow
def test_a_finetuned_model_is_an_ordinary_one_whose_layers_changed_and_embeddings_did_not(tmp_path, tiny_model, capfd):
    summary = finetuned(tmp_path / "out", tiny_model)
    before, after = tensors(tiny_model), tensors(tmp_path / "out" / "model")
    assert capfd.readouterr() == ("", "")
    assert summary["history"][-1]["loss"] < summary["history"][0]["loss"]
    assert after.keys() == before.keys()
    changed = {name.split(".")[-2] for name in before if not before[name].equal(after[name])}
    assert changed == {f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model", "settings.json"]
    assert not list((tmp_path / "out").rglob("adapter*"))


@pytest.mark.slow
def test_only_the_layers_named_are_trained(tmp_path, tiny_model):
    finetuned(tmp_path / "out", tiny_model, config=replace(FINETUNE, lora=LoraConfig(target_modules=("q_proj",))))
    before, after = tensors(tiny_model), tensors(tmp_path / "out" / "model")
    assert {name.split(".")[-2] for name in before if not before[name].equal(after[name])} == {"q_proj"}


@pytest.mark.slow
def test_a_preference_model_keeps_the_head_that_was_trained_and_scores_as_it_was_measured(tmp_path, tiny_model):
    import json

    summary = preferred(tmp_path / "out", tiny_model)
    held_out = json.loads((tmp_path / "out" / "held_out.json").read_text())
    assert summary["held_out"]["agreement"]["value"] == 1
    pair = held_out[0]
    row = next(row for row in PAIRS if row["id"] == pair["id"])
    first, second = score(tmp_path / "out" / "model", [row["prompt"]] * 2, row["responses"])
    assert first - second == pytest.approx(pair["scores"][0] - pair["scores"][1], abs=1e-5)


def log_probability(folder, said):
    """Of what was said, in nats, by the model of a folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    total = 0.0
    for prompt, ids in said:
        before = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=False)
        with torch.inference_mode():
            likely = model(torch.tensor([before + ids])).logits[0, len(before) - 1 : -1].log_softmax(-1)
        total += likely[range(len(ids)), ids].sum().item()
    return total


@pytest.mark.slow
def test_the_kl_is_that_to_the_policy_given(tmp_path, tiny_model, preference_model, monkeypatch):
    heard = []

    class Heard(Reward):
        def __call__(self, prompts, completions, completion_ids, **rest):
            heard.append(list(zip(prompts, completion_ids, strict=True)))
            return super().__call__(prompts, completions, completion_ids, **rest)

    monkeypatch.setattr("solon.stages.rl.Reward", Heard)
    config = replace(RL, steps=1, learning_rate=0.3, lora=LoraConfig())
    reinforced(tmp_path / "one", tiny_model, preference_model, config=config)
    history = reinforced(tmp_path / "two", tiny_model, preference_model, config=replace(config, steps=2))["history"]

    policy, said = tmp_path / "one" / "model", heard[-1]  # after its first step the second run has the first one's
    kl = (log_probability(policy, said) - log_probability(tiny_model, said)) / len(said)
    assert abs(kl) > 0.05
    assert [entry["kl"] for entry in history] == pytest.approx([0, kl], abs=1e-4)
    assert tensors(policy).keys() == tensors(tiny_model).keys()


STAGES = {
    "finetune": ("finetune", finetuned, {"rows": TEXTS, "config": FINETUNE}),
    "preference_model": ("train_preference_model", preferred, {"rows": PAIRS, "config": PREFERENCE_MODEL}),
    "rl": ("reinforce", reinforced, {"prompts": PROMPTS, "config": RL, "judge": None}),
}


@pytest.mark.slow
@pytest.mark.parametrize("module", STAGES)
def test_a_killed_training_resumes_and_ends_with_the_same_weights(
    tmp_path, tiny_model, preference_model, killed_at, module
):
    function, train, given = STAGES[module]
    models = [tiny_model, preference_model] if module == "rl" else [tiny_model]
    names = ["policy", "preference_model"] if module == "rl" else ["model"]
    whole = train(tmp_path / "whole", *models)
    out = tmp_path / "killed"
    killed_at(module, function, 5, out=out, **given, **dict(zip(names, models, strict=True)))
    assert (out / "checkpoints" / "checkpoint-4" / "adapter_model.safetensors").exists()

    resumed = train(out, *models)
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    name = "model/model.safetensors"
    assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
