"""JSON values of the store: what is written is read back equal."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.finding import Finding
from pam_receiver.identity.as_json import difference_json
from pam_receiver.identity.model import Difference, Identity
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.store.rows import (
    difference_from_json,
    finding_from_json,
    finding_json,
    findings_text,
    identity_from_json,
    sender_key,
    snapshot_json,
    storable,
    to_json_text,
)


@given(st.from_type(Identity))
@settings(max_examples=60)
def test_an_identity_comes_back_from_its_snapshot(identity: Identity) -> None:
    assert identity_from_json(json.loads(json.dumps(snapshot_json(identity)))) == identity


@given(st.from_type(Finding))
@settings(max_examples=60)
def test_a_finding_comes_back_from_its_json(finding: Finding) -> None:
    assert finding_from_json(json.loads(json.dumps(finding_json(finding)))) == finding


@given(st.lists(st.from_type(Finding), max_size=3))
@settings(max_examples=60)
def test_the_text_of_findings_is_that_of_their_json_values(findings: list[Finding]) -> None:
    assert to_json_text(findings_text(findings)) == json.dumps([finding_json(each) for each in findings])


def test_a_text_that_is_no_json_yet_becomes_one() -> None:
    assert to_json_text("[]") == '"[]"'


@given(st.text(), st.none() | st.text(), st.none() | st.text(), st.none() | st.text())
@settings(max_examples=60)
def test_a_difference_comes_back_from_its_json(what: str, before: object, after: object, reason: str | None) -> None:
    difference = Difference(what, before, after, reason)
    assert difference_from_json(json.loads(json.dumps(difference_json(difference)))) == difference


def test_the_snapshot_holds_the_words_of_the_contract() -> None:
    made = snapshot_json(Identity("1", status=IdentityStatus.VALIDEE))
    assert made["status"] == "validee"
    assert made["ins"] is None


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_of_the_journal_becomes_storable(text: str) -> None:
    made = storable(text)
    assert "\0" not in made
    assert made.encode().decode() == made


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_two_senders_have_two_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (sender_key(one) == sender_key(other)) == (one == other)


def test_a_boundary_between_sender_and_facility_is_kept() -> None:
    assert sender_key(("AB", "C")) != sender_key(("A", "BC"))
