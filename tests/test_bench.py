"""bench/: it runs on this machine and shows what it says it shows. No figure is judged here."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pam_receiver.hl7.er7 import parse_message
from pam_receiver.profile.check import check_message
from pam_receiver.profile.load import load_profile

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "explanation" / "performance.md"
needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: sudo apt install gcc libc6-dev")


def run_python(*arguments: str, path: Path = ROOT, within_s: float = 120.0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(path)])},
        timeout=within_s,
    )


def run_bench(*options: str, script: str = "run.py", within_s: float = 120.0) -> str:
    """Run a script of bench/ of this checkout; return what it printed."""
    done = run_python(f"bench/{script}", *options, within_s=within_s)
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestRun:
    """run.py: the apps turn about, their figures as they come, the tables at the end."""

    def test_help_names_every_option(self) -> None:
        shown = run_bench("--help")
        for option in ("--quick", "--rounds", "--seconds", "--warmup", "--messages", "--connections", "--databases"):
            assert option in shown
        for option in ("--apps", "--corpus", "--json", "--plot"):
            assert option in shown

    @pytest.mark.parametrize(
        ("apps", "options"),
        [
            (["pam-receiver", "one ORM transaction"], ()),
            (["pam-receiver", "one ORM transaction", "python-hl7"], ("--corpus", "mixed", "--python-load")),
        ],
        ids=["c", "python"],
    )
    def test_a_tiny_run_shows_each_app_and_keeps_all_figures(
        self, apps: list[str], options: tuple[str, ...], tmp_path: Path
    ) -> None:
        kept, drawn = tmp_path / "run.json", tmp_path / "run.svg"
        sizes = ("--messages", "40", "--seconds", "20", "--warmup", "20", "--rounds", "1", "--connections", "2")
        which = ("--databases", "sqlite", "--apps", ",".join(apps).replace(" ", "-"))
        shown = run_bench(*sizes, *which, *options, "--json", str(kept), "--plot", str(drawn))
        run = json.loads(kept.read_text("utf-8"))
        made = {each["app"]: each for each in run["measurements"]}
        assert set(made) == set(apps)
        for each in made.values():
            assert each["messages"] == 40
            assert each["connections"] == 2
            assert 0 < each["p50_ms"] <= each["p95_ms"] <= each["p99_ms"]
            assert each["cpu_us"] > 0
            assert each["peak_rss_mb"] > 1
        assert made["pam-receiver"]["disk_bytes"] > 1000
        assert re.search(r"^ +2  pam-receiver, SQLite +\d+ +\d+\.\d\d", shown, re.MULTILINE)
        assert re.search(r"^\| 2 \| one ORM transaction, SQLite \| \d", shown, re.MULTILINE)
        assert "pam-receiver, SQLite" in drawn.read_text("utf-8")

    def test_what_is_kept_names_no_host_and_no_path(self) -> None:
        kept = PAGE.with_suffix(".json").read_text("utf-8")
        assert "/home/" not in kept
        assert "/tmp/" not in kept
        assert "://" not in kept

    @pytest.mark.parametrize(
        ("option", "said"), [(("--connections", "0"), "from 1 to 500"), (("--apps", "hapi"), "not one of")]
    )
    def test_what_is_not_known_is_refused_with_a_sentence(self, option: tuple[str, str], said: str) -> None:
        done = run_python("bench/run.py", *option)
        assert done.returncode == 2
        assert said in done.stderr


def made_up(app: str, kind: str, number: int, per_s: float) -> dict[str, Any]:
    figures = {"messages": 100, "per_s": per_s, "p50_ms": 0.5, "p95_ms": 1.0, "p99_ms": 1.5 + number}
    more = {"cpu_us": 100.0, "peak_rss_mb": 70.0, "disk_bytes": 4000.0 if kind else None}
    return {"app": app, "kind": kind, "connections": 1, "round": number, **figures, **more}


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A run of three rounds, kept as JSON; nobody measured it."""
    measurements = []
    for number, rate in enumerate((2000.0, 4100.0, 3000.0), 1):
        measurements += [
            made_up("the limit", "", number, 10_000.0),
            made_up("pam-receiver", "sqlite", number, rate),
            made_up("one ORM transaction", "sqlite", number, 1000.0),
            made_up("<nothing>", "", number, 5000.0),
        ]
    run = {
        "at": "2026-01-02T03:04:05Z",
        "cores": 2,
        "corpus": "dialect",
        "median_bytes": 1140,
        "seconds": 5.0,
        "rounds": 3,
        "versions": {"Python": "3.11.2"},
        "skipped": [["node", "none here"]],
        "measurements": measurements,
    }
    file = tmp_path / "run.json"
    file.write_text(json.dumps(run), "utf-8")
    return file


class TestPlot:
    """plot.py: tables and drawing of a run that was kept."""

    def test_the_tables_have_the_medians_and_what_is_wanted(self, kept: Path) -> None:
        shown = run_bench(str(kept), "--markdown", script="plot.py")
        assert "| 1 | pam-receiver, SQLite | 3,000 | 0.50 | 1.00 | 3.50 | 100 | 70 | 4,000 |" in shown
        assert "| 1 | <nothing> | 5,000 | 0.50 | 1.00 | 3.50 | 100 | 70 |  |" in shown
        assert "| SQLite | 1 | 3,000 | × ORM | 3.00 | ≥ 4 | **not met** |" in shown
        assert "| SQLite | 1 | 3,000 | of the limit | 0.30 | ≥ 0.28 | met |" in shown
        assert "| SQLite | 1 | 3,000 | p99 ms | 3.50 | < 2 | **not met** |" in shown
        assert "Left out: node: none here." in shown

    def test_an_earlier_run_stands_beside(self, kept: Path) -> None:
        shown = run_bench(str(kept), "--before", str(kept), "--markdown", script="plot.py")
        assert "| 1 | pam-receiver before, SQLite | 3,000 |" in shown
        assert shown.count("× ORM") == 1

    def test_the_drawing_is_whole_and_names_each_app(self, kept: Path, tmp_path: Path) -> None:
        drawn = tmp_path / "run.svg"
        run_bench(str(kept), "--plot", str(drawn), script="plot.py")
        root = ElementTree.parse(drawn).getroot()
        texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
        assert {"the limit", "pam-receiver, SQLite", "one ORM transaction, SQLite", "<nothing>"} <= set(texts)
        circles = {each.get("cy"): float(each.get("cx", 0)) for each in root.iter("{http://www.w3.org/2000/svg}circle")}
        rows = [circles[y] for y in sorted(circles, key=lambda y: float(y or 0))][1:]  # without the legend
        assert rows == sorted(rows, reverse=True)
        assert len(rows) == 4
        assert "prefers-color-scheme: dark" in drawn.read_text("utf-8")

    def test_the_page_of_the_docs_is_what_its_json_says(self, tmp_path: Path) -> None:
        drawn = tmp_path / "run.svg"
        shown = run_bench(str(PAGE.with_suffix(".json")), "--markdown", "--plot", str(drawn), script="plot.py")
        assert f"<!-- measured -->\n{shown}<!-- end -->" in PAGE.read_text("utf-8")
        assert drawn.read_text("utf-8") == PAGE.with_suffix(".svg").read_text("utf-8")


class TestCorpus:
    """gen_corpus.py: what keeps to the profile has no finding of it, the dialect some that refuse nothing."""

    @pytest.mark.parametrize("options", [(), ("--mixed", "--encoding", "iso8859-1"), ("--dialect",)])
    def test_messages_are_as_the_profile_says(self, options: tuple[str, ...], tmp_path: Path) -> None:
        file = tmp_path / "corpus.hl7"
        run_bench(str(file), "--count", "900", *options, script="gen_corpus.py")
        messages = [parse_message(block) for block in re.findall(rb"\x0b(.+?)\x1c\r", file.read_bytes(), re.DOTALL)]
        assert len(messages) == 900
        events = {message.segments[0].value(9, 2) for message in messages}
        assert events == ({"A28", "A31"} if "--mixed" in options else {"A28"})
        profile = load_profile("pam_fr/2.11")
        found = [check_message(message, profile) for message in messages]
        if "--dialect" in options:
            assert {len(each) for each in found} == {7, 8}
            assert not any(finding.is_error for each in found for finding in each)
        else:
            assert {(finding.rule, str(finding.at)) for each in found for finding in each} == set()


class TestCheck:
    """check.py: the compiled check beside ``str.split`` and hl7apy."""

    def test_check_is_shown_beside_its_limit(self) -> None:
        shown = run_bench("--messages", "20", "--rounds", "2", script="check.py")
        assert re.search(r"^check_message, clean +\d+\.\d +\d+\.\d +0\.0$", shown, re.MULTILINE)
        assert re.search(r"^check_message, a handful of breaches +\d+\.\d +\d+\.\d +5\.0$", shown, re.MULTILINE)
        assert re.search(r"^hl7apy parse and validate +\d+\.\d +\d+\.\d$", shown, re.MULTILINE)
        limit = r"^limit for a clean message: 12 × str\.split; here \d+\.\d, (within|ABOVE)$"
        assert re.search(limit, shown, re.MULTILINE)


@needs_cc
class TestLimit:
    """limit.c: an honest limit has every byte on disk before its AA."""

    def test_each_message_is_answered_and_every_byte_is_in_the_file(self, tmp_path: Path) -> None:
        corpus, log, built = tmp_path / "corpus.hl7", tmp_path / "limit.log", tmp_path / "limit"
        run_bench(str(corpus), "--count", "60", "--dialect", script="gen_corpus.py")
        command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-o", str(built), "bench/limit.c"]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        frames = re.findall(rb"\x0b.+?\x1c\r", corpus.read_bytes(), re.DOTALL)
        with subprocess.Popen([built, log, "1"], stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            port = int(server.stdout.readline().rpartition(b":")[2])
            links = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(3)]
            try:
                for number, frame in enumerate(frames):
                    link, cut = links[number % 3], number % len(frame)
                    link.sendall(frame[:cut])
                    link.sendall(frame[cut:])
                    answer = b""
                    while not answer.endswith(b"\x1c\r"):
                        more = link.recv(4096)
                        assert more
                        answer += more
                    assert answer.startswith(b"\x0bMSH|^~\\&|")
                    assert b"\rMSA|AA|" + frame.split(b"|")[9] + b"\r" in answer
                    assert log.read_bytes()[: sum(map(len, frames[: number + 1]))] == b"".join(frames[: number + 1])
            finally:
                for link in links:
                    link.close()
                server.terminate()

    def test_at_the_end_of_its_file_it_begins_again(self, tmp_path: Path) -> None:
        built, log = tmp_path / "limit", tmp_path / "limit.log"
        subprocess.run(["cc", "-std=gnu11", "-o", str(built), "bench/limit.c"], cwd=ROOT, check=True)
        frames = [
            b"\x0bMSH|^~\\&|A|B|C|D|20260101||ADT^A28|%d|P|2.5\r" % n + b"x" * 300_000 + b"\x1c\r" for n in range(5)
        ]
        with subprocess.Popen([built, log, "1"], stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            port = int(server.stdout.readline().rpartition(b":")[2])
            try:
                with socket.create_connection(("127.0.0.1", port), 20) as link:
                    for number, frame in enumerate(frames):
                        link.sendall(frame)
                        assert b"MSA|AA|%d\r" % number in link.recv(4096)
            finally:
                server.terminate()
        kept = log.read_bytes()
        assert len(kept) == 1 << 20
        assert kept.startswith(frames[3] + frames[4])


class TestProfile:
    """profile.py: each step of the whole way, and what it says when a function is no longer there."""

    def test_every_step_is_shown_for_each_size_of_batch(self) -> None:
        shown = run_bench("--messages", "16", "--batches", "1,8", script="profile.py")
        cells = {row[1].strip(): row[2:-1] for line in shown.splitlines() if len(row := line.split("|")) == 5}
        steps = ("read and frame", "source", "parse", "header", "check", "read_event", "load", "decide", "ack", "write")
        for step in (*steps, "begin", "load, database", "write, database", "commit, database", "log", "answer"):
            assert all(float(cell.split()[0]) > 0 for cell in cells[step]), step
        for step in ("hand over to the store's thread", "hand back", "sockets and loop, the rest"):
            assert step in cells
        assert [cell.strip() for cell in cells["messages in a batch, as received"]] == ["1.0", "8.0"]

    @pytest.mark.parametrize("place", ["pam_receiver.receive:gone_from_there", "pam_receiver.gone:settle"])
    def test_a_function_that_is_gone_is_named(self, place: str) -> None:
        code = f"import profile; profile._wrap_at({place!r}, lambda function: function)"
        done = run_python("-c", code, path=ROOT / "bench")
        assert done.returncode != 0
        assert re.search(r"BenchError: .*any more.*bench/profile\.py", done.stderr)
        assert place.partition(":")[2] in done.stderr


def test_start_is_shown_beside_its_limits() -> None:
    shown = run_bench("--runs", "1", script="start.py", within_s=240)  # six starts, twice
    assert re.search(r"^python -c 'import sqlalchemy' +\d+ +\d+ +1\.00$", shown, re.MULTILINE)
    for command, limit in (("--help", 300), ("show", 600), ("serve", 1500), ("serve, new file", 1500)):
        assert re.search(rf"^{command} +\d+ +\d+ +\d+\.\d\d +{limit}  (met|NOT MET)$", shown, re.MULTILINE)


class TestSizing:
    """sizing.py: arithmetic on figures that are given to it."""

    POINTS = (
        {
            "identities": 1000,
            "messages": 2000,
            "identity_bytes": 3_000_000,
            "journal_bytes": 4_000_000,
            "us_per_message": {"1": 1000, "64": 100},
        },
        {
            "identities": 1_000_000,
            "messages": 2_000_000,
            "identity_bytes": 3_000_000_000,
            "journal_bytes": 4_000_000_000,
            "us_per_message": {"1": 1000, "64": 160},
        },
    )

    def sizes(self, tmp_path: Path, *points: object, messages_per_identity: float = 2) -> str:
        file = tmp_path / "costs.json"
        database = {"name": "Some database", "points": points}
        found = {"measured_on": "here", "messages_per_identity": messages_per_identity, "databases": [database]}
        file.write_text(json.dumps(found))
        return run_bench(str(file), script="sizing.py")

    def test_what_was_measured_is_shown_as_it_was_and_what_was_not_is_marked(self, tmp_path: Path) -> None:
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in self.sizes(tmp_path, *self.POINTS).splitlines()
            if line.startswith("| ")
        ]
        million = next(row for row in rows if row[0] == "1,000,000")
        assert million[1:4] == ["3 GB", "4 GB", "7 GB"]
        assert million[4] == "16.7 min"  # a million messages of 1 ms
        assert million[6:] == ["86.4 M", "540 M"]
        largest = next(row for row in rows if row[0] == "100,000,000 *")
        assert largest[1:4] == ["300 GB", "400 GB", "700 GB"]
        assert largest[6:] == ["86.4 M", "432 M"]  # 160 µs, and 20 more for each tenfold

    def test_one_point_is_enough(self, tmp_path: Path) -> None:
        assert "| 100,000,000 * | 300 GB | 200 GB | 500 GB |" in self.sizes(
            tmp_path, self.POINTS[0], messages_per_identity=1
        )

    @pytest.mark.parametrize("left_out", ["identities", "identity_bytes", "us_per_message"])
    def test_a_figure_that_is_missing_is_named(self, tmp_path: Path, left_out: str) -> None:
        file = tmp_path / "costs.json"
        point = {name: value for name, value in self.POINTS[0].items() if name != left_out}
        file.write_text(json.dumps({"databases": [{"name": "Some database", "points": [point]}]}))
        done = subprocess.run(
            [sys.executable, "bench/sizing.py", str(file)], capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert done.returncode == 2
        assert left_out in done.stderr
