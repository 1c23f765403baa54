"""The report in a real browser: what it shows, and that nothing in it runs or reaches out."""

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from solon.report import build, visible

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

pytestmark = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="needs chromium on the PATH (Debian: chromium)"
)


def dom_of(address: str) -> str:
    """The page after a browser has loaded it, as HTML."""
    with tempfile.TemporaryDirectory() as profile:
        command = [
            "chromium",
            *FLAGS,
            f"--user-data-dir={profile}",
            "--virtual-time-budget=3000",
            "--dump-dom",
            address,
        ]
        return subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder; the address, and the paths that were asked for so far."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, directory=str(folder), **options)

        def log_message(self, format, *arguments):
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", asked
        finally:
            http.shutdown()
            thread.join()


def test_opened_from_disk_nothing_runs_and_hostile_text_is_read(run_folder, hostile):
    dom = dom_of(build(run_folder).as_uri())
    assert "<title>demo-kind-0: Constitutional AI</title>" in dom  # every hostile script would change it
    assert not [tag for tag in ("<script", "<img", "<iframe", "<object", "<form") if tag in dom]
    text = unescape(dom)
    for name, said in hostile.items():
        assert f"{visible(said)} (response)" in text, name


def test_the_only_request_is_for_the_report_itself(run_folder):
    build(run_folder)
    with server(run_folder) as (address, asked):
        assert "Twenty traces" in dom_of(f"{address}/report.html")
    assert asked == ["/report.html"]


def test_the_test_would_see_a_script_and_a_request(tmp_path):
    (tmp_path / "page.html").write_text(
        "<title>quiet</title><img src=/beside.png><script>document.title='ran'</script>"
    )
    with server(tmp_path) as (address, asked):
        dom = dom_of(f"{address}/page.html")
    assert "<title>ran</title>" in dom
    assert "/beside.png" in asked


FRAME = """<!doctype html><title></title>
<iframe style="width:{width}px;height:900px;border:0" src="report.html"></iframe>
<script>onload = () => {{
  const page = frames[0].document.documentElement
  document.title = page.scrollWidth - page.clientWidth + " too wide, " + page.clientWidth
}}</script>"""


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_window(run_folder, width):
    build(run_folder)
    (run_folder / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
    with server(run_folder) as (address, _):
        dom = dom_of(f"{address}/frame.html")
    too_wide, within = re.findall(r"<title>(\d+) too wide, (\d+)</title>", dom)[0]
    assert (too_wide, width - int(within) <= 20) == ("0", True)  # a scrollbar takes some
