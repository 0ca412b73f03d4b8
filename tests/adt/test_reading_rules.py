"""The settings that the reading of a message depends on."""

from zoneinfo import ZoneInfo

import pytest
from people import CLINIC, HOSPITAL

from pam_receiver.adt.reading_rules import ReadingRules
from pam_receiver.identity.identifiers import AssigningAuthority


def asked(accepted: frozenset[AssigningAuthority] | None, default: AssigningAuthority | None = None) -> ReadingRules:
    return ReadingRules(frozenset("P"), ZoneInfo("Europe/Paris"), default, accepted)


class TestAccepts:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.1: who gave an IPP is said by HD-2, else by HD-1."""

    def test_any_when_the_setting_names_none(self) -> None:
        assert asked(None).accepts(CLINIC)

    @pytest.mark.parametrize(
        ("authority", "accepted"),
        [
            (HOSPITAL, True),
            (AssigningAuthority("OTHER", HOSPITAL.universal_id, "M"), True),
            (AssigningAuthority("", HOSPITAL.universal_id), True),
            (AssigningAuthority(HOSPITAL.namespace_id), True),
            (AssigningAuthority(HOSPITAL.namespace_id, CLINIC.universal_id, "ISO"), False),
            (AssigningAuthority("", CLINIC.universal_id, "ISO"), False),
            (AssigningAuthority("OTHER"), False),
            (AssigningAuthority(), False),
        ],
    )
    def test_the_same_id_or_else_the_same_name(self, authority: AssigningAuthority, accepted: bool) -> None:
        assert asked(frozenset({HOSPITAL})).accepts(authority) is accepted

    def test_by_name_alone_when_the_setting_gives_no_id(self) -> None:
        rules = asked(frozenset({AssigningAuthority("CHU-LYRE")}))
        assert rules.accepts(HOSPITAL)
        assert not rules.accepts(CLINIC)

    def test_two_that_have_no_name_are_not_the_same_by_it(self) -> None:
        rules = asked(frozenset({AssigningAuthority("", HOSPITAL.universal_id)}))
        assert not rules.accepts(AssigningAuthority("", "", "ISO"))

    def test_the_default_authority_always(self) -> None:
        assert asked(frozenset({HOSPITAL}), CLINIC).accepts(CLINIC)
