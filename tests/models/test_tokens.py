import pytest

from solon import sandbox
from solon.errors import UsageError
from solon.models.base import ModelSpec
from solon.models.tokens import tokens_of
from solon.models.transformers import load
from solon.prompts import FORMS
from solon.records import user


def test_a_chat_model_counts_as_it_is_asked():
    path = str(sandbox.model_path())
    tokens, model = tokens_of(ModelSpec("transformers", path)), load(path, device="cpu")
    assert tokens.forms == ("chat", "transcript")
    assert tokens.context == model._context
    for form in tokens.forms:
        asked = FORMS[form].critique([user("Why is it <|end|> late?")], "Who knows.", "Is it evasive?")
        assert tokens.count(asked) == len(model._encode(asked, ""))


def test_a_model_without_a_chat_template_is_asked_in_transcripts_only(tmp_path):
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((sandbox.model_path() / name).read_bytes())
    tokens = tokens_of(ModelSpec("transformers", str(tmp_path)))
    assert tokens.forms == ("transcript",)
    assert tokens.count([user("Why?")]) == tokens.count("\n\nHuman: Why?\n\nAssistant:")


def test_what_is_no_model_is_told(tmp_path):
    with pytest.raises(UsageError, match="no tokenizer and config that can be loaded"):
        tokens_of(ModelSpec("transformers", str(tmp_path)))
