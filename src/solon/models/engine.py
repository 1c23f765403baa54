"""vLLM's engine, and the thread whose event loop it is asked in: each stage brings a loop of its own.

The engine's processes are begun by that thread, which is deaf to Ctrl-C, and so are they: it stops what asks here,
which then ends them. Where this process is killed they would go on for ever: a small one watches that they do not.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from itertools import count
from multiprocessing import resource_tracker
from typing import Any

ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",  # no telemetry
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # results go to stdout
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_WORKER_MULTIPROCESSING_METHOD": "spawn",  # this process has threads
    "VLLM_WORKER_SHUTDOWN_TIMEOUT_SECONDS": "2",  # less than what the engine itself is given
}
"""What vLLM reads as it is imported, where a person has not set it."""
WATCH = """
import os, signal, sys
sys.stdin.read()  # ends with the process that holds the other end, however that ends
for pid in sys.argv[1:]:
    try:
        os.kill(int(pid), signal.SIGTERM)
    except ProcessLookupError:
        pass
"""


def set_environment() -> None:
    """Say so, before vLLM is imported."""
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)


class Engine:
    """An engine that is running, from `arguments`, which are AsyncEngineArgs, to `close`."""

    def __init__(self, arguments: Any):
        self._numbers = count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="vllm", daemon=True)
        resource_tracker.ensure_running()  # which would give its hearing back to the thread that begins it
        self._thread.start()
        others = set(multiprocessing.active_children())
        starting = asyncio.run_coroutine_threadsafe(self._start(arguments), self._loop)
        try:
            starting.result()
        except BaseException:  # Ctrl-C too
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        begun = [str(process.pid) for process in set(multiprocessing.active_children()) - others]
        watch = [sys.executable, "-I", "-S", "-c", WATCH, *begun]
        self._watch = subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True)

    @property
    def config(self) -> Any:
        """All settings, vLLM's defaults too."""
        return self._engine.vllm_config

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._loop.run_forever()

    async def _start(self, arguments: Any) -> None:
        from vllm.v1.engine.async_llm import AsyncLLM

        self._engine: Any = AsyncLLM.from_engine_args(arguments)

    async def asked(self, prompt: list[int], adapter: Any, **sampling: Any) -> Any:
        """What it makes of a prompt; `adapter` is a LoRARequest or None, `sampling` is as of SamplingParams."""
        from vllm import SamplingParams
        from vllm.inputs import tokens_input
        from vllm.sampling_params import RequestOutputKind

        asked = SamplingParams(output_kind=RequestOutputKind.FINAL_ONLY, **sampling)
        number = f"solon-{next(self._numbers)}"

        async def answered() -> Any:
            answers = self._engine.generate(tokens_input(prompt), asked, number, lora_request=adapter)
            return [answer async for answer in answers][-1].outputs[0]

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answered(), self._loop))

    def close(self) -> None:
        """End it and its processes."""

        async def ended() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(ended(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._engine.shutdown(timeout=8)
        self._watch.kill()
        self._watch.wait()
        self._engine = None
        gc.collect()  # else its own end would come when the modules that it needs are gone
