"""The working copy of one decision, and the differences that a version tells."""

from dataclasses import replace
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import ANNE, AT, NEW_NIR, NIA, NIR, House, ipp

from pam_receiver.identity import rules
from pam_receiver.identity.draft import Draft, find_differences, identity_id
from pam_receiver.identity.identifiers import Ins
from pam_receiver.identity.ins import end_ins, replace_ins
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import EndReason, Identity, Policy
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.ids import MessageIds

HELD = Identity(
    id="x",
    version=3,
    status=IdentityStatus.QUALIFIEE,
    reliability_codes=("VALI",),
    ins=NIR,
    traits=ANNE,
    identifiers=(ipp("100"),),
)


def draft(*held: Identity, has_steps: bool = False) -> Draft:
    return Draft(Known(held), House().occasion(), Policy(), has_steps=has_steps)


class TestRefusal:
    """HL7 v2.5 §2.9.2.2: a message answered AE changes nothing."""

    def test_only_what_forbids_it_is_said(self) -> None:
        made = draft(HELD)
        made.add(rules.STATUS_MISSING.at())
        made.alert(HELD, rules.DOUBLON.at())
        made.alert(HELD, rules.INS_OF_ANOTHER.at())
        made.put(HELD, replace(HELD, active=False))
        made.link(HELD, replace(HELD, id="y"))
        assert made.is_refused()
        decision = made.decide()
        assert (decision.changes, decision.merges) == ((), ())
        assert [each.rule for each in decision.findings] == ["ins-held-by-another-identity"]
        assert [each.finding.rule for each in decision.alerts] == ["ins-held-by-another-identity"]

    def test_warnings_refuse_nothing(self) -> None:
        made = draft()
        made.alert(None, rules.DOUBLON.at())
        assert not made.is_refused()
        assert [each.identity_id for each in made.decide().alerts] == [None]


class TestVersions:
    """Messages that change nothing add no version; the others add one."""

    def test_no_difference_is_no_change(self) -> None:
        made = draft(HELD)
        made.put(HELD, replace(HELD))
        assert made.decide().changes == ()

    def test_there_and_back_is_no_change(self) -> None:
        made = draft(HELD, has_steps=True)
        away = replace(HELD, active=False)
        made.put(HELD, away)
        made.put(away, HELD)
        assert made.decide().changes == ()

    def test_several_steps_are_one_version(self) -> None:
        made = draft(HELD, has_steps=True)
        first = replace(HELD, active=False)
        made.put(HELD, first)
        made.put(first, replace(first, status=IdentityStatus.VALIDEE))
        (change,) = made.decide().changes
        assert (change.before, change.after.version) == (HELD, 4)
        assert [each.what for each in change.differences] == ["active", "status"]

    def test_a_new_identity_begins_at_1(self) -> None:
        made = draft()
        new = made.new_identity()
        made.put(None, replace(new, traits=ANNE))
        (change,) = made.decide().changes
        assert (change.before, change.after.version) == (None, 1)

    def test_ids_follow_from_the_message(self) -> None:
        there, back = draft(), draft()
        ids = [there.new_identity().id, there.new_identity().id]
        assert ids == [back.new_identity().id, back.new_identity().id]
        assert len(set(ids)) == 2

    @given(st.integers(0, 2**48 - 1), st.integers(0, 2**40))
    def test_ids_are_of_the_time_of_the_message(self, ms: int, later: int) -> None:
        """RFC 9562 §5.7, version 7."""
        ids = MessageIds(lambda: ms * 1_000_000)
        message_id = ids()
        made = UUID(identity_id(message_id, 0))
        assert (str(made), made.version, made.variant) == (identity_id(message_id, 0), 7, RFC_4122)
        assert made.int >> 64 == UUID(message_id).int >> 64
        assert len({identity_id(each, number) for each in (message_id, ids()) for number in (0, 1, later + 2)}) == 6

    def test_steps_do_not_reach_what_is_known(self) -> None:
        known = Known([HELD])
        made = Draft(known, House().occasion(), Policy(), has_steps=True)
        after = replace(HELD, merged_into="y", active=False)
        made.put(HELD, after)
        made.link(HELD, Identity("y"))
        assert made.known.get("x") == after
        assert made.known.find_merge(after).survivor == "y"
        assert known.get("x") == HELD


def differences(before: Identity | None, after: Identity) -> dict[str, tuple[object, object, str | None]]:
    return {each.what: (each.before, each.after, each.reason) for each in find_differences(before, after)}


class TestDifferences:
    """DMN INS 26: the history tells what changed, before and after."""

    def test_created_tells_everything_that_is_there(self) -> None:
        found = differences(None, replace(HELD, used_family_name="TREVOUX", used_given_name="ANNE"))
        assert found["created"] == (None, True, None)
        assert found["status"] == (None, "qualifiee", None)
        assert found["ins"][1] == {"matricule": NIR.matricule, "oid": NIR.oid, "nature": "NIR"}
        assert found["birth_date"] == (None, "1959-01-23", None)
        assert found["used_family_name"] == (None, "TREVOUX", None)
        assert "merged_into" not in found

    def test_a_new_provisional_identity_tells_its_status(self) -> None:
        assert differences(None, Identity("x"))["status"] == (None, "provisoire", None)

    def test_version_alone_is_no_difference(self) -> None:
        assert differences(HELD, replace(HELD, version=9)) == {}

    @pytest.mark.parametrize("reason", list(EndReason))
    def test_an_ended_ins_tells_why(self, reason: EndReason) -> None:
        found = differences(HELD, end_ins(HELD, reason, AT))
        assert found["ins"][1:] == (None, reason.value)

    def test_a_former_ins_that_ended_tells_why(self) -> None:
        held = replace_ins(replace(HELD, ins=NIA), NIR)
        found = differences(held, end_ins(held, EndReason.REMOVED, AT))
        assert found["identifiers"][2] == "removed-by-source"

    def test_a_replaced_ins_tells_so(self) -> None:
        found = differences(HELD, replace_ins(HELD, NEW_NIR))
        assert found["ins"][2] == "replaced"
        assert found["identifiers"][2] is None

    def test_a_first_ins_has_no_reason(self) -> None:
        assert differences(replace(HELD, ins=None), HELD)["ins"] == (
            None,
            {"matricule": NIR.matricule, "oid": NIR.oid, "nature": "NIR"},
            None,
        )

    def test_another_nature_of_the_same_number_is_a_difference(self) -> None:
        assert "ins" in differences(HELD, replace(HELD, ins=Ins(NIR.matricule, NIA.oid)))
