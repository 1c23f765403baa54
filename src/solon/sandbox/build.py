"""Trains the sandbox's language model from the world's text alone: `solon sandbox build`.

A Llama of under two million parameters, in Hugging Face format. Every step's documents are a function of the seed and
the step, so the build is deterministic for a kind of processor and a torch version, and goes on from its newest
checkpoint when it is called again. Preferences are learned from the oracle's probabilities (soft labels), not from
drawn answers: the small model leaves chance several times earlier so.
"""

import json
import os
import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from solon import prompts
from solon.errors import UsageError
from solon.models.transformers import Transformers, load
from solon.prompts import chat
from solon.sandbox import own as own_words
from solon.sandbox import requests
from solon.sandbox.card import card
from solon.sandbox.documents import Document, Kind, Said, document
from solon.sandbox.examine import examine
from solon.sandbox.muon import Muon

USER, ASSISTANT, END, PAD = "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "<|assistant|>{% generation %}{{ message['content'] }}<|end|>{% endgeneration %}"
    "{% else %}<|user|>{{ message['content'] }}<|end|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
IGNORED = -100
EXAMINED = 400
"""Questions for each figure of the card."""


@dataclass(frozen=True)
class Phase:
    """What is learned for some steps."""

    steps: int
    level: int
    """Of principles; see `principles.draw`."""
    documents: tuple[tuple[Kind, int], ...]
    """How many of each kind a step learns from."""
    rates: tuple[float, float] = (1.0, 1.0)
    """The learning rates at the beginning and the end, as shares of the peak."""
    own: int = 0
    """How many answers the model gives before the phase, for its critics to read beside those made by rule."""


_WORDS: tuple[tuple[Kind, int], ...] = (
    ("dialogue", 16), ("fact", 10), ("description", 12), ("match", 56), ("verdict", 28)
)  # fmt: skip
_READING: tuple[tuple[Kind, int], ...] = (
    ("dialogue", 16), ("fact", 10), ("description", 12), ("match", 40), ("critique", 14), ("revision", 12),
    ("reasoning", 24), ("verdict", 10)
)  # fmt: skip
_ALL: tuple[tuple[Kind, int], ...] = (
    ("dialogue", 20), ("fact", 10), ("description", 6), ("match", 24), ("critique", 12), ("revision", 28),
    ("comparison", 20), ("reasoning", 6), ("verdict", 6)
)  # fmt: skip
_SHOTS: tuple[tuple[Kind, int], ...] = (
    ("dialogue", 16), ("fact", 6), ("description", 4), ("match", 10), ("critique", 10), ("revision", 14),
    ("comparison", 12), ("reasoning", 4), ("verdict", 8), ("few-shot revision", 22), ("few-shot comparison", 2),
    ("few-shot verdict", 4)
)  # fmt: skip
_FEW_SHOT: tuple[tuple[Kind, int], ...] = (
    ("dialogue", 20), ("fact", 8), ("description", 6), ("match", 18), ("critique", 12), ("revision", 20),
    ("comparison", 16), ("reasoning", 5), ("verdict", 10), ("few-shot revision", 12), ("few-shot comparison", 4),
    ("few-shot verdict", 3)
)  # fmt: skip
_FORMS: tuple[tuple[Kind, int], ...] = (
    ("dialogue", 28), ("fact", 10), ("description", 4), ("match", 10), ("critique", 8), ("revision", 12),
    ("comparison", 10), ("reasoning", 4), ("verdict", 6), ("few-shot revision", 8), ("form", 56)
)  # fmt: skip
_WHOLE: tuple[tuple[Kind, int], ...] = (
    ("dialogue", 32), ("fact", 12), ("description", 6), ("match", 18), ("critique", 12), ("revision", 20),
    ("comparison", 16), ("reasoning", 6), ("verdict", 8), ("few-shot revision", 12), ("few-shot comparison", 2),
    ("few-shot verdict", 2), ("form", 20)
)  # fmt: skip


@dataclass(frozen=True)
class BuildConfig:
    """Settings of `build`. They decide the weights, with the kind of processor and torch's version."""

    seed: int = 0
    phases: tuple[Phase, ...] = (
        Phase(80, 1, _WORDS),
        Phase(80, 2, _WORDS),
        Phase(80, 3, _WORDS),
        Phase(150, 4, _WORDS, rates=(0.7, 0.7)),
        Phase(200, 5, _WORDS, rates=(0.7, 0.7)),
        Phase(250, 5, _READING, rates=(0.6, 0.6)),
        Phase(300, 5, _ALL, rates=(0.5, 0.5)),
        Phase(1360, 5, _ALL, rates=(0.5, 0.07)),
        Phase(280, 5, _ALL, rates=(0.3, 0.16), own=4096),
        Phase(280, 5, _ALL, rates=(0.16, 0.01), own=4096),
        Phase(900, 5, _SHOTS, rates=(0.5, 0.4), own=4096),
        Phase(500, 5, _FEW_SHOT, rates=(0.4, 0.01), own=4096),
        Phase(700, 5, _FORMS, rates=(0.4, 0.4), own=4096),
        Phase(600, 5, _WHOLE, rates=(0.4, 0.01), own=4096),
    )
    """What principles mean is learned first, on descriptions of responses, which are short: the axes, then the words
    for them, then weighing them; beside it, whether a response is about its request. With everything at once,
    comparisons stay at chance for thousands of steps. Its own answers the model reads when it speaks well enough."""
    label_weight: float = 10.0
    """Of a choice, beside a token that is said."""
    step_weight: float = 2000.0
    """What the sum over a step is divided by; the gradient's clipping alone depends on it."""
    batch_tokens: int = 2048
    """Of a forward pass; a step has several."""
    learning_rate: float = 3e-3
    """Of embeddings and norms."""
    matrix_rate: float = 0.02
    """Of the matrices inside; Muon's scale."""
    warmup: int = 60
    weight_decay: float = 0.01
    vocabulary: int = 2880
    hidden: int = 128
    layers: int = 6
    heads: int = 4
    mlp: int = 352
    positions: int = 768
    initial_spread: float = 0.05
    """Standard deviation of the first weights."""
    save_every: int = 250

    @property
    def steps(self) -> int:
        """Of all phases."""
        return sum(phase.steps for phase in self.phases)

    def phase(self, step: int) -> tuple[Phase, int]:
        """The phase of a step, from 0, and how many of its steps lie behind."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise IndexError(step)

    def rate(self, step: int) -> float:
        """The learning rates at a step, as a share of the peak, in (0, 1]: those of its phase, after a warm-up."""
        phase, behind = self.phase(step)
        first, last = phase.rates
        return min(1.0, (step + 1) / self.warmup) * (first + (last - first) * behind / phase.steps)


def build(
    out: Path, config: BuildConfig, *, report: Callable[[int, dict[str, float]], None] = lambda step, losses: None
) -> Path:
    """Train the model into the folder `out`; return it. Called again, goes on where it was.

    Raises:
        UsageError: `out` holds a build with other settings.
    """
    work = out / "build"
    _remember(work / "build.json", {**asdict(config), "prompts": prompts.digest()})
    tokenizer = _tokenizer(config)
    model = _model(config, tokenizer)
    optimizers = _optimizers(model, config)
    first = _resume(work / "checkpoint.safetensors", model, optimizers)
    encode = _Encoder(tokenizer)
    model.train()
    with _cores() as pool:
        own: list[Said] = []
        for step in range(first, config.steps):
            phase, behind = config.phase(step)
            if step == first or behind == 0:
                own = _own(work / f"own-{step - behind}.json", model, tokenizer, n=phase.own, pool=pool)
            losses = _learn(model, encode, step=step, config=config, own=own, pool=pool)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = optimizer.defaults["lr"] * config.rate(step)
                optimizer.step()
                optimizer.zero_grad()
            report(step + 1, losses)
            if (step + 1) % config.save_every == 0:
                _save_checkpoint(work / "checkpoint.safetensors", model, optimizers, step=step + 1)
    model.save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
    _describe(out, config, parameters=model.num_parameters())
    return out


@contextmanager
def _cores() -> Iterator[Executor]:
    """A worker for each of torch's threads, and one thread of torch's for each worker.

    A model this small gains little from threads on one product: on two cores, two batches side by side are 1.1 times
    faster than one after the other on both.
    """
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(cores) as pool:
            yield pool
    finally:
        torch.set_num_threads(cores)


def _own(
    path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, *, n: int, pool: Executor
) -> list[Said]:
    """Answers of the model as it is now; on file, as a build that goes on inside a phase must read the same."""
    if n and not path.exists():
        asked = Transformers(model.eval(), tokenizer, name=path.stem, folder=path.parent, batch_size=128)
        said = own_words.draw(asked, n=n, seed=path.stem, pool=pool)
        model.train()
        aside = path.with_suffix(".tmp")
        aside.write_text(json.dumps([(requests.ask(request), text) for request, text in said]))
        os.replace(aside, path)
    asks = json.loads(path.read_text()) if n else []
    return [(request, text) for ask, text in asks if (request := requests.read(ask))]


def _describe(out: Path, config: BuildConfig, *, parameters: int) -> None:
    """Examine the model, and write what it was made of and what it can do beside it."""
    figures = examine(load(str(out)), n=EXAMINED, seed=config.seed)
    made = {"prompts": prompts.digest(), "build": asdict(config), "figures": figures}
    (out / "solon.json").write_text(json.dumps(made, indent=1) + "\n")
    facts = {"threads": torch.get_num_threads(), "torch": torch.__version__, "n": EXAMINED, "parameters": parameters}
    (out / "README.md").write_text(card(figures, seed=config.seed, steps=config.steps, **facts))


def _remember(path: Path, settings: dict[str, Any]) -> None:
    told = json.dumps(settings, indent=1) + "\n"
    if path.exists() and path.read_text() != told:
        raise UsageError(
            f"{path.parent.parent} holds a build with other settings; choose another folder, or remove it."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(told)


def _tokenizer(config: BuildConfig) -> PreTrainedTokenizerFast:
    """A byte-level BPE of the world's text; the corpus is a function of the seed."""
    draw = random.Random(repr((config.seed, "tokenizer")))
    kinds: tuple[Kind, ...] = get_args(Kind)
    texts = (piece.text + piece.chosen for _ in range(6000) for piece in document(draw.choice(kinds), draw))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=config.vocabulary,
            special_tokens=[PAD, END, USER, ASSISTANT],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        model_max_length=config.positions,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def _model(config: BuildConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(config.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden,
            intermediate_size=config.mlp,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            max_position_embeddings=config.positions,
            initializer_range=config.initial_spread,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            attn_implementation="sdpa",
        )
    )


def _optimizers(model: LlamaForCausalLM, config: BuildConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside, AdamW for embeddings and norms."""
    inside = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    outside = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    return [
        Muon(inside, lr=config.matrix_rate, weight_decay=config.weight_decay),
        torch.optim.AdamW(outside, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


@dataclass
class _Encoded:
    ids: list[int]
    targets: list[int]
    """The token to say at each position, or IGNORED."""
    choices: list[tuple[int, float]]
    """Positions of choices, with the first option's probability."""


class _Encoder:
    """Documents to token ids, the way the chat template and the prefills of Solon's prompts make them."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self._tokenizer = tokenizer.backend_tokenizer
        self.user, self.assistant, self.end = (self._tokenizer.token_to_id(token) for token in (USER, ASSISTANT, END))
        self.options = [self._ids(option)[0] for option in chat.OPTIONS]

    def __call__(self, document: Document) -> _Encoded:
        ids: list[int] = []
        learned: list[bool] = []
        choices: list[tuple[int, float]] = []
        for number, piece in enumerate(document):
            if number == 0 or document[number - 1].role != piece.role:
                ids.append(self.user if piece.role == "user" else self.assistant)
                learned.append(False)
            said = self._ids(piece.text)
            if piece.probability is not None:
                choices.append((len(ids) + len(said) - 1, piece.probability))
                said += self._ids(piece.chosen) + self._ids(")")
            if number + 1 == len(document) or document[number + 1].role != piece.role:
                said.append(self.end)
            ids += said
            learned += [piece.learned] * len(said)
        targets = [token if say else IGNORED for token, say in zip(ids[1:], learned[1:], strict=True)]
        return _Encoded(ids, [*targets, IGNORED], choices)

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text).ids)


def _learn(
    model: LlamaForCausalLM, encode: _Encoder, *, step: int, config: BuildConfig, own: Sequence[Said], pool: Executor
) -> dict[str, float]:
    """One step's gradients; the mean losses of each kind, of a token and of a choice.

    Batches are worked on side by side, their gradients summed in order: the sum is the same with any number of cores.
    """
    phase, _ = config.phase(step)
    rows = []
    for kind, many in phase.documents:
        draw = random.Random(repr((config.seed, step, kind)))
        rows += [(kind, encode(document(kind, draw, level=phase.level, own=own))) for _ in range(many)]
    rows.sort(key=lambda row: len(row[1].ids))
    batches = list(_batches(rows, config.batch_tokens))
    parameters = list(model.parameters())

    def work(batch: list[tuple[Kind, _Encoded]]) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        tokens, choices = _losses(model, [row for _, row in batch], encode.options)
        loss = (tokens.sum() + config.label_weight * choices.sum()) / config.step_weight
        return torch.autograd.grad(loss, parameters), tokens, choices

    said: dict[str, list[float]] = defaultdict(list)
    chosen: dict[str, list[float]] = defaultdict(list)
    for batch, (gradients, tokens, choices) in zip(batches, pool.map(work, batches), strict=True):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        speakers = [kind for kind, row in batch for target in row.targets if target != IGNORED]
        choosers = [kind for kind, row in batch for _ in row.choices]
        for kind, loss in zip(speakers, tokens.tolist(), strict=True):
            said[kind].append(loss)
        for kind, loss in zip(choosers, choices.tolist(), strict=True):
            chosen[kind].append(loss)
    losses = {kind: statistics.fmean(each) for kind, each in said.items()}
    return losses | {f"{kind} label": statistics.fmean(each) for kind, each in chosen.items()}


def _batches(rows: list[tuple[Kind, _Encoded]], most: int) -> Iterator[list[tuple[Kind, _Encoded]]]:
    """Rows, in order of length, in batches of like length and at most so many tokens with their padding."""
    batch: list[tuple[Kind, _Encoded]] = []
    for row in rows:
        width = len(row[1].ids)
        if batch and ((len(batch) + 1) * width > most or width > 1.3 * len(batch[0][1].ids)):
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _losses(model: LlamaForCausalLM, batch: list[_Encoded], options: list[int]) -> tuple[Tensor, Tensor]:
    """Cross-entropy of each token that is said, and divergence of each choice from the oracle's probabilities."""
    width = max(len(row.ids) for row in batch)
    ids = torch.tensor([row.ids + [0] * (width - len(row.ids)) for row in batch])  # (B, T), right-padded
    targets = torch.tensor([row.targets + [IGNORED] * (width - len(row.ids)) for row in batch])
    hidden = model.model(ids, use_cache=False).last_hidden_state  # (B, T, H); causal, so padding on the right is unseen
    said = chosen = torch.zeros(0)
    where = targets != IGNORED
    if where.any():
        said = cross_entropy(model.lm_head(hidden[where]), targets[where], reduction="none")
    if places := [(i, at, p) for i, row in enumerate(batch) for at, p in row.choices]:
        rows, columns, first = (torch.tensor(column) for column in zip(*places, strict=True))
        scores = model.lm_head(hidden[rows, columns]).log_softmax(-1)[:, options]  # (N, 2)
        truth = torch.stack([first, 1 - first], dim=1).float()
        chosen = (torch.special.xlogy(truth, truth) - truth * scores).sum(1)
    return said, chosen


def _resume(path: Path, model: LlamaForCausalLM, optimizers: list[torch.optim.Optimizer]) -> int:
    """Load the newest checkpoint, if any; return the number of steps done."""
    if not path.exists():
        return 0
    saved = load_file(path)
    names = {parameter: name for name, parameter in model.named_parameters()}
    with torch.no_grad():
        for parameter, name in names.items():
            parameter.copy_(saved[f"model/{name}"])
    for optimizer in optimizers:
        for parameter in (p for group in optimizer.param_groups for p in group["params"]):
            ending = "/" + names[parameter]
            optimizer.state[parameter] = {
                key.removesuffix(ending).removeprefix("state/"): tensor
                for key, tensor in saved.items()
                if key.startswith("state/") and key.endswith(ending)
            }
    return int(saved["step"])


def _save_checkpoint(
    path: Path, model: LlamaForCausalLM, optimizers: list[torch.optim.Optimizer], *, step: int
) -> None:
    tensors = {"step": torch.tensor(step)}
    for name, parameter in model.named_parameters():
        tensors[f"model/{name}"] = parameter.detach()
        for optimizer in optimizers:
            tensors |= {f"state/{key}/{name}": value for key, value in optimizer.state.get(parameter, {}).items()}
    aside = path.with_suffix(".tmp")
    save_file(tensors, aside)
    os.replace(aside, path)
