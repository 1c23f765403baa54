"""The clients that `orchestration.py` compares with Solon, each as its own documentation does such work.

    python benchmarks/orchestration_peers.py CLIENT --url http://127.0.0.1:8000/v1 --rows rows.jsonl --out FOLDER

A row has a prompt and the requests of one critique and one revision. Every client asks the same three questions of each
row, in one and the same wording; they differ in when.
"""

import argparse
import asyncio
import json
import os
from pathlib import Path

MODEL = "simulated"
MAX_TOKENS = 512
WIDTH = 64
"""Questions under way at once, twice as many as the server has slots: Solon's default."""
COLUMNS = ("response", "critique", "revision")


def asked(row):
    """The turns of the next question, and the column that its answer goes to."""
    turns = [{"role": "user", "content": row["prompt"]}]
    for column, request in zip(COLUMNS, ("critique_request", "revision_request", None), strict=True):
        if row.get(column) is None:
            return turns, column
        if request:
            turns += [
                {"role": "assistant", "content": row[column]},
                {"role": "user", "content": row[request]},
            ]
    return turns, None


def breadth_first(rows, *, url, out):
    """Every row a coroutine, and a semaphore around every question."""
    asyncio.run(_breadth_first(rows, url))


async def _breadth_first(rows, url):
    import aiohttp

    gate = asyncio.Semaphore(WIDTH)

    async def do(row):
        for _ in COLUMNS:
            async with gate:
                await _ask(session, url, row)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(do(row) for row in rows))


def depth_first(rows, *, url, out):
    """The limit: so many workers, each a row to its end before the next, and nothing else; no journal, no table."""
    asyncio.run(_depth_first(iter(rows), url))


async def _depth_first(rows, url):
    import aiohttp

    async def work():
        for row in rows:
            for _ in COLUMNS:
                await _ask(session, url, row)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work() for _ in range(WIDTH)))


async def _ask(session, url, row):
    turns, column = asked(row)
    body = {"model": MODEL, "messages": turns, "max_tokens": MAX_TOKENS, "temperature": 1.0}
    async with session.post(f"{url}/chat/completions", json=body) as response:
        row[column] = (await response.json())["choices"][0]["message"]["content"]


def curator(rows, *, url, out):
    """Three calls, each of all rows. Without a network, it counts tokens by the file that litellm brings."""
    os.environ |= {"CURATOR_CACHE_DIR": str(out / "cache"), "TELEMETRY_ENABLED": "false", "OPENAI_API_KEY": "none"}
    import litellm.litellm_core_utils.tokenizers as tokenizers

    os.environ["TIKTOKEN_CACHE_DIR"] = tokenizers.__path__[0]
    from bespokelabs import curator
    from datasets import Dataset

    class Turn(curator.LLM):
        def prompt(self, input):
            return asked(input)[0]

        def parse(self, input, response):
            return {**input, asked(input)[1]: response}

    found = Dataset.from_list(rows)
    for _ in COLUMNS:
        llm = Turn(
            model_name=MODEL,
            backend="openai",
            generation_params={"max_tokens": MAX_TOKENS, "temperature": 1.0},
            backend_params={
                "base_url": url,
                "max_concurrent_requests": WIDTH,
                "max_requests_per_minute": 10**6,
                "max_tokens_per_minute": 10**9,
            },
        )
        found = llm(found).dataset
    found.save_to_disk(out / "rows")


CLIENTS = {
    "depth-first": depth_first,
    "breadth-first": breadth_first,
    "curator": curator,
}


def main(clients=CLIENTS) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("client", choices=clients)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rows", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.rows.read_text().splitlines()]
    clients[given.client](rows, url=given.url, out=given.out)


if __name__ == "__main__":
    main()
