"""A terminal that a test can look at: a program in a pseudo-terminal, and what stands on its screen."""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

PIECE = re.compile(r"\x1b\[(?P<given>[0-9;?]*)(?P<command>[A-Za-z])|(?P<text>[^\x1b])", re.DOTALL)


class Screen:
    """Understands what rich writes, no more; anything else is a mistake."""

    def __init__(self):
        self.lines: list[list[str]] = [[]]
        self.row = self.column = 0
        self.hides_cursor = False
        self.has_colours = False

    @property
    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)

    def feed(self, text):
        at = 0
        for piece in PIECE.finditer(text):
            assert piece.start() == at, f"cannot be understood: {text[at : at + 20]!r}"
            at = piece.end()
            if piece["text"] is None:
                self._obey(piece["given"], piece["command"])
            elif piece["text"] == "\r":
                self.column = 0
            elif piece["text"] == "\n":
                self.row += 1
                self.lines += [[]] if self.row == len(self.lines) else []
            else:
                line = self.lines[self.row]
                line += [" "] * (self.column + 1 - len(line))
                line[self.column] = piece["text"]
                self.column += 1

    def _obey(self, given, command):
        match command:
            case "A":
                self.row = max(0, self.row - int(given or 1))
            case "K":
                assert given == "2"
                self.lines[self.row] = []
            case "h" | "l":
                assert given == "?25"
                self.hides_cursor = command == "l"
            case "m":
                self.has_colours |= bool({int(code) for code in given.split(";") if code} & {*range(30, 98)})
            case _:
                raise AssertionError(f"{given}{command} cannot be understood")


class Terminal:
    """`with Terminal(code, columns=80) as terminal` runs a program; `terminal.until(…)` waits for what it shows."""

    def __init__(self, code, *, columns=80, **environment):
        self.code = code
        self.columns = columns
        self.environment = {"TERM": "xterm", "LANG": "C.UTF-8", **environment}
        self.screen = Screen()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._rest = ""

    def __enter__(self):
        self._master, program = pty.openpty()
        self.resize(self.columns)
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.code],
            stdin=program,
            stdout=program,
            stderr=program,
            start_new_session=True,
            env={**{key: value for key, value in os.environ.items() if key != "NO_COLOR"}, **self.environment},
        )
        os.close(program)
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._master)

    def resize(self, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def until(self, pattern, *, seconds=60):
        """Wait for what is on the screen; return it."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.screen.text)):
            assert time.monotonic() < end, f"{pattern} did not come; there is\n{self.screen.text}"
            assert self.read(), f"{pattern} never came; there is\n{self.screen.text}"
        return found

    def to_its_end(self):
        while self.read():
            pass
        return self.process.wait(10)

    def read(self):
        """Whether there may be more."""
        if not select.select([self._master], [], [], 0.5)[0]:
            return self.process.poll() is None
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self._rest += self._decoder.decode(data)
        cut = re.search(r"\x1b(\[[0-9;?]*)?$", self._rest)  # the rest of it is still to come
        end = cut.start() if cut else len(self._rest)
        self.screen.feed(self._rest[:end])
        self._rest = self._rest[end:]
        return bool(data)
