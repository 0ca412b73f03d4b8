"""What a comparison tells: each thing that is not as the journal says, by ids and names of fields."""

import pytest
from golden import adt

from .conftest import Hospital, a40, qualified

SNAPSHOT = {
    "sqlite": "UPDATE identity_version SET snapshot = json_set(snapshot, '$.traits.sex', 'U') WHERE number = 2",
    "postgresql": (
        "UPDATE identity_version SET number = number, "
        "snapshot = jsonb_set(snapshot::jsonb, '{traits,sex}', '\"U\"')::json WHERE number = 2"
    ),
}


def dialect(hospital: Hospital) -> str:
    return "sqlite" if hospital.url.startswith("sqlite") else "postgresql"


@pytest.fixture
def ward(hospital: Hospital) -> Hospital:
    """Anne, changed once, qualified; and two records of one patient that were merged."""
    hospital.receive(qualified(adt("100", "1")), qualified(adt("100", "2", event="A31", sex="M")))
    hospital.receive(adt("200", "3"), adt("201", "4"), a40("200", "201", "5"))
    return hospital


class TestDiscrepancies:
    @pytest.mark.parametrize(
        ("statement", "what"),
        [
            ("UPDATE identity SET sex = 'U' WHERE id = :id", "sex"),
            ("UPDATE identity SET status = 'provisoire' WHERE id = :id", "status"),
            ("UPDATE identity SET ins_matricule = NULL WHERE id = :id", "ins"),
            ("UPDATE identity SET active = (1 = 0) WHERE id = :id", "active"),
            ("UPDATE identity SET version = 7 WHERE id = :id", "version"),
            ("UPDATE identity SET used_given_name = 'X' WHERE id = :id", "used_given_name"),
            ("UPDATE identifier SET value = '999' WHERE identity_id = :id AND type = 'PI'", "identifiers"),
            ("DELETE FROM identifier WHERE identity_id = :id AND type = 'PI'", "identifiers"),
        ],
    )
    def test_what_is_held_now(self, ward: Hospital, statement: str, what: str) -> None:
        anne = ward.identity("100").id
        ward.execute(statement, id=anne)
        found = ward.verify()
        assert [(each.identity_id, each.what, each.version) for each in found.differing.examples] == [
            (anne, (what,), None)
        ]
        assert (found.differing.count, found.versions.count, found.differs) == (1, 0, True)

    def test_what_a_version_says(self, ward: Hospital) -> None:
        anne = ward.identity("100").id
        ward.execute(f"{SNAPSHOT[dialect(ward)]} AND identity_id = :id", id=anne)
        found = ward.verify()
        (one,) = found.versions.examples
        assert (one.identity_id, one.version, one.what) == (anne, 2, ("sex",))
        assert one.message_id == ward.histories()[anne][1][1].message_id
        assert (found.differing.count, found.differs) == (0, True)

    def test_a_version_that_is_gone(self, ward: Hospital) -> None:
        anne = ward.identity("100").id
        ward.execute("DELETE FROM identity_version WHERE identity_id = :id AND number = 2", id=anne)
        (one,) = ward.verify().versions.examples
        assert (one.version, one.what) == (2, ("version",))

    def test_a_merge_that_is_gone(self, ward: Hospital) -> None:
        ward.execute("DELETE FROM merge_link")
        found = ward.verify()
        assert [(each.identity_id, each.what) for each in found.merges.examples] == [
            (ward.identity("201").id, ("merged_into",))
        ]

    def test_an_identity_that_is_gone(self, ward: Hospital) -> None:
        anne = ward.identity("100").id
        first = ward.histories()[anne][1][0].message_id
        for table in ("identifier", "ended_ins", "identity_version", "alert"):
            ward.execute(f"DELETE FROM {table} WHERE identity_id = :id", id=anne)
        ward.execute("DELETE FROM identity WHERE id = :id", id=anne)
        found = ward.verify()
        assert [(each.identity_id, each.message_id) for each in found.missing.examples] == [(anne, first)]
        assert found.surplus.count == 0

    def test_an_identity_that_no_message_made(self, ward: Hospital) -> None:
        columns = "active, version, status, reliability_codes"
        ward.execute(
            f"INSERT INTO identity (id, {columns}) SELECT 'x', {columns} FROM identity WHERE id = :id",
            id=ward.identity("100").id,
        )
        found = ward.verify()
        assert [each.identity_id for each in found.surplus.examples] == ["x"]

    def test_an_act_that_cannot_be_done_again(self, ward: Hospital) -> None:
        act = ward.unmerge("201")
        ward.execute("UPDATE message SET ack_code = 'AE' WHERE event = 'A40'")  # the fold then leaves the merge out
        found = ward.verify()
        assert [(each.reason, each.ack_code) for each in found.undecided] == [("not-merged", "")]
        assert act.absorbed in {each.identity_id for each in found.versions.examples}

    def test_one_that_was_erased_is_not_compared(self, ward: Hospital) -> None:
        anne = ward.identity("100").id
        ward.execute("UPDATE identity SET sex = NULL, erased_at = :at WHERE id = :id", id=anne, at="2026-03-03 00:00Z")
        found = ward.verify()
        assert not found.differs, found

    def test_no_value_of_a_patient_is_told(self, ward: Hospital) -> None:
        ward.execute("UPDATE identity SET sex = 'U', birth_family_name = 'ROPARTZ'")
        told = repr(ward.verify())
        assert "birth_family_name" in told
        assert [each for each in ("ROPARTZ", "KERGUELEN", "1959", "259014410903303") if each in told] == []

    def test_only_the_first_examples(self, hospital: Hospital) -> None:
        hospital.receive(*(adt(f"{n}", f"{n}") for n in range(100, 125)), batch=25)
        hospital.execute("UPDATE identity SET sex = 'U'")
        found = hospital.verify()
        assert (found.differing.count, len(found.differing.examples)) == (25, 20)

    def test_a_state_of_then_is_compared_when_more_came_in(self, ward: Hospital) -> None:
        def come_in(_count: int, _at: object) -> None:
            if ward.count == 5:
                ward.receive(adt("100", "9", event="A31", sex="F"))

        ward.execute("UPDATE identity SET version = version WHERE id = :id", id=ward.identity("100").id)
        found = ward.verify(tell=come_in)
        assert ward.count == 6
        assert not found.differs, found
