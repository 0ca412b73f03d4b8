"""What a line of an imported overlay may say."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_receiver.profile.model import Condition, Place, Test
from pam_receiver.profile.xml_keys import quote, read_predicate
from pam_receiver.profile.xml_profile import one_line


class TestPredicates:
    """HL7 v2.5 §2.12: the predicate of usages C and CE; in the schema it is a text."""

    @pytest.mark.parametrize(
        ("text", "condition"),
        [
            ("PID-24 is valued", Condition(Place("PID", 24), Test.PRESENT)),
            ("Only if PID-24.1 is present.", Condition(Place("PID", 24, 1), Test.PRESENT)),
            ("If PV1-3 is empty", Condition(Place("PV1", 3), Test.ABSENT)),
            ("when pv1-3 is not empty", Condition(Place("PV1", 3), Test.PRESENT)),
            ("If PID-24 (Multiple Birth) is not valued", Condition(Place("PID", 24), Test.ABSENT)),
            ("If the value of PID-24 is 'Y'", Condition(Place("PID", 24), Test.IS, frozenset({"Y"}))),
            ('Required if PID-24 = "Y".', Condition(Place("PID", 24), Test.IS, frozenset({"Y"}))),
            ("PID-24 is not equal to 'Y'", Condition(Place("PID", 24), Test.IS_NOT, frozenset({"Y"}))),
            ("If ZBE-4 is valued 'INSERT'", Condition(Place("ZBE", 4), Test.IS, frozenset({"INSERT"}))),
            ("If PID-24 is valued and PID-25 is not valued", None),
            ("If ZZZ-1 is valued", None),
            ("If PID-0 is valued", None),
            ("", None),
        ],
    )
    def test_predicates(self, text: str, condition: Condition | None) -> None:
        assert read_predicate(text, {"ZBE"}) == condition


class TestQuote:
    @given(text=st.text())
    def test_any_text_is_quoted_for_toml(self, text: str) -> None:
        assert tomllib.loads(f"x = {quote(text)}\n# {one_line(text)}\n") == {"x": text}
