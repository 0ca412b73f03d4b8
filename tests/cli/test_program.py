"""The program is named as it can be typed from the current folder."""

from pathlib import Path

import pytest

from pam_receiver.cli.program import called_as


@pytest.fixture
def make_program(monkeypatch: pytest.MonkeyPatch) -> "MakeProgram":
    monkeypatch.setenv("PATH", "/nowhere")
    return MakeProgram()


class MakeProgram:
    """Makes files that can be run."""

    def __call__(self, path: Path) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o755)
        return str(path)


class TestCommand:
    def test_on_path_has_its_bare_name(self, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch) -> None:
        script = make_program(Path.cwd() / "bin" / "pam-receiver")
        monkeypatch.setenv("PATH", str(Path(script).parent))
        assert called_as(script, "/usr/bin/python3") == "pam-receiver"

    def test_hidden_by_another_one_on_path_keeps_its_own(
        self, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(Path(make_program(tmp_path / "other" / "pam-receiver")).parent))
        script = make_program(Path.cwd() / ".venv" / "bin" / "pam-receiver")
        assert called_as(script, "/usr/bin/python3") == ".venv/bin/pam-receiver"

    @pytest.mark.parametrize("is_absolute", [False, True])
    def test_below_the_folder_has_its_relative_path(self, is_absolute: bool, make_program: MakeProgram) -> None:
        make_program(Path(".venv/bin/pam-receiver"))
        script = str((Path.cwd() if is_absolute else Path()) / ".venv/bin/pam-receiver")
        assert called_as(script, "/usr/bin/python3") == ".venv/bin/pam-receiver"

    def test_in_the_folder_is_no_bare_name(self, make_program: MakeProgram) -> None:
        assert called_as(make_program(Path("pam-receiver")), "/usr/bin/python3") == "./pam-receiver"

    def test_elsewhere_has_its_whole_path_quoted_for_the_shell(self, make_program: MakeProgram, tmp_path: Path) -> None:
        script = make_program(tmp_path / "my tools" / "pam-receiver")
        assert called_as(script, "/usr/bin/python3") == f"'{script}'"

    def test_called_by_another_program_has_its_name(self) -> None:
        assert called_as("/usr/bin/pytest", "/usr/bin/python3") == "pam-receiver"


class TestModule:
    def test_names_the_python_on_path(self, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch) -> None:
        python = make_program(Path.cwd() / "bin" / "python3")
        monkeypatch.setenv("PATH", str(Path(python).parent))
        assert called_as("/lib/pam_receiver/__main__.py", python) == "python3 -m pam_receiver"

    def test_names_the_python_of_an_environment_not_the_one_it_is_made_of(
        self, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        real = make_program(tmp_path / "usr" / "python")
        monkeypatch.setenv("PATH", str(Path(real).parent))
        link = Path(".venv/bin/python")
        link.parent.mkdir(parents=True)
        link.symlink_to(real)
        assert called_as("/lib/pam_receiver/__main__.py", str(link)) == ".venv/bin/python -m pam_receiver"
