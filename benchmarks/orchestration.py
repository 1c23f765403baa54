"""How well a server is used: critique and revision of 512 prompts, three questions each, by Solon and by others.

The server (`simulated_server.py`, 32 slots, a prefix cache) is a process of its own, and says afterwards when each
question found a slot and how much of its prompt was cached. Every client is a process of its own, and asks the same
1,536 questions, of which the script makes sure; they take turns, `--repeats` times. Solon runs as a user runs it:
`solon run recipe.yaml --until critique`, with its probe, journal and tables.

    python benchmarks/orchestration.py --distilabel VENV --curator VENV

where the virtual environments are made so, apart from Solon's and from one another:

    python3 -m venv VENV && VENV/bin/pip install "distilabel[openai]" requests
    python3 -m venv VENV && VENV/bin/pip install bespokelabs-curator

Peers whose environment is not given are left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from simulated_server import SLOTS, WORDS

from solon.constitution import load as constitutions
from solon.constitution.exemplars import draw_principle
from solon.records import rng

HERE = Path(__file__).parent
CONSTITUTION = "harmless"


@dataclass(frozen=True)
class Measured:
    """What one client did with the server; times in seconds."""

    digests: frozenset[str]
    requests: int
    seconds: float
    """From the first question to the last answer."""
    slot_use: float
    """Share of the slots that were busy, over these seconds."""
    hits: float
    """Share of the prompt tokens that were cached."""
    command_seconds: float
    cpu_ms: float
    """Of the client, all its processes and their start included, a request."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


class Server:
    """`with Server() as server` starts the simulated server; its URL is `server.url`."""

    def __init__(self, *options: str):
        self.options = options

    def __enter__(self) -> "Server":
        command = [sys.executable, str(HERE / "simulated_server.py"), *self.options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{json.loads(self._process.stdout.readline())['port']}"
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.terminate()
        self._process.wait()

    def log(self) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/log") as answer:
            return json.load(answer)

    def reset(self) -> None:
        urlopen(Request(f"{self.url}/reset", method="POST")).close()


def prompts(many: int) -> list[dict[str, str]]:
    """Of 20 to 60 words, each with an id."""
    found = []
    for number in range(many):
        draw = Random(number)
        words = " ".join(draw.choices(WORDS, k=draw.randint(20, 60)))
        found.append({"id": f"p{number}", "prompt": f"Question {number}: {words}?"})
    return found


def rows(asked: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The prompts, each with the requests of the principle that Solon draws for it."""
    usable = constitutions.load(CONSTITUTION).for_revision
    found = []
    for row in asked:
        principle = draw_principle(usable, rng(0, row["id"], 1, "principle"))
        requests = {"critique_request": principle.critique_request, "revision_request": principle.revision_request}
        found.append({**row, **requests})
    return found


def write_recipe(folder: Path, asked: Sequence[dict[str, str]], *, url: str) -> Path:
    """A recipe for Solon of these prompts, and the file of them; as a user writes them."""
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"constitution: {CONSTITUTION}\nprompts: prompts.jsonl\nhelpful_model: openai:{url}/v1#simulated\n"
        "critique: {num_revisions: 1, exemplars: {of: none}}\n"
    )
    return recipe


def solon(recipe: Path, *, out: Path) -> list[str]:
    """The command."""
    command = "from solon.cli import main; main()"
    return [sys.executable, "-c", command, "run", str(recipe), "--until", "critique", "--out", str(out)]


def measure(server: Server, command: Sequence[str], *, firsts: frozenset[str], log: Path) -> Measured:
    """Run a client; only questions about prompts count, whose first turn is one of `firsts`."""
    server.reset()
    began = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if status:
        sys.exit(f"{' '.join(command)} ended with {status}:\n{log.read_text()[-2000:]}")
    work = [each for each in server.log() if each["first"] in firsts and each["status"] == 200]
    spent = max(each["ended"] for each in work) - min(each["came"] for each in work)
    return Measured(
        digests=frozenset(each["digest"] for each in work),
        requests=len(work),
        seconds=spent,
        slot_use=sum(each["ended"] - each["began"] for each in work) / SLOTS / spent,
        hits=sum(each["cached_tokens"] for each in work) / sum(each["prompt_tokens"] for each in work),
        command_seconds=seconds,
        cpu_ms=1000 * (used.ru_utime + used.ru_stime) / len(work),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--distilabel", type=Path, help="virtual environment that has it")
    parser.add_argument("--curator", type=Path, help="virtual environment that has it")
    given = parser.parse_args()
    pythons = {"depth-first": sys.executable, "breadth-first": sys.executable}
    pythons |= {
        name: str(venv / "bin" / "python")
        for name, venv in (("distilabel", given.distilabel), ("curator", given.curator))
        if venv
    }
    asked = prompts(given.prompts)
    firsts = frozenset(row["prompt"] for row in asked)
    found: dict[str, list[Measured]] = {name: [] for name in ("solon", *pythons)}
    with tempfile.TemporaryDirectory() as temporary, Server() as server:
        folder = Path(temporary)
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(asked)))
        recipe = write_recipe(folder, asked, url=server.url)
        for repeat in range(given.repeats):
            for name, measured in found.items():
                out = folder / f"{name}-{repeat}"
                command = solon(recipe, out=out)
                if name != "solon":
                    out.mkdir()
                    told = ["--url", f"{server.url}/v1", "--rows", str(folder / "rows.jsonl"), "--out", str(out)]
                    script = HERE / f"orchestration_{'distilabel' if name == 'distilabel' else 'peers'}.py"
                    command = [pythons[name], str(script), name, *told]
                measured.append(measure(server, command, firsts=firsts, log=folder / f"{name}-{repeat}.log"))
                print(f"{name}: {shown(measured[-1])}", file=sys.stderr)
    if len({each.digests for measured in found.values() for each in measured}) > 1:
        sys.exit("the clients did not ask the same questions")
    print(table(found))


def shown(one: Measured) -> str:
    return (
        f"{one.requests} requests, {one.rate:.1f}/s, slots {one.slot_use:.3f}, hits {one.hits:.3f}, "
        f"CPU {one.cpu_ms:.1f} ms, command {one.command_seconds:.0f} s"
    )


def table(found: dict[str, list[Measured]]) -> str:
    """Medians, and least to most."""
    lines = [
        "| client | requests a second | slots busy | prompt tokens cached | client's CPU ms a request | command, s |",
        "|---|---|---|---|---|---|",
    ]
    for name, measured in found.items():
        cells = [
            _cell([each.rate for each in measured], 1),
            _cell([each.slot_use for each in measured], 3),
            _cell([each.hits for each in measured], 3),
            _cell([each.cpu_ms for each in measured], 1),
            _cell([each.command_seconds for each in measured], 0),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float], digits: int) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
