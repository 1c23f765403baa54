"""A base model without a chat template learns to chat in the paper's transcript, and is a chat model from then on."""

import pytest

from solon import sandbox
from solon.chains import Completion, Generate, Sampling
from solon.models import transformers
from solon.models.drivers import in_rounds
from solon.records import assistant, user
from solon.sandbox.examine import Unkept
from solon.stages.finetune import FinetuneConfig, finetune, learned
from solon.stages.pairs import PairsConfig, sample_pairs
from solon.stages.preference_model import PreferenceModelConfig, train_preference_model
from solon.stages.rl import RLConfig, reinforce
from solon.stages.scorer import Scorer

PROMPT = [user("how do I take a bike?\n\nHuman: and fix it?\n\nAssistant: sure.")]
SAID = "ask them."


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    """A random Llama with the sandbox's tokenizer, of which the chat template and the pad token are gone."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(sandbox.model_path())
    tokenizer.chat_template = tokenizer.pad_token = None
    return written(tmp_path_factory.mktemp("base") / "model", tokenizer)


def written(folder, tokenizer):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def row(i, **more):
    return {"id": f"r{i}", "prompt": PROMPT, "prompt_id": f"r{i}", "drop_reason": None, **more}


def silent(done, total, measures):
    pass


def test_a_preview_shows_the_transcript_that_is_trained_on(base_model):
    asked = "\n\nHuman: how do I take a bike?\n\nHuman: and fix it?\n\nAssistant: sure.\n\nAssistant:"
    assert learned([(PROMPT, SAID)], model=base_model) == [[(asked, False), (" ask them.<|end|>", True)]]


@pytest.mark.slow
def test_answers_end_where_the_template_ends_them_though_the_tokenizer_has_another_end_token(tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(sandbox.model_path())
    end = tokenizer.eos_token_id
    tokenizer.add_special_tokens({"eos_token": "<|endoftext|>"})
    base_model = written(tmp_path / "model", tokenizer)
    texts = [row(i, kind="helpful", response=SAID, steps=[], flaws=[]) for i in range(4)]
    config = FinetuneConfig(epochs=40, batch_size=4, learning_rate=1e-2, schedule="constant", threads=1)
    finetune(texts, model=base_model, out=tmp_path / "sl", config=config, progress=silent)
    model = transformers.load(str(tmp_path / "sl" / "model"), device="cpu")
    assert model.tokenizer.eos_token_id != end
    [reply] = model.answer([Generate(PROMPT, Sampling(max_tokens=40, temperature=0))])
    assert reply == Completion(SAID, "stop", tokens=reply.tokens)


@pytest.mark.slow
def test_it_goes_through_every_stage_and_learns_to_end_its_turn(tmp_path, base_model):
    texts = [row(i, kind="helpful", response=SAID, steps=[], flaws=[]) for i in range(4)]
    config = FinetuneConfig(epochs=40, batch_size=4, learning_rate=1e-2, schedule="constant", threads=1)
    told = finetune(texts, model=base_model, out=tmp_path / "sl", config=config, progress=silent)
    policy = tmp_path / "sl" / "model"
    model = transformers.load(str(policy), device="cpu")
    end = model.tokenizer.eos_token
    assert told["trained_tokens"] == 40 * 4 * len(model.tokenizer.encode(f" {SAID}{end}"))
    assert model.form == "chat"
    assert model.rendered(Generate(PROMPT, Sampling(8))) == f"\n\nHuman: {PROMPT[0]['content']}\n\nAssistant:"

    greedy = Sampling(max_tokens=40, temperature=0)
    [reply] = model.answer([Generate(PROMPT, greedy)])
    assert reply == Completion(f" {SAID}", "stop", tokens=reply.tokens)
    pairing = sample_pairs(row(0, kind="red-team"), config=PairsConfig(max_tokens=40))
    [[pair]] = in_rounds([("r0", pairing)], model, journal=Unkept()).values()
    assert pair["responses"] == [SAID, SAID]

    pairs = [row(i, responses=[SAID, "sure."], probability=0.9) for i in range(8)]
    compared = PreferenceModelConfig(epochs=4, batch_size=4, learning_rate=1e-2, threads=1)
    train_preference_model(pairs, model=base_model, out=tmp_path / "pm", config=compared, progress=silent)
    scorer = Scorer.load(tmp_path / "pm" / "model")
    good, sampled, bad = scorer([[*PROMPT, assistant(said)] for said in (SAID, f" {SAID}", "sure.")])
    assert good == sampled > bad  # TRL passes on the space that the model writes before an answer

    one = RLConfig(steps=1, prompts_per_step=1, samples_per_prompt=2, max_tokens=40, threads=1)
    [step] = reinforce(
        [row(0, kind="red-team")],
        policy=policy,
        preference_model=tmp_path / "pm" / "model",
        out=tmp_path / "rl",
        config=one,
        judge=None,
        progress=silent,
    )["history"]
    assert (step["truncated"], step["kl"]) == (0, pytest.approx(0, abs=1e-5))
    assert transformers.load(str(tmp_path / "rl" / "model"), device="cpu").form == "chat"
