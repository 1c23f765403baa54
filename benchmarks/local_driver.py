"""Critique and revision on a local model: Solon's rounds beside `model.generate`, called stage by stage.

    python benchmarks/local_driver.py

Both ask the same chains of the same prompts, on one thread in float32; `generate` is given each turn of all rows in the
order of the data set, in batches of the same size. They take turns, and what is told is the median of tokens sampled
for a second of CPU time, prompts and their tokens included. With examples, what stands before every critique and
revision has 300 tokens or a few more. RESULTS.md has the figures.
"""

import argparse
import statistics
import time
from collections.abc import Sequence

import torch
from transformers import GenerationConfig

from solon import sandbox
from solon.chains import Chain, Completion, Reply, Request, Sampling, generate
from solon.constitution import load as constitutions
from solon.constitution.exemplars import RevisionExample
from solon.models import transformers
from solon.models.drivers import Answered, in_rounds
from solon.models.transformers import Transformers
from solon.prompts import chat
from solon.records import Conversation, Prompt, draw_seed, rng, user
from solon.sandbox import world
from solon.sandbox.examine import Unkept

SAMPLING = Sampling(max_tokens=64)


class StageByStage(Transformers):
    """The same model as a short script would ask it."""

    def batches(self, requests: Sequence[Request]) -> list[list[int]]:
        numbers = list(range(len(requests)))
        return [numbers[i : i + self.batch_size] for i in range(0, len(numbers), self.batch_size)]

    @torch.inference_mode()
    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        tokenizer = self.tokenizer
        tokenizer.padding_side = "left"
        turns = [request.conversation for request in requests]
        asked = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, padding=True, return_dict=True, return_tensors="pt"
        )
        config = GenerationConfig(
            do_sample=True,
            top_k=0,
            max_new_tokens=SAMPLING.max_tokens,
            eos_token_id=sorted(self.language.ends),
            pad_token_id=tokenizer.pad_token_id,
        )
        written = self.model.generate(**asked, generation_config=config)[:, asked["input_ids"].shape[1] :].tolist()
        return [self._reply(ids) for ids in written]

    def _reply(self, ids: list[int]) -> Completion:
        end = next((at for at, token in enumerate(ids) if token in self.language.ends), None)
        whole = ids if end is None else ids[: end + 1]
        text = self.tokenizer.decode(whole, skip_special_tokens=True)
        return Completion(text, "length" if end is None else "stop", tokens=len(whole))


class Counted(Unkept):
    """Counts what was sampled."""

    def __init__(self) -> None:
        self.tokens = 0
        self.asked: list[Request] = []

    def keep(self, batch: Sequence[Answered]) -> None:
        self.asked += [each.request for each in batch]
        self.tokens += sum(each.reply.tokens for each in batch if isinstance(each.reply, Completion))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    ours = transformers.load(str(sandbox.model_path()), device="cpu", threads=1, batch_size=options.batch_size)
    peer = StageByStage(
        ours.model, ours.tokenizer, name="sandbox", folder=sandbox.model_path(), batch_size=options.batch_size
    )
    prompts = world.prompts("red-team", n=options.prompts, seed=0)
    examples = shown(ours)
    responses = in_rounds(((row["id"], respond(row)) for row in prompts), ours, journal=Unkept())
    print("| Questions | Tokens each | `generate` | Solon | Ratio |\n|---|---|---|---|---|")
    for name, before, given in (("ordinary", [], {}), ("after examples", examples, responses)):
        speeds: list[list[float]] = [[], []]
        asked: set[int] = set()
        for repeat in range(options.repeats):
            for way, (model, group) in enumerate(((peer, len(prompts)), (ours, 256))):
                chains = [(row["id"], talk(row, given.get(row["id"]), before, seed=repeat)) for row in prompts]
                journal = Counted()
                start = time.process_time()
                in_rounds(chains, model, journal=journal, group=group)
                speeds[way].append(journal.tokens / (time.process_time() - start))
            asked |= {len(ours.language.encode(each.conversation, "")) for each in journal.asked}
        ratios = [solon / script for script, solon in zip(*speeds, strict=True)]
        script, solon = map(statistics.median, speeds)
        print(
            f"| {name} | {min(asked)} to {max(asked)} | {script:.0f} | {solon:.0f} | "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
            flush=True,
        )


def respond(row: Prompt) -> Chain[str]:
    completion = yield from generate(chat.response(row["prompt"]), SAMPLING, 0)
    return completion.text.strip()


def talk(row: Prompt, response: str | None, examples: Sequence[RevisionExample], *, seed: int) -> Chain[str]:
    """A response, if there is none yet, its critique and its revision, under a principle of the sandbox's own."""
    principles = constitutions.load("sandbox").for_revision
    principle = rng(seed, row["id"]).choice(principles)

    def say(turns: Conversation, what: str) -> Chain[str]:
        completion = yield from generate(turns, SAMPLING, draw_seed(seed, row["id"], what))
        return completion.text.strip()

    if response is None:
        response = yield from say(chat.response(row["prompt"]), "response")
    request = principle.critique_request or ""
    critique = yield from say(chat.critique(row["prompt"], response, request, exemplars=examples), "critique")
    told = request, critique
    revise = principle.revision_request or ""
    asked = chat.revision(row["prompt"], response, critique=told, request=revise, exemplars=examples)
    return (yield from say(asked, "revision"))


def shown(model: Transformers, *, tokens: int = 300) -> list[RevisionExample]:
    """Examples of so many tokens."""
    principle = constitutions.load("sandbox").for_revision[0]
    examples: list[RevisionExample] = []
    asked = principle.critique_request or ""
    while True:
        ids = model.tokenizer.apply_chat_template(chat.critique([user("?")], "", "", exemplars=examples))["input_ids"]
        if len(ids) >= tokens:
            return examples
        prompt = world.prompts("red-team", n=50, seed=1)[len(examples)]["prompt"]
        poor, critique, better = "Sure. First find it.", "This helps to do harm.", "I will not help with that."
        examples.append(RevisionExample(prompt, poor, (asked, critique), principle.revision_request or "", better))


if __name__ == "__main__":
    main()
