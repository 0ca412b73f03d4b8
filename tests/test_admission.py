"""Who may send, and how much a message may hold: what is refused, and what is kept of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from golden import adt
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text

from pam_receiver.cli.parts import make_sources
from pam_receiver.config import Settings
from pam_receiver.receive import Incoming, Receiver
from pam_receiver.sources import Admission, Sources
from pam_receiver.store import Store
from pam_receiver.understand import check_file_message, understand

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
GENERAL = make_sources(Settings(environment="test")).general
GOOD = adt("7000101", "1")  # GAM of CHU-LYRE


def sources(admission: Admission) -> Sources:
    return Sources(replace(GENERAL, admission=admission))


def incoming(raw: bytes, *, is_known: bool = True) -> Incoming:
    return Incoming(raw, "192.0.2.7:40000", NOW, port=2576, is_known=is_known)


class TestAdmission:
    """HL7 v2.5 §2.15.9.3 to §2.15.9.6: MSH-3 to MSH-6 name sender and addressee."""

    @pytest.mark.parametrize(
        ("admission", "field"),
        [
            (Admission(), None),
            (Admission(applications=("GAM",)), None),
            (Admission(applications=("LABO", "G?M"), facilities=("CHU-*",)), None),
            (Admission(applications=("gam",)), 3),
            (Admission(applications=("LABO",), facilities=("X",)), 3),
            (Admission(facilities=("X", "LYRE")), 4),
            (Admission(receiving_applications=("X",)), 5),
            (Admission(receiving_facilities=("X",)), 6),
        ],
    )
    def test_the_first_field_that_is_not_as_asked(self, admission: Admission, field: int | None) -> None:
        assert admission.refused_field(b"MSH|^~\\&|GAM^1.2^ISO|CHU-LYRE|PAM|DM|2026\rPID|1\r") == field

    @pytest.mark.parametrize("raw", [b"", b"rubbish", b"MSH", b"MSH|^~\\&", b"PID|GAM|GAM|GAM"])
    def test_who_says_nothing_is_not_admitted_where_something_is_asked(self, raw: bytes) -> None:
        assert Admission(applications=("GAM",)).refused_field(raw) == 3
        assert Admission(receiving_facilities=("?*",)).refused_field(raw) == 6
        assert Admission().refused_field(raw) is None

    @given(st.binary(max_size=100))
    def test_any_bytes_are_judged(self, raw: bytes) -> None:
        asked = Admission(applications=("GAM",), receiving_facilities=("*",))
        assert asked.refused_field(b"MSH|^~\\&|" + raw) in (None, 3)

    def test_it_is_refused_before_it_is_parsed(self) -> None:
        understood = understand(b"MSH|^~\\&|LABO|CHU-LYRE|\x00\xff", replace(GENERAL, admission=Admission(("GAM",))))
        assert [(each.rule, str(each.at)) for each in understood.findings] == [("source-not-allowed", "MSH-3")]
        assert not understood.is_admitted

    def test_check_tells_it_as_a_refusal_not_as_a_file_that_cannot_be_read(self) -> None:
        checked = check_file_message(GOOD, sources=sources(Admission(("LABO",))), at=NOW)
        assert (checked.ack_code.value, checked.unreadable) == ("AR", False)


class TestRefused:
    """AR 207 with ERR-5 source-not-allowed; of the message only who, when and its digest are kept."""

    @pytest.fixture
    def receive(self, store: Store) -> Callable[..., object]:
        def go(admission: Admission, *messages: Incoming) -> list[bytes]:
            receiver = Receiver(store, sources=sources(admission), now=lambda: NOW)
            return [receiver.receive([each])[0].ack for each in messages]

        return go

    @staticmethod
    def rows(url: str) -> list[tuple[bytes | None, bytes, str, bytes | None, str]]:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            found = connection.execute(
                text(
                    "SELECT raw, digest, ack_code, repeat_key, sending_application "
                    "FROM message LEFT JOIN message_text ON message_id = id ORDER BY id"
                )
            ).all()
        engine.dispose()
        return [(raw and bytes(raw), bytes(digest), code, key, sender) for raw, digest, code, key, sender in found]

    def test_the_answer_names_the_field(self, receive: Callable[..., list[bytes]]) -> None:
        (ack,) = receive(Admission(receiving_facilities=("X",)), incoming(GOOD))
        assert b"\rMSA|AR|1" in ack
        error = next(line for line in ack.split(b"\r") if line.startswith(b"ERR"))
        fields = error.split(b"|")
        assert fields[2] == b"MSH^1^6"
        assert fields[3].startswith(b"207^")
        assert fields[5].startswith(b"source-not-allowed")

    @pytest.mark.parametrize("is_known", [True, False])
    def test_nothing_of_the_content_is_kept_but_its_digest(
        self, is_known: bool, receive: Callable[..., list[bytes]], database_url: str
    ) -> None:
        admission = Admission(("LABO",)) if is_known else Admission()
        (ack,) = receive(admission, incoming(GOOD, is_known=is_known))
        assert b"source-not-allowed" in ack
        ((raw, digest, code, key, sender),) = self.rows(database_url)
        assert (raw, digest, code, sender) == (None, sha256(GOOD).digest(), "AR", "GAM")
        assert not key

    def test_what_stands_in_the_place_of_a_name_is_not_kept_whole(
        self, receive: Callable[..., list[bytes]], database_url: str
    ) -> None:
        raw = b"|".join(
            [b"MSH", b"^~\\&", *[b"x" * 20_000] * 3, b"", b"", b"", b"ADT^A28", b"1" * 20_000, b"P", b"2.5"]
        )
        receive(Admission(("LABO",)), incoming(raw))
        engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            (kept,) = connection.execute(text("SELECT * FROM message")).mappings()
        engine.dispose()
        sizes = {name: len(value) for name, value in kept.items() if isinstance(value, str | bytes)}
        assert sizes["sending_application"] == sizes["sending_facility"] == sizes["control_id"] == 250
        assert sum(sizes.values()) < 5_000

    def test_who_is_not_admitted_never_gets_the_answer_of_who_is(
        self, receive: Callable[..., list[bytes]], database_url: str
    ) -> None:
        (accepted,) = receive(Admission(), incoming(GOOD))
        assert b"\rMSA|AA|1" in accepted
        refused, unknown = (
            receive(Admission(("LABO",)), incoming(GOOD)),
            receive(Admission(), incoming(GOOD, is_known=False)),
        )
        assert all(b"\rMSA|AR|1" in ack for ack in (*refused, *unknown))
        (again,) = receive(Admission(), incoming(GOOD))
        assert again == accepted
        assert [row[2] for row in self.rows(database_url)] == ["AA", "AR", "AR", "AA"]

    @pytest.mark.parametrize("is_known", [True, False])
    def test_a_block_over_the_limit_too(self, is_known: bool, store: Store, database_url: str) -> None:
        receiver = Receiver(store, sources=sources(Admission(("LABO",) if is_known else ())), now=lambda: NOW)
        outcome = receiver.receive_oversize(incoming(GOOD[:100], is_known=is_known))
        assert outcome.rules == (("source-not-allowed", "E"),)
        assert self.rows(database_url)[0][0] is None

    def test_a_block_over_the_limit_of_its_listener_names_that_limit(self, store: Store) -> None:
        receiver = Receiver(store, sources=sources(Admission(most_bytes=5000)), now=lambda: NOW)
        assert "5000 octets" in receiver.receive_oversize(incoming(GOOD[:100])).ack.decode("latin-1")


class TestHowMuch:
    """A message that holds more than it may is answered, cheaply, and kept as it came."""

    @pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
    def test_50_000_segments(self, end: bytes, store: Store) -> None:
        raw = GOOD.rstrip(b"\r").replace(b"\r", end) + (end + b"NTE|1") * 50_000 + end
        (outcome,) = Receiver(store, sources=sources(Admission(most_segments=2000)), now=lambda: NOW).receive(
            [incoming(raw)]
        )
        assert (outcome.ack_code, outcome.rules) == ("AR", (("too-many-segments", "E"),))
        assert f"{raw.count(end)} lignes" in outcome.ack.decode("latin-1")

    def test_20_000_repetitions(self, store: Store) -> None:
        raw = GOOD.replace(b"|7000101^", b"|" + b"1^^^A&1.2.3&ISO^PI~" * 20_000 + b"7000101^")
        assert raw.count(b"~") > 20_000
        (outcome,) = Receiver(store, sources=sources(Admission(most_repetitions=2000)), now=lambda: NOW).receive(
            [incoming(raw)]
        )
        assert (outcome.ack_code, outcome.rules) == ("AR", (("too-many-repetitions", "E"),))

    def test_as_many_as_it_may_is_read(self, store: Store) -> None:
        lines, signs = GOOD.count(b"\r"), GOOD.count(b"~")
        for number, admission, code in (
            (1, Admission(most_segments=lines, most_repetitions=signs), "AA"),
            (2, Admission(most_segments=lines - 1), "AR"),
            (3, Admission(most_repetitions=signs - 1), "AR"),
        ):
            raw = adt("7000101", str(number))
            (outcome,) = Receiver(store, sources=sources(admission), now=lambda: NOW).receive([incoming(raw)])
            assert outcome.ack_code == code

    def test_the_general_settings_have_such_limits(self) -> None:
        assert (GENERAL.admission.most_segments, GENERAL.admission.most_repetitions) == (2000, 2000)
