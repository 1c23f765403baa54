"""Ask a model the held-out prompts; what it answers is judged elsewhere."""

from dataclasses import dataclass

from solon.chains import Chain, Failed, Sampling, generate
from solon.records import Prompt, Response, draw_seed


@dataclass(frozen=True)
class SampleConfig:
    """Settings of `sample_response`."""

    max_tokens: int = 512
    """The longest answer. What is cut there is judged as it stands."""
    temperature: float = 1.0
    """1 judges the model as trained; 0 takes the likeliest answer."""
    seed: int = 0
    """Decides the answers. All models are given the same draws, which makes their differences sharper."""


def sample_response(prompt: Prompt, *, model: str, config: SampleConfig) -> Chain[Response]:
    """Answer `prompt` once; `model` names who answers.

    An answer that was cut or is empty is no reason to drop the row here: a model that rambles or falls silent must be
    judged by what it says, or its collapse would not show.
    """
    row: Response = {
        "id": prompt["id"],
        "prompt": prompt["prompt"],
        "drop_reason": None,
        "model": model,
        "response": "",
    }
    try:
        sampling = Sampling(config.max_tokens, config.temperature)
        completion = yield from generate(prompt["prompt"], sampling, draw_seed(config.seed, prompt["id"], "evaluate"))
        row["response"] = completion.text.strip()
    except Failed as failed:
        row["drop_reason"] = str(failed)
    return row
