import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from solon.errors import UsageError
from solon.models.language import Language


def test_a_transformers_that_would_take_text_for_control_tokens_is_refused(chat_folder, monkeypatch):
    def before(self, conversation, tokenize=True, add_generation_prompt=False, **kwargs):
        raise AssertionError("nothing is asked of it")

    monkeypatch.setattr(PreTrainedTokenizerBase, "apply_chat_template", before)
    with pytest.raises(UsageError, match="This Transformers is too old"):
        Language(AutoTokenizer.from_pretrained(chat_folder), name="m", context=None, ends=[])
