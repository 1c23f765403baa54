"""What is shared and what is moved about in a batch changes nothing of what its rows say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import alike, small
from transformers import DynamicCache

from solon.chains import Sampling
from solon.models.cache import Roomy
from solon.models.sampling import begun, remaining, sample
from solon.models.trunks import Trunk, trunks

PROMPTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=9)
ENDS = set(range(3, 40))
"""So many of 99 tokens that rows end at any step."""


def said(model, prompts, *, shares, temperature=1.0):
    uniforms = torch.rand((len(prompts), 12), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sampling = Sampling(12, temperature)
    return sample(model, prompts, sampling=sampling, uniforms=uniforms, ends=ENDS, shares=shares)


# What prompts begin with


@settings(deadline=None)
@given(PROMPTS)
def test_every_prompt_grows_from_one_trunk_and_has_a_token_of_its_own(prompts):
    found = trunks(prompts)
    assert sorted(number for each in found for number in each.numbers) == list(range(len(prompts)))
    for each in found:
        for number in each.numbers:
            assert prompts[number][: len(each.tokens)] == each.tokens
            assert len(each.tokens) < len(prompts[number])


def test_prompts_that_share_half_of_their_tokens_share_a_trunk():
    prompts = [[1, 2, 3, 4], [9, 9, 9], [1, 2, 5, 6], [1, 2, 3, 4]]
    assert trunks(prompts) == [Trunk([0, 3, 2], [1, 2]), Trunk([1], [9, 9])]


# What a batch says


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("name", ["Llama", "Qwen3", "GPTNeoX", "Gemma", "Olmo2", "GPT2"])
def test_prompts_that_begin_alike_say_what_each_says_alone(name, temperature):
    model = small(name)
    prompts = [*alike(7, 3, 3, 9, 5), *alike(4, 9, begun=26, seed=1), *alike(2, begun=11, seed=2)]
    cache, (tokens, mask, _) = begun(model, prompts, room=12, shares=True)
    assert cache.get_seq_length() == 26
    assert tokens.shape == (8, 9)
    assert mask.shape == (8, 26 + 9 + 12)
    together = said(model, prompts, shares=True, temperature=temperature)
    assert together == said(model, prompts, shares=False, temperature=temperature)
    assert temperature == 0 or len({len(ids) for ids, _ in together}) > 2  # rows left at different steps


def test_prompts_that_begin_otherwise_are_computed_as_they_stand():
    model = small("Llama")
    prompts = [*alike(5, begun=9), *alike(8, begun=9, seed=1)]
    cache, (tokens, _, _) = begun(model, prompts, room=0, shares=True)
    assert cache.get_seq_length() == 0
    assert tokens.shape == (2, 17)


def test_a_model_with_a_window_shares_nothing_and_its_rows_leave_all_the_same():
    model = small("Mistral", sliding_window=8)
    prompts = alike(7, 3, 3, 9, 5)
    together = said(model, prompts, shares=False)
    alone = [row for ids in prompts for row in said(model, [ids], shares=False)]
    assert [len(ids) > 0 for ids, _ in together] == [True] * 5
    assert together[0] == alone[0]  # the first has the uniforms of one alone


# What is moved


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_the_last_rows_take_the_places_of_those_that_are_over(over):
    order = remaining(torch.tensor(over)).tolist()
    assert sorted(order) == [row for row, each in enumerate(over) if not each]
    stay = [row for row in range(len(order)) if not over[row]]
    assert [order[row] for row in stay] == stay


@pytest.mark.parametrize("indices", [[0, 1, 2, 3], [4, 1, 2], [0, 0, 1, 1, 2], [3, 2, 1, 0], [1]])
def test_a_cache_with_room_keeps_what_one_without_keeps(indices):
    roomy, plain = Roomy(9), DynamicCache()
    draw = torch.Generator().manual_seed(0)
    for step, rows in enumerate((5, 5, len(indices), len(indices))):
        if step == 2:
            roomy.reorder_cache(torch.tensor(indices))
            plain.reorder_cache(torch.tensor(indices))
        new = [torch.randn((rows, 2, 2, 3), generator=draw) for _ in range(2)]
        for ours, theirs in zip(roomy.update(*new), plain.update(*new, 0), strict=True):
            assert torch.equal(ours, theirs)
    assert roomy.get_seq_length() == plain.get_seq_length() == 8
