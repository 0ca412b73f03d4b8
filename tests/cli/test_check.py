"""check: findings of files, without a database, and its exit codes."""

from datetime import datetime
from pathlib import Path

import pytest

from pam_receiver.cli.morning import Scene
from pam_receiver.cli.options import Start
from pam_receiver.hl7.mllp import encode_frame

from .conftest import Run

REFUSED = "refus-traits"
CLEAN = "creation"


@pytest.fixture
def write(tmp_path: Path, scenes: dict[str, Scene]) -> "Write":
    return Write(tmp_path, scenes)


class Write:
    """Writes files of messages of the morning."""

    def __init__(self, folder: Path, scenes: dict[str, Scene]) -> None:
        self._folder = folder
        self._scenes = scenes

    def __call__(self, *names: str, end: bytes = b"\r", framed: bool = False) -> Path:
        raws = [self._scenes[name].raw.replace(b"\r", end) for name in names]
        file = self._folder / f"{'+'.join(names)}.hl7"
        file.write_bytes(b"".join(encode_frame(raw) if framed else raw for raw in raws))
        return file


class TestExitCode:
    def test_0_when_clean(self, run: Run, write: Write) -> None:
        result = run("check", write(CLEAN))
        assert result.code == 0
        assert "nothing to say" in result.out
        assert "1 message(s), 0 error(s), 0 warning(s), 0 unreadable." in result.out

    def test_0_with_warnings(self, run: Run, write: Write) -> None:
        result = run("check", write("ins-non-verifie"), "--environment", "test")
        assert result.code == 0
        assert "ins-without-vali" in result.out

    def test_1_with_errors(self, run: Run, write: Write) -> None:
        result = run("check", write(REFUSED), "--environment", "test")
        assert result.code == 1
        assert result.out.count("qualified-trait-missing") == 3
        assert "PID-11" in result.out
        assert "IHE PAM FR 2.11.2 §6.6" in result.out

    def test_1_when_the_event_is_refused(self, run: Run, write: Write) -> None:
        assert run("check", write("refus-a08")).code == 1

    def test_2_when_a_file_is_missing_and_the_others_are_checked(self, run: Run, write: Write) -> None:
        result = run("check", "none.hl7", write(CLEAN))
        assert result.code == 2
        assert result.err == "none.hl7 cannot be read: No such file or directory.\n"
        assert "nothing to say" in result.out

    def test_why_is_told_in_the_language(self, run: Run, write: Write) -> None:
        result = run("check", "none.hl7", write(CLEAN).parent / f"{CLEAN}.hl7" / "below", "--lang", "fr")
        assert result.err.splitlines()[0] == "none.hl7 ne peut pas être lu : fichier ou dossier introuvable."
        assert result.err.endswith(" : le chemin passe par un fichier, qui n'est pas un dossier.\n")

    def test_2_without_any_hl7(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "letter.txt"
        file.write_text("Dear colleague")
        result = run("check", file)
        assert result.code == 2
        assert "no line begins with MSH" in result.err

    def test_2_when_a_message_cannot_be_read(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "koi8.hl7"
        file.write_bytes(b"MSH|^~\\&|GAM|CHU|PAM|DM|20260302||ADT^A28^ADT_A05|1|P|2.5|||||FRA|KOI8-R\rPID|1\r")
        result = run("check", file, "--json")
        assert result.code == 2
        assert result.json[0]["unreadable"] is True  # type: ignore[index]
        assert result.json[0]["findings"]  # type: ignore[index]

    def test_a_message_without_event_is_named_all_the_same(self, run: Run, tmp_path: Path) -> None:
        file = tmp_path / "bare.hl7"
        file.write_bytes(b"MSH|\rPID|1\r")
        assert "bare.hl7, message 1: (none or unreadable)\n" in run("check", file).out
        totals = run("check", file, "--totals", "--lang", "fr").out
        assert any(line.startswith("(aucun ou illisible)  1 ") for line in totals.splitlines())


class TestBlocks:
    """Files of MLLP blocks: what a receiver could not read is never passed over."""

    def test_one_without_a_message_is_unreadable(self, run: Run, tmp_path: Path, scenes: dict[str, Scene]) -> None:
        file = tmp_path / "blocks.hl7"
        file.write_bytes(encode_frame(scenes[CLEAN].raw) + encode_frame(b"PID|1\r"))
        result = run("check", file)
        assert result.code == 2
        assert result.err == f"{file}, MLLP block 2: no HL7 message (no line begins with MSH).\n"
        assert "1 message(s), 0 error(s), 0 warning(s), 1 unreadable." in result.out

    def test_those_without_an_end_are_unreadable(self, run: Run, tmp_path: Path, scenes: dict[str, Scene]) -> None:
        file = tmp_path / "cut.hl7"
        raw = scenes[CLEAN].raw
        file.write_bytes(b"\x0b" + raw + encode_frame(raw) + b"\x0b" + raw)
        result = run("check", file, "--lang", "fr")
        assert result.code == 2
        assert result.err == f"{file} : 2 bloc(s) MLLP sans fin (FS), non lu(s) ; le fichier est-il entier ?\n"
        assert "1 message(s), 0 erreur(s), 0 avertissement(s), 2 illisible(s)." in result.out

    def test_in_json(self, run: Run, tmp_path: Path, scenes: dict[str, Scene]) -> None:
        file = tmp_path / "cut.hl7"
        file.write_bytes(b"\x0b" + scenes[CLEAN].raw)
        (message,) = run("check", file, "--json").json  # type: ignore[misc]
        assert (message["message"], message["unreadable"]) == (0, True)
        assert "1 MLLP block(s) without an end" in message["problem"]


class TestKindsOfFile:
    @pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
    @pytest.mark.parametrize("framed", [False, True])
    def test_give_the_same_findings(self, end: bytes, framed: bool, run: Run, write: Write) -> None:
        plain = run("check", write(CLEAN, REFUSED), "--json", "--environment", "test")
        other = run("check", write(CLEAN, REFUSED, end=end, framed=framed), "--json", "--environment", "test")
        assert other == plain
        assert [message["message"] for message in plain.json] == [1, 2]  # type: ignore[attr-defined]

    def test_standard_input(self, run: Run, scenes: dict[str, Scene]) -> None:
        result = run("check", "-", "--json", stdin=scenes[CLEAN].raw)
        assert result.code == 0
        assert result.json[0]["file"] == "-"  # type: ignore[index]

    def test_lines_outside_any_message_are_told(self, run: Run, tmp_path: Path, scenes: dict[str, Scene]) -> None:
        file = tmp_path / "note.hl7"
        file.write_bytes(b"sent on Monday\r" + scenes[CLEAN].raw)
        assert run("check", file).err == f"{file}: 1 line(s) outside any message, skipped.\n"


class TestFolders:
    def test_all_files_below_in_the_order_of_their_names(self, run: Run, write: Write, tmp_path: Path) -> None:
        raw = write(CLEAN).read_bytes()
        folder = tmp_path / "capture"
        for name in ("b/2.hl7", "b/1.hl7", "a.hl7", "c.txt", ".hidden/x.hl7", "b/.x.hl7"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(raw)
        found = run("check", folder, "--json").json
        assert [each["file"] for each in found] == [  # type: ignore[attr-defined]
            str(folder / name) for name in ("a.hl7", "b/1.hl7", "b/2.hl7", "c.txt")
        ]

    def test_several_of_both(self, run: Run, write: Write, tmp_path: Path) -> None:
        folder = tmp_path / "capture"
        folder.mkdir()
        file = write(CLEAN)
        (folder / "x.hl7").write_bytes(file.read_bytes())
        assert len(run("check", file, folder, file, "--json").json) == 3  # type: ignore[arg-type]

    def test_one_without_any_file(self, run: Run, tmp_path: Path) -> None:
        folder = tmp_path / "empty"
        (folder / "below").mkdir(parents=True)
        result = run("check", folder)
        assert (result.code, result.err) == (2, f"{folder}: no file in this folder.\n")

    def test_what_is_no_hl7_is_told_and_the_rest_is_checked(self, run: Run, write: Write, tmp_path: Path) -> None:
        folder = tmp_path / "capture"
        folder.mkdir()
        (folder / "a.hl7").write_bytes(write(CLEAN).read_bytes())
        (folder / "readme.txt").write_text("A capture.")
        result = run("check", folder)
        assert result.code == 2
        assert "1 message(s), 0 error(s), 0 warning(s), 1 unreadable." in result.out


class TestAcknowledgements:
    """A capture of both directions holds the answers too: they are no part of the feed."""

    def test_are_counted_and_not_checked(self, run: Run, write: Write, tmp_path: Path) -> None:
        file = tmp_path / "both.hl7"
        ack = b"MSH|^~\\&|R|D|GAM|X|20260302||ACK^A28^ACK|1|P|2.5\rMSA|AA|1\r"
        file.write_bytes(ack + write(CLEAN).read_bytes() + ack)
        result = run("check", file)
        assert result.code == 0
        assert result.err == "2 acknowledgement(s) (MSH-9: ACK) among the messages, not checked.\n"
        assert "message 2: " in result.out
        assert "1 message(s), 0 error(s)" in result.out


class TestProfiles:
    def test_another_profile_may_be_asked_for(self, run: Run, write: Write) -> None:
        (message,) = run("check", write(CLEAN), "--profile", "pam", "--json").json  # type: ignore[misc]
        assert message["profile"] == "pam"

    def test_one_that_is_none(self, run: Run, write: Write) -> None:
        result = run("check", write(CLEAN), "--profile", "pam_xx/9")
        assert result.code == 2
        assert result.err.startswith("--profile: ")

    def test_an_overlay_counts(self, run: Run, write: Write, tmp_path: Path) -> None:
        overlay = tmp_path / "strict.toml"
        overlay.write_text('[overlay]\ntitle = "x"\n\n[[grade]]\nrule = "ins-without-vali"\nseverity = "E"\n')
        file = write("ins-non-verifie")
        assert run("check", file, "--environment", "test").code == 0
        assert run("check", file, "--environment", "test", "--overlay", overlay).code == 1


class TestJournal:
    """--against-journal is another command behind the same name: its options are kept apart."""

    @pytest.mark.parametrize(
        "words", [["x.hl7"], ["--totals"], ["--report", "r.html"], ["--unmask"], ["--port", "2575"]]
    )
    def test_reads_no_file_and_writes_none(self, run: Run, words: list[str]) -> None:
        result = run("check", "--against-journal", *words)
        assert (result.code, result.err.partition(" ")[0]) == (2, "--against-journal")

    @pytest.mark.parametrize(
        "words",
        [
            ["--since", "2026-03-02"],
            ["--database", "sqlite:///x.db"],
            ["--database", "postgresql://a@b/c", "--database-read", "postgresql://a@d/c"],
        ],
    )
    def test_its_options_go_with_it(self, run: Run, write: Write, words: list[str]) -> None:
        result = run("check", write(CLEAN), *words)
        assert (result.code, result.err) == (2, "--since, --database and --database-read go with --against-journal.\n")

    def test_nothing_at_all_is_a_question(self, run: Run) -> None:
        result = run("check", "--lang", "fr")
        assert result.code == 2
        assert result.err.startswith("Indiquer des fichiers")

    @pytest.mark.parametrize(
        ("word", "since"),
        [
            (None, None),
            ("2026-03-02", "2026-03-01T23:00:00+00:00"),
            ("2026-03-02T08:00", "2026-03-02T07:00:00+00:00"),
            ("2026-03-02T08:00:00Z", "2026-03-02T08:00:00+00:00"),
        ],
    )
    def test_what_is_asked_for_is_handed_on(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, word: str | None, since: str | None
    ) -> None:
        asked: dict[str, object] = {}

        def check_journal(start: Start, **more: object) -> None:
            asked.update(more, database=start.settings.database)

        monkeypatch.setattr("pam_receiver.cli.rehearse.check_journal", check_journal)
        words = ["--profile", "pam", "--database", "sqlite:///x.db", "--json", *(["--since", word] if word else [])]
        assert run("check", "--against-journal", *words).code == 0
        assert asked == {
            "profile": "pam",
            "overlay": None,
            "since": datetime.fromisoformat(since) if since else None,
            "as_json": True,
            "database": "sqlite:///x.db",
        }

    @pytest.mark.parametrize("word", ["yesterday", "2026-13-01", "20260302T99"])
    def test_a_date_that_is_none(self, run: Run, word: str) -> None:
        result = run("check", "--against-journal", "--since", word)
        assert (result.code, result.err.startswith(f"--since: {word} is not a date")) == (2, True)


class TestSettings:
    def test_the_environment_decides_on_test_ins(self, run: Run, write: Write) -> None:
        production = run("check", write("qualification"), "--json").json
        test = run("check", write("qualification"), "--json", "--environment", "test").json
        assert [finding["rule"] for finding in production[0]["findings"]] == ["test-ins-in-production"]  # type: ignore[index]
        assert test[0]["findings"] == []  # type: ignore[index]

    def test_the_file_of_settings_counts(self, run: Run, write: Write, tmp_path: Path) -> None:
        config = tmp_path / "house.toml"
        config.write_text('environment = "test"\nincomplete_qualified_identity = "without_ins"\n')
        assert run("check", write(REFUSED), "--config", config).code == 0

    def test_no_database_is_touched(self, run: Run, write: Write) -> None:
        run("check", write(CLEAN))
        assert list(Path().iterdir()) == []


SOURCES = """
mllp = "127.0.0.1:2575"
[[source]]
name = "clinique"
port = 2576
default_authority = "CLINIQUE&1.2.250.1.999.88&ISO"
[[source]]
name = "gam"
application = "GAM"
"""


class TestPort:
    """What a receiver makes of a message may depend on the port that it came in by."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> Path:
        file = tmp_path / "house.toml"
        file.write_text(SOURCES)
        return file

    @pytest.mark.parametrize(
        ("words", "source"), [([], "gam"), (["--port", "2576"], "clinique"), (["--port", "2575"], "gam")]
    )
    def test_the_source_is_that_of_the_port(
        self, run: Run, write: Write, config: Path, words: list[str], source: str
    ) -> None:
        (message,) = run("check", write(CLEAN), "--json", "--config", config, *words).json  # type: ignore[misc]
        assert message["source"] == source

    def test_one_that_the_settings_do_not_have_is_refused(self, run: Run, write: Write, config: Path) -> None:
        result = run("check", write(CLEAN), "--config", config, "--port", "2577")
        assert (result.code, result.out) == (2, "")
        assert result.err == "--port: the settings have no port 2577. Their ports: 2575, 2576.\n"
        result = run("check", write(CLEAN), "--config", config, "--port", "2577", "--lang", "fr")
        assert result.err == "--port : les réglages n'ont pas de port 2577. Leurs ports : 2575, 2576.\n"

    def test_that_of_a_listener_is_one(self, run: Run, write: Write, config: Path) -> None:
        config.write_text('[[listener]]\naddress = "127.0.0.1:2577"\n')
        assert run("check", write(CLEAN), "--config", config, "--port", "2577").code == 0
        result = run("check", write(CLEAN), "--config", config, "--port", "2575")
        assert result.err == "--port: the settings have no port 2575. Their ports: 2577.\n"

    @pytest.mark.parametrize("word", ["0", "65536", "x"])
    def test_what_is_no_port_is_refused(self, run: Run, write: Write, word: str) -> None:
        assert run("check", write(CLEAN), "--port", word).code == 2


class TestJson:
    def test_of_a_message(self, run: Run, write: Write) -> None:
        file = write(REFUSED)
        (message,) = run("check", file, "--json", "--lang", "fr", "--environment", "test").json  # type: ignore[misc]
        findings = message.pop("findings")
        assert message == {
            "file": str(file),
            "message": 1,
            "event": "A28",
            "control_id": "MATIN021",
            "ack": "AE",
            "profile": "pam_fr/2.11",
            "source": None,
            "unreadable": False,
            "problem": None,
        }
        assert set(findings[0]) == {"severity", "code", "location", "rule", "text", "spec"}
        assert (findings[1]["severity"], findings[1]["code"], findings[1]["location"]) == ("E", 101, "PID-8")

    def test_of_a_file_that_is_missing(self, run: Run) -> None:
        (message,) = run("check", "none.hl7", "--json").json  # type: ignore[misc]
        assert message["unreadable"] is True
        assert message["problem"] == "none.hl7 cannot be read: No such file or directory."
