"""What a batch knows: look-ups, authorities, merges."""

from dataclasses import replace

import pytest
from people import (
    AT,
    CLINIC,
    HOSPITAL,
    NEW_NIR,
    NIR,
    OTHER_SENDER,
    SENDER,
    House,
    a28,
    a31,
    a40,
    house,
    ipp,
    qualified,
    who,
)

from pam_receiver.identity.identifiers import AssigningAuthority
from pam_receiver.identity.known import Authorities, Known
from pam_receiver.identity.model import Change, Decision, Identity, MergeLink, SeenAuthority

LOCAL = AssigningAuthority("CHU-LYRE")
SECOND = AssigningAuthority("CHU-LYRE", "1.2.250.1.999.78", "ISO")


class TestFindByIpp:
    """IHE PAM FR 2.11.2 §6.6.1: an IPP is a value and its assigning authority."""

    def test_same_value_under_two_authorities_is_two_identities(self) -> None:
        one = house(who(ipp("100", HOSPITAL)), who(ipp("100", CLINIC)))
        assert one.of("100", HOSPITAL).id != one.of("100", CLINIC).id

    def test_unknown(self) -> None:
        assert House().holder("100") is None

    def test_former_and_inactive_ones_are_found(self) -> None:
        identity = Identity("x", active=False, identifiers=(ipp("100", active=False),))
        assert Known([identity]).find_by_ipp(ipp("100"), SENDER) == identity

    @pytest.mark.parametrize("type_", ["MR", "NH", "NDP", "INS"])
    def test_no_other_type_is_an_ipp(self, type_: str) -> None:
        identity = Identity("x", identifiers=(replace(ipp("100"), type=type_),))
        assert Known([identity]).find_by_ipp(ipp("100"), SENDER) is None


class TestLocalAuthority:
    """HL7 v2.5 §2.A.33: HD-1 alone means the one authority that this sender has sent with that HD-1."""

    def test_means_the_one_seen(self) -> None:
        one = house(who("100"))
        one.see(HOSPITAL)
        assert one.known.find_by_ipp(ipp("100", LOCAL), SENDER) == one.of("100")

    def test_means_nothing_more_when_two_were_seen(self) -> None:
        one = house(who("100"))
        one.see(HOSPITAL)
        one.see(SECOND)
        assert one.known.find_by_ipp(ipp("100", LOCAL), SENDER) is None

    def test_means_nothing_to_another_sender(self) -> None:
        one = house(who("100"))
        one.see(HOSPITAL)
        assert one.known.find_by_ipp(ipp("100", LOCAL), OTHER_SENDER) is None

    def test_means_nothing_before_it_was_seen(self) -> None:
        one = house(who("100"))
        assert one.known.find_by_ipp(ipp("100", LOCAL), SENDER) is None

    def test_of_another_name_means_nothing(self) -> None:
        one = house(who("100"))
        one.see(HOSPITAL)
        assert one.known.find_by_ipp(ipp("100", AssigningAuthority("CLINIQUE")), SENDER) is None

    def test_sent_first_is_found_by_the_full_authority_later(self) -> None:
        one = house(who(ipp("100", LOCAL)))
        one.see(LOCAL)
        assert one.known.find_by_ipp(ipp("100", HOSPITAL), SENDER) == one.of("100", LOCAL)

    def test_of_another_sender_is_not_found_by_the_full_authority(self) -> None:
        """Two hospitals may both write IPP as HD-1: what the other one means by it is not known."""
        one = house(who(ipp("100", LOCAL)))
        one.see(LOCAL)
        assert one.known.find_by_ipp(ipp("100", HOSPITAL), OTHER_SENDER) is None

    def test_is_kept_under_the_full_authority_that_its_sender_means(self) -> None:
        one = house(who("100"))
        one.see(HOSPITAL)
        one.accept(a28(who(ipp("200", LOCAL))))
        assert one.of("200", HOSPITAL).identifiers == (ipp("200", HOSPITAL),)

    def test_sent_first_is_not_found_by_a_second_authority_of_that_name(self) -> None:
        one = house(who(ipp("100", LOCAL)))
        one.see(LOCAL)
        one.see(HOSPITAL)
        assert one.known.find_by_ipp(ipp("100", SECOND), SENDER) is None

    def test_full_authority_without_a_name_is_itself_alone(self) -> None:
        nameless = AssigningAuthority("", "350000121", "M")
        assert Known().same_authorities(nameless, SENDER) == (nameless,)

    def test_seeing_is_news_once(self) -> None:
        known, seen = Known(), SeenAuthority(SENDER, HOSPITAL)
        assert [known.see(seen), known.see(seen)] == [True, False]
        assert not Known(authorities=Authorities([seen])).see(seen)

    def test_seeing_leaves_what_it_was_given_as_it_is(self) -> None:
        given, seen = Authorities(), SeenAuthority(SENDER, HOSPITAL)
        known = Known(authorities=given)
        assert known.see(seen)
        assert known.same_authorities(LOCAL, SENDER) == (HOSPITAL, LOCAL)
        assert not given.knows(seen)
        assert given.meant(LOCAL, SENDER) == (LOCAL,)


class TestFindByMatricule:
    """IHE PAM FR 2.11.2 §4.4.3: an INS is found while it is in force."""

    def test_in_force(self) -> None:
        one = house(qualified("100"))
        assert one.known.find_by_matricule(NIR.matricule) == (one.of("100"),)

    def test_former_is_not_found(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(qualified("100", ins=NEW_NIR)))
        assert one.known.find_by_matricule(NIR.matricule) == ()

    def test_several_holders_in_a_fixed_order(self) -> None:
        one = house(qualified("100"), qualified("200"))
        found = [each.id for each in one.known.find_by_matricule(NIR.matricule)]
        assert found == sorted([one.of("100").id, one.of("200").id])


class TestMerges:
    """ITI TF-2 §3.30.6.4: an absorbed identity leads to the end of its chain."""

    def test_survivor_at_the_end_of_the_chain(self) -> None:
        one = house(who("100"), who("200"), who("300"))
        one.accept(a40(who("200"), "100"))
        one.accept(a40(who("300"), "200"))
        assert one.known.find_survivor(one.of("100")) == one.of("300")
        assert one.known.find_survivor(one.of("300")) == one.of("300")

    def test_link_of_an_absorbed_identity(self) -> None:
        link = MergeLink("a", "b", AT, "m", "MSG1")
        known = Known([Identity("a", merged_into="b"), Identity("b")], [link])
        assert known.find_merge(known.get("a")) == link


class TestCopy:
    """The steps of one message must not reach the batch before the message is decided."""

    def test_copy_changes_on_its_own(self) -> None:
        one = house(qualified("100"))
        one.see(HOSPITAL)
        other = one.known.copy()
        made = Identity("new", ins=NEW_NIR, identifiers=(ipp("900"),))
        other.apply(Decision(changes=(Change(None, made, ()),)))
        other.see(SeenAuthority(SENDER, SECOND))
        assert other.find_by_ipp(ipp("900"), SENDER) == made
        assert other.find_by_matricule(NIR.matricule) == (one.of("100"),)
        assert one.holder("900") is None
        assert one.known.find_by_matricule(NEW_NIR.matricule) == ()
        assert one.known.find_by_ipp(ipp("100", LOCAL), SENDER) == one.of("100")

    def test_of_an_identity_that_changed_only_the_new_state_is_found(self) -> None:
        before = Identity("x", ins=NIR, identifiers=(ipp("100"),))
        after = Identity("x", ins=NEW_NIR, identifiers=(ipp("200"),))
        known = Known([before])
        known.apply(Decision(changes=(Change(before, after, ()),)))
        assert known.find_by_ipp(ipp("100"), SENDER) is None
        assert known.find_by_matricule(NIR.matricule) == ()
        assert list(known) == [after]
