import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "trl", "datasets", "ray", "altair", "pyarrow", "numpy", "pydantic")


def python(*words, **environment):
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom solon.cli import main\nsys.argv = ['solon', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = python("-c", code)
    assert "demo" in done.stdout
    assert done.stderr.strip() == "[]"


def test_help_comes_at_once():
    best = min(_seconds() for _ in range(3))
    assert best < 0.6


def _seconds():
    """Of a processor, so that a busy machine does not count."""
    start = sum(os.times()[2:4])
    python("-c", "from solon.cli import main; import sys; sys.argv = ['solon', '--help']; main()")
    return sum(os.times()[2:4]) - start


@pytest.mark.parametrize(
    "command", ["demo", "run", "init", "check", "show", "report", "export", "constitution", "judge", "sandbox"]
)
def test_every_command_has_help(solon, command):
    done = solon(command, "--help")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) > 5


def test_an_unknown_option_ends_with_2(solon):
    assert solon("demo", "--nosuch").exit_code == 2


def test_a_terminal_that_knows_only_ascii_is_no_reason_to_fail():
    code = "import sys; from solon.cli import main; sys.argv = ['solon', 'constitution', 'show', 'sandbox']; main()"
    done = python("-c", code, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr


def test_a_reader_that_stops_reading_is_no_error():
    code = "import sys; from solon.cli import main; sys.argv = ['solon', 'constitution', 'show', 'sandbox']; main()"
    piped = f'{sys.executable} -c "{code}" | head -c 1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_being_told_to_end_is_like_an_interruption():
    code = (
        "import os, signal, sys\nfrom solon import recipe\nfrom solon.cli import main\n"
        "def run(*given, **options):\n    os.kill(os.getpid(), signal.SIGTERM)\n    signal.pause()\n"
        "recipe.run = run\nsys.argv = ['solon', 'demo']\nmain()"
    )
    done = python("-c", code)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-2:] == ["Stopped; no answer is lost. To go on where it stopped:", "  solon demo"]
