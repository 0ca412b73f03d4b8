"""Who runs a command: the user of the process, who logged in before, and from where."""

import os
import pwd
from pathlib import Path

import pytest

from pam_receiver.cli import actor as module
from pam_receiver.cli.actor import actor

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(autouse=True)
def a_plain_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "LOGIN_ID", tmp_path / "none")
    monkeypatch.setattr("socket.gethostname", lambda: "station-7")
    for name in ("SUDO_USER", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)


class TestName:
    def test_it_is_that_of_the_process(self) -> None:
        assert actor() == module.Actor(ME, "os-user", "station-7")

    @pytest.mark.parametrize("name", ["LOGNAME", "USER", "LNAME", "USERNAME"])
    def test_a_variable_does_not_change_it(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "somebody-else")
        assert actor().name == ME

    def test_who_asked_sudo_is_named_before_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUDO_USER", "mireille")
        assert actor().name == f"mireille (sudo {ME})"
        monkeypatch.setenv("SUDO_USER", ME)
        assert actor().name == ME

    def test_who_logged_in_is_believed_before_the_variable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "login").write_text("1")
        monkeypatch.setattr(module, "LOGIN_ID", tmp_path / "login")
        monkeypatch.setenv("SUDO_USER", "mireille")
        assert actor().name == f"{pwd.getpwuid(1).pw_name} (sudo {ME})"

    @pytest.mark.parametrize("content", ["4294967295", "", "x"])
    def test_nobody_logged_in(self, content: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "login").write_text(content)
        monkeypatch.setattr(module, "LOGIN_ID", tmp_path / "login")
        assert actor().name == ME

    def test_a_user_without_a_name_has_a_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
        assert actor().name == "uid 3999999999"


class TestOrigin:
    @pytest.mark.parametrize(
        ("variable", "origin"),
        [
            ("192.0.2.9 50000 192.0.2.1 22", "station-7 (ssh 192.0.2.9)"),
            ("fe80::1%eth0 50000 fe80::2%eth0 22", "station-7 (ssh fe80::1)"),
            ("", "station-7"),
            ("Mme KERGUELEN", "station-7"),
        ],
    )
    def test_the_address_of_an_ssh_session_is_added(
        self, variable: str, origin: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSH_CONNECTION", variable)
        assert actor().origin == origin
