"""token create, list, revoke: shown once, audited with the act, told to nobody else."""

import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from pam_receiver.store import Store
from pam_receiver.store.schema import audit_event
from pam_receiver.store.tokens import find_token, list_tokens
from pam_receiver.tokens import is_secret_of, parse_token

from .conftest import Run


def trail(url: str) -> list[tuple[str, str, str, dict[str, object], str | None]]:
    with closing(Store.open(url, read_only=True)) as store, store.read() as connection:
        rows = connection.execute(select(audit_event).order_by(audit_event.c.number)).all()
    return [(row.action, row.outcome, row.actor_kind, row.detail, row.reason) for row in rows]


def create(run: Run, url: str, name: str = "prometheus", *words: str, role: str = "reader") -> str:
    result = run("token", "create", name, "--role", role, "--database", url, *words)
    assert result.code == 0, result.err
    return result.out.strip()


class TestCreate:
    def test_shows_the_token_alone_and_keeps_its_hash(self, run: Run, database_url: str) -> None:
        result = run(
            "token", "create", "prometheus", "--role", "reader", "--expires", "90d", "--database", database_url
        )
        assert result.code == 0
        made = parse_token(result.out.removesuffix("\n"))
        assert made is not None
        assert made.secret not in result.err
        assert f"Token {made.id} (reader) of prometheus made, good until " in result.err
        with closing(Store.open(database_url, read_only=True)) as store:
            (kept,) = list_tokens(store)
        assert (kept.id, kept.name, kept.role) == (made.id, "prometheus", "reader")
        assert is_secret_of(kept.hash, made.secret)
        assert kept.expires_at is not None
        assert abs(kept.expires_at - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=5)

    def test_the_secret_is_nowhere_in_the_database(self, run: Run, sqlite_url: str) -> None:
        made = parse_token(create(run, sqlite_url))
        assert made is not None
        file = Path(sqlite_url.removeprefix("sqlite:///"))
        content = b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
        assert made.id.encode() in content
        assert made.secret.encode() not in content

    def test_it_is_audited_in_the_same_transaction(
        self, run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = parse_token(create(run, database_url, "étage 2", role="admin"))
        assert made is not None
        detail = {"token": made.id, "name": "étage 2", "role": "admin", "expires_at": None}
        assert trail(database_url) == [("token-create", "success", "os-user", detail, None)]

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError

        monkeypatch.setattr("pam_receiver.store.transaction.Transaction.audit", fail)
        assert run("token", "create", "second", "--role", "reader", "--database", database_url).code == 70
        with closing(Store.open(database_url, read_only=True)) as store:
            assert [each.name for each in list_tokens(store)] == ["étage 2"]

    def test_a_name_that_is_taken_is_refused_and_that_is_audited(self, run: Run, database_url: str) -> None:
        create(run, database_url)
        result = run("token", "create", "prometheus", "--role", "admin", "--database", database_url)
        assert (result.code, result.out) == (1, "")
        assert "is called prometheus already" in result.err
        assert [(action, outcome) for action, outcome, *_ in trail(database_url)] == [
            ("token-create", "success"),
            ("token-create", "refused"),
        ]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("x", "--role", "root"), "reader, operator or admin"),
            (("x", "--role", "reader", "--expires", "0d"), "1d to 3650d"),
            (("x", "--role", "reader", "--expires", "9999d"), "1d to 3650d"),
            (("x", "--role", "reader", "--expires", "soon"), "1d to 3650d"),
            (("x", "--role", "reader", "--expires", "9999-12-31"), "1d to 3650d"),
            (("x", "--role", "reader", "--expires", "2020-01-01"), "2020-01-01 has passed"),
            (("", "--role", "reader"), "1 to 64 visible signs"),
            (("x\x1b[31m", "--role", "reader"), "1 to 64 visible signs"),
            (("a\u202eb", "--role", "reader"), "1 to 64 visible signs"),
        ],
    )
    def test_what_is_wrong_ends_with_2_and_makes_nothing(
        self, words: tuple[str, ...], said: str, run: Run, sqlite_url: str
    ) -> None:
        result = run("token", "create", *words, "--database", sqlite_url)
        assert (result.code, result.out) == (2, "")
        assert said in result.err
        assert trail(sqlite_url) == []

    def test_a_date_is_the_last_day_in_the_zone_of_the_settings(
        self, run: Run, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PAM_RECEIVER_TIMEZONE", "Indian/Reunion")
        day = (datetime.now(UTC) + timedelta(days=30)).date()
        create(run, sqlite_url, "x", "--expires", day.isoformat())
        with closing(Store.open(sqlite_url, read_only=True)) as store:
            (kept,) = list_tokens(store)
        assert kept.expires_at == datetime(day.year, day.month, day.day, 20, tzinfo=UTC)  # midnight at UTC+4

    def test_speaks_french(self, run: Run, sqlite_url: str) -> None:
        result = run("token", "create", "sonde", "--role", "reader", "--database", sqlite_url, "--lang", "fr")
        assert re.search(r"Jeton [0-9a-f]{12} \(reader\) de sonde fait, sans fin\.", result.err)


class TestList:
    def test_shows_each_with_its_state_and_no_secret(self, run: Run, database_url: str) -> None:
        made = [create(run, database_url, name) for name in ("first", "second")]
        assert run("token", "revoke", made[0][5:17], "--database", database_url).code == 0
        result = run("token", "list", "--database", database_url)
        lines = [line.split() for line in result.out.splitlines()]
        assert lines[0][:4] == ["Id", "Name", "Role", "State"]
        assert [line[:4] for line in lines[1:]] == [
            [made[0][5:17], "first", "reader", "revoked"],
            [made[1][5:17], "second", "reader", "active"],
        ]
        assert not any(each[18:] in result.out for each in made)
        assert "argon2" not in result.out

    def test_as_json(self, run: Run, sqlite_url: str) -> None:
        token = create(run, sqlite_url, "first", "--expires", "1d")
        result = run("token", "list", "--json", "--database", sqlite_url)
        (one,) = result.json  # type: ignore[misc]
        assert set(one) == {"id", "name", "role", "state", "created_at", "created_by", "expires_at", "revoked_at"}
        assert (one["id"], one["state"], one["revoked_at"]) == (token[5:17], "active", None)
        assert token[18:] not in result.out

    def test_none(self, run: Run, sqlite_url: str) -> None:
        assert run("token", "list", "--database", sqlite_url).out == "No token.\n"


class TestRevoke:
    def test_ends_it_and_is_audited_with_the_reason(self, run: Run, database_url: str) -> None:
        token = create(run, database_url)
        result = run("token", "revoke", token[5:17], "--reason", "perdu à l'étage", "--database", database_url)
        assert (result.code, result.out) == (0, f"Token {token[5:17]} of prometheus: ended.\n")
        with closing(Store.open(database_url, read_only=True)) as store:
            kept = find_token(store, token[5:17])
        assert kept is not None
        assert kept.revoked_at is not None
        detail = {"token": token[5:17], "name": "prometheus"}
        assert trail(database_url)[1:] == [("token-revoke", "success", "os-user", detail, "perdu à l'étage")]

    def test_twice_says_so_and_changes_nothing(self, run: Run, sqlite_url: str) -> None:
        token = create(run, sqlite_url)
        run("token", "revoke", token[5:17], "--database", sqlite_url)
        result = run("token", "revoke", token[5:17], "--database", sqlite_url)
        assert result.code == 0
        assert "already ended on" in result.out
        assert len(trail(sqlite_url)) == 2

    def test_a_whole_token_is_ended_without_being_shown_again(self, run: Run, sqlite_url: str) -> None:
        token = create(run, sqlite_url)
        result = run("token", "revoke", token, "--database", sqlite_url)
        assert result.code == 0
        assert token[18:] not in result.out + result.err

    @pytest.mark.parametrize("value", ["0123456789ab", "pamr_0123456789ab_" + "a" * 32, "x", "../../etc"])
    def test_what_is_not_there_is_not_said_again(self, value: str, run: Run, sqlite_url: str) -> None:
        result = run("token", "revoke", value, "--database", sqlite_url)
        assert (result.code, result.err) == (1, "No token has this id.\n")
