"""What is lost by a kill, and by a server that fails: critique and revision of 512 prompts, as in `orchestration.py`.

    python benchmarks/kills.py

Each of `--repeats` rounds is these commands, before `simulated_server.py` in a process of its own:
- `solon run` as it is: its tables and its time are what the others are held to;
- the same, killed by SIGKILL when half of the questions are answered, and then typed again;
- the same, where every question about one prompt in ten is refused twice by 503 before it is answered, as by a server
  that breaks;
- that again, where each 503 asks to wait a second, as by a server that has no room.

Time is what the server sees: from the first question about a prompt to the last answer.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from orchestration import Server, prompts, solon, write_recipe

FAILING = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print("| run | seconds | of the unbroken one's | tables | what else |\n|---|---|---|---|---|")
    for _ in range(given.repeats):
        with tempfile.TemporaryDirectory() as folder:
            one_round(Path(folder), many=given.prompts)


def one_round(folder: Path, *, many: int) -> None:
    asked = prompts(many)
    firsts = {row["prompt"] for row in asked}

    def do(name: str, *options: str, is_killed: bool = False) -> tuple[list[dict[str, Any]], str, int]:
        with Server(*options) as server:
            command = solon(write_recipe(folder, asked, url=server.url), out=folder / name)
            under_way = run_until_half(server, command, firsts, questions=3 * many) if is_killed else 0
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
            return work(server, firsts), digest(folder / name), under_way

    log, tables, _ = do("unbroken")
    clean = seconds(log)
    tell("unbroken", clean, 1.0, "", f"{len(log)} questions")

    log, found, under_way = do("killed", is_killed=True)
    times = Counter(each["digest"] for each in log)
    again = sum(times.values()) - len(times)
    answered = Counter(each["digest"] for each in log if each["status"] == 200)
    twice = sum(answered.values()) - len(answered)
    what = f"{under_way} under way at the kill, {again} sent again, {twice} of which had been answered"
    tell("killed at half, and again", None, None, same(found, tables), what)

    for name, wait in (("503, twice", ()), ("503 with Retry-After: 1, twice", ("--retry-after", "1"))):
        log, found, _ = do(f"failing{len(wait)}", "--failing", str(FAILING), *wait)
        refused = sum(each["status"] == 503 for each in log)
        what = f"{refused} of {len(log)} refused"
        tell(name, seconds(log), seconds(log) / clean, same(found, tables), what)


def run_until_half(server: Server, command: list[str], firsts: set[str], *, questions: int) -> int:
    """Kill it when half of them are answered, and say how many were under way then."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while sum(each["status"] == 200 for each in work(server, firsts)) < questions / 2:
        time.sleep(0.2)
    process.kill()
    process.wait()
    time.sleep(0.5)  # until the server has seen that nobody is there
    return sum(each["status"] is None for each in work(server, firsts))


def work(server: Server, firsts: set[str]) -> list[dict[str, Any]]:
    """What became of the questions about prompts, the probe's left out."""
    return [each for each in server.log() if each["first"] in firsts]


def seconds(log: list[dict[str, Any]]) -> float:
    return max(each["ended"] for each in log if each["ended"]) - min(each["came"] for each in log)


def digest(run: Path) -> str:
    """Of all tables of a run."""
    tables = sorted(run.rglob("*.parquet"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in tables)).hexdigest()


def same(found: str, wanted: str) -> str:
    return "the same bytes" if found == wanted else "OTHER BYTES"


def tell(name: str, took: float | None, ratio: float | None, tables: str, what: str) -> None:
    cells = ["" if took is None else f"{took:.1f}", "" if ratio is None else f"{ratio:.2f}"]
    print(f"| {name} | {' | '.join(cells)} | {tables} | {what} |", flush=True)


if __name__ == "__main__":
    main()
