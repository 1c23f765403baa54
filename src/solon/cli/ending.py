"""How commands end: with a message and an exit code where a person can do something about it, else with a traceback."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from solon.errors import ModelError, Stopped, UsageError

P = ParamSpec("P")

FULL = ("No space left on device", "can't allocate memory")
"""What libraries that are not Python say when the disk or the memory is full."""


def exits(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what stops a command into its message on stderr and its exit code."""

    @wraps(command)
    def ended(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except UsageError as error:
            _end(2, str(error))
        except BrokenPipeError:  # the reader, e.g. `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (Exception, KeyboardInterrupt) as error:
            _unless_resumable(error)
            raise

    return ended


def _unless_resumable(error: BaseException) -> None:
    again = f"To go on where it stopped:\n  {shlex.join(['solon', *sys.argv[1:]])}"
    if any(isinstance(cause, KeyboardInterrupt) for cause in _causes(error)):
        _end(130, f"Stopped; no answer is lost. {again}")
    if isinstance(error, Stopped):
        _end(3, f"{error} No answer is lost. {again}")
    if isinstance(error, ModelError):
        _end(4, f"{error}\n{again}")
    if isinstance(error, OSError | MemoryError) or any(words in str(error) for words in FULL):
        told = getattr(error, "strerror", None) or str(error) or "there is not enough memory"
        _end(3, f"{told}\n{again}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those it was raised in the face of: a library may wrap an interruption."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _end(code: int, message: str) -> NoReturn:
    from solon.report.text import visible  # a message may quote a file or a model

    print(visible(message), file=sys.stderr)
    raise typer.Exit(code)
