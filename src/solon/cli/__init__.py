"""The command `solon`. Results go to stdout, progress to stderr; each command ends with the next one to type.

Exit codes: 0 done, 2 the person's mistake, 3 stopped early and resumable, 4 the model failed, 130 interrupted.
"""

from solon.cli.main import app, main

__all__ = ["app", "main"]
