"""JSON values of the store: what is written is read back equal."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from pam_receiver.finding import Finding
from pam_receiver.identity.draft import find_differences
from pam_receiver.identity.model import Change, Difference, Identity
from pam_receiver.identity.status import IdentityStatus
from pam_receiver.store.json_text import to_json_text
from pam_receiver.store.rows import (
    changes_json,
    finding_from_json,
    finding_json,
    identity_from_json,
    read_changes,
    sender_key,
    snapshot_json,
    storable,
)


@given(st.from_type(Identity))
@settings(max_examples=60)
def test_an_identity_comes_back_from_its_snapshot(identity: Identity) -> None:
    assert identity_from_json(json.loads(json.dumps(snapshot_json(identity)))) == identity


@given(st.from_type(Finding))
@settings(max_examples=60)
def test_a_finding_comes_back_from_its_json(finding: Finding) -> None:
    assert finding_from_json(json.loads(json.dumps(finding_json(finding)))) == finding


def test_a_text_that_is_no_json_yet_becomes_one() -> None:
    assert to_json_text("[]") == '"[]"'


@given(st.from_type(Identity), st.lists(st.builds(Difference, st.text(), st.none() | st.text(), st.none() | st.text())))
@settings(max_examples=60)
def test_changes_come_back_from_their_json(identity: Identity, differences: list[Difference]) -> None:
    snapshot = json.loads(json.dumps(snapshot_json(identity)))
    made = changes_json(Change(identity, identity, tuple(differences)))
    assert read_changes(json.loads(json.dumps(made)), snapshot) == tuple(differences)


@given(st.from_type(Identity))
@settings(max_examples=60)
def test_what_a_creation_changed_is_read_from_its_snapshot(identity: Identity) -> None:
    made = Change(None, identity, find_differences(None, identity))
    assert changes_json(made) is None
    assert read_changes(None, json.loads(json.dumps(snapshot_json(identity)))) == made.differences


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
