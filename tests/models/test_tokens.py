import pytest

from solon import sandbox
from solon.errors import UsageError
from solon.models.base import ModelSpec
from solon.models.tokens import chat_tokenizer, encode, tokens_of
from solon.models.transformers import load
from solon.prompts import FORMS
from solon.records import user


def test_a_chat_model_counts_as_it_is_asked():
    path = str(sandbox.model_path())
    tokens, model = tokens_of(ModelSpec("transformers", path)), load(path, device="cpu")
    assert tokens.forms == ("chat", "transcript")
    assert tokens.context == model.language.context
    for form in tokens.forms:
        asked = FORMS[form].critique([user("Why is it <|end|> late?")], "Who knows.", "Is it evasive?")
        assert tokens.count(asked) == len(model.language.encode(asked, ""))


def test_a_model_without_a_chat_template_is_asked_in_transcripts_only(tmp_path):
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((sandbox.model_path() / name).read_bytes())
    tokens = tokens_of(ModelSpec("transformers", str(tmp_path)))
    assert tokens.forms == ("transcript",)
    assert tokens.count([user("Why?")]) == tokens.count("\n\nHuman: Why?\n\nAssistant:")


def test_what_is_no_model_is_told(tmp_path):
    with pytest.raises(UsageError, match="no tokenizer and config that can be loaded"):
        tokens_of(ModelSpec("transformers", str(tmp_path)))


def test_a_chat_template_is_kept():
    path = sandbox.model_path()
    assert chat_tokenizer(path).chat_template == (path / "chat_template.jinja").read_text()


@pytest.mark.parametrize("prefill", ["", "The answer is: ("])
@pytest.mark.parametrize("bos", ["", "<|begin|>"])
def test_a_model_without_a_chat_template_reads_as_a_chat_what_it_is_asked_without_one(
    base_folder, tmp_path, bos, prefill
):
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    plain = AutoTokenizer.from_pretrained(base_folder)
    if bos:
        plain.add_special_tokens({"bos_token": bos})
        plain.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, plain.bos_token_id)]
        )
    plain.save_pretrained(tmp_path)
    told = [user("Why?\n\nHuman: Is it <|end|> late?")]
    asked = encode(AutoTokenizer.from_pretrained(tmp_path), told, prefill)
    assert encode(chat_tokenizer(tmp_path), told, prefill) == asked
    assert (asked[0] == plain.bos_token_id) == bool(bos)
    assert plain.eos_token_id not in asked


def test_a_model_that_could_not_learn_to_end_an_answer_is_told(base_folder, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"no chat template, and no eos_token .* name one of its tokens as eos_token"):
        chat_tokenizer(tmp_path)
