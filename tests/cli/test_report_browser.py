"""The page of the report in a real browser: it renders, fetches nothing, and prints."""

import html
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pam_receiver.cli.morning import Scene

from .conftest import Run

CHROMIUM = os.environ.get("PAM_TEST_CHROMIUM") or shutil.which("chromium") or ""
pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).is_file(),
    reason="Chromium not found: set PAM_TEST_CHROMIUM=/path/to/chromium (Debian: apt install chromium)",
)

_OF_THE_BROWSER = re.compile(r"https?://[a-z0-9.-]+\.(?:google|googleapis|gstatic|gvt1)\.com/")  # clock, updates …


@pytest.fixture
def page(run: Run, tmp_path: Path, scenes: dict[str, Scene]) -> Path:
    capture = tmp_path / "capture.hl7"
    capture.write_bytes(b"".join(scene.raw for scene in scenes.values()))
    run("check", capture, "--report", tmp_path / "r.html", "--lang", "fr", "--environment", "test")
    return tmp_path / "r.html"


def browse(page: Path, tmp_path: Path, *words: str) -> str:
    """Open the page without a window, and return what is printed to standard output."""
    profile = tmp_path / "browser"
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}")
    command = [CHROMIUM, *flags, *words, page.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True, cwd=tmp_path)
    return done.stdout.decode()


def requests_of(page: Path, tmp_path: Path) -> list[str]:
    """The addresses that the page has the browser ask for; no name leads anywhere, so that nothing leaves."""
    log = tmp_path / f"{page.stem}.json"
    browse(page, tmp_path, "--dump-dom", f"--log-net-log={log}", "--host-resolver-rules=MAP * ~NOTFOUND")
    asked = set(re.findall(r'"url":"(https?://[^"]+)"', log.read_text(encoding="utf-8", errors="replace")))
    return sorted(url for url in asked if _OF_THE_BROWSER.match(url) is None)


class TestPage:
    def test_it_renders(self, page: Path, tmp_path: Path) -> None:
        dom = browse(page, tmp_path, "--dump-dom")
        assert dom.count("<h1>") == 1
        assert dom.count("<section ") == page.read_text(encoding="utf-8").count("<section ")
        assert "seraient refusés" in dom

    def test_nothing_is_requested_and_nothing_could_be(self, page: Path, tmp_path: Path) -> None:
        """The log of the browser sees a request when there is one; the policy of the page stops it."""
        whole = page.read_text(encoding="utf-8")
        probed = whole.replace("<main>", '<main><img src="http://probe.invalid/x.png">')
        free = re.sub(r"<meta http-equiv=[^>]+>", "", probed)
        found = {}
        for name, content in (("whole", whole), ("probed", probed), ("free", free)):
            file = tmp_path / f"{name}.html"
            file.write_text(content, encoding="utf-8")
            found[name] = requests_of(file, tmp_path)
        assert found == {"whole": [], "probed": [], "free": ["http://probe.invalid/x.png"]}

    @pytest.mark.parametrize("width", [320, 420, 1280])
    def test_it_is_no_wider_than_the_screen(self, width: int, page: Path, tmp_path: Path) -> None:
        """Wide tables roll within themselves; a frame of the width of a telephone tells how wide the page is."""
        frame = tmp_path / "frame.html"
        whole = html.escape(page.read_text(encoding="utf-8"))
        frame.write_text(
            f'<iframe id="f" style="border:0" width="{width}" height="900" srcdoc="{whole}"></iframe><p id="said"></p>'
            "<script>f.onload = () => { const d = f.contentDocument, e = d.documentElement;"
            " said.textContent = `wide ${e.clientWidth} ${e.scrollWidth} ${d.querySelectorAll('section').length}` }"
            "</script>",
            encoding="utf-8",
        )
        found = re.search(r"wide (\d+) (\d+) (\d+)<", browse(frame, tmp_path, "--dump-dom"))
        assert found is not None
        shown, wide, sections = map(int, found.groups())
        assert sections >= 5
        assert width - 20 <= shown <= width  # less a bar to roll by
        assert wide == shown

    def test_it_prints_on_several_sheets_of_a4(self, page: Path, tmp_path: Path) -> None:
        sheets = tmp_path / "r.pdf"
        browse(page, tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={sheets}")
        pdf = sheets.read_bytes()
        assert pdf.startswith(b"%PDF-")
        assert len(re.findall(rb"/Type /Page\b", pdf)) >= 2
        (size,) = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+ [\d.]+)\]", pdf))
        assert [round(float(each)) for each in size.split()] == [595, 842]
