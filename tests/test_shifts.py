"""A shift is told once: what follows from it is left out, every other fault of the same segment stays."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from golden import BEGINS_AT
from small_messages import MOVEMENT, PID, WARD, a28, adt, movement

from pam_receiver.cli import parts
from pam_receiver.config import load_settings
from pam_receiver.finding import Severity
from pam_receiver.hl7.ack import AckCode
from pam_receiver.profile.load import load_profiles
from pam_receiver.shifts import _MOST_SHIFTS, ZBE_SHIFTED
from pam_receiver.understand import Checked, check_file_message

EVENT: Final = "20250310091500"
# MOVEMENT with one separator too many before its action, as small_messages writes its cells.
SHIFTED: Final = {number + (number > 2): value for number, value in MOVEMENT.items()}
UNSHIFTED: Final = dict.fromkeys(MOVEMENT, "")
NAME: Final = "KERGUELEN^ANNE^ANNE SOLENE MARIE^^^Mme^^L"
USED: Final = "DE LYRE^^^^^^^D"

Check = Callable[..., Checked]


def sent(zbe: dict[int, str], event: str = "A01") -> bytes:
    """An encounter whose ZBE has these cells and no other."""
    return movement(event, ZBE=UNSHIFTED | zbe)


def names(*repetitions: str) -> bytes:
    """A creation without an INS, beside which a birth name without its type would be an error of its own."""
    return a28(PID={3: "100245^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI", 5: "~".join(repetitions), 32: "PROV"})


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Check a message as the receiver does, by a source of these grades."""

    def check(raw: bytes, strictness: str = "lenient", **grades: str) -> Checked:
        overlay = '[overlay]\ntitle = "of the test"\n' + "".join(
            f'[[grade]]\nrule = "{rule.replace("_", "-")}"\nseverity = "{severity}"\n'
            for rule, severity in grades.items()
        )
        (tmp_path / "overlay.toml").write_text(overlay, encoding="utf-8")
        lines = ['environment = "test"', "[[source]]", 'name = "gam"', 'application = "GAM-LYRE"']
        lines += [f'strictness = "{strictness}"', *(['overlay = "overlay.toml"'] if grades else [])]
        (tmp_path / "house.toml").write_text("\n".join(lines), encoding="utf-8")
        sources = parts.make_sources(load_settings(config=tmp_path / "house.toml"))
        return check_file_message(raw, sources=sources, at=BEGINS_AT)

    return check


def said(checked: Checked) -> list[tuple[str, str]]:
    return [(each.rule, str(each.at)) for each in checked.findings if each.severity is not Severity.I]


class TestMovement:
    """IHE PAM FR 2.11.2 §6.13: the action stands in ZBE-4, and ZBE ends with ZBE-9."""

    def test_the_rule_is_one_of_the_profile(self) -> None:
        assert ZBE_SHIFTED in load_profiles().french.conditions

    def test_as_it_should_be_nothing_is_said(self, check: Check) -> None:
        assert said(check(movement())) == []

    @pytest.mark.parametrize("too_many", [2, 3, 4])
    def test_a_shift_alone_is_one_finding(self, check: Check, too_many: int) -> None:
        cells = {number + (number >= too_many): value for number, value in MOVEMENT.items()}
        assert said(check(sent(cells))) == [("zbe-shifted-by-one", "ZBE-5")]

    def test_a_written_rule_that_the_shift_breaks_is_left_out_too(self, check: Check) -> None:
        correction = MOVEMENT | {4: "UPDATE", 6: "A01"}  # the event then stands where the ward is looked for
        cells = {number + (number > 3): value for number, value in correction.items()}
        assert said(check(sent(cells, "Z99"))) == [("zbe-shifted-by-one", "ZBE-5")]

    @pytest.mark.parametrize(
        ("cells", "fault"),
        [
            ({1: "312^CHU-LYRE^440000099"}, ("ei-4-missing", "ZBE-1.4")),
            ({2: "le dix mars"}, ("zbe-2-ill-formed", "ZBE-2")),
            ({2: ""}, ("zbe-2-required", "ZBE-2")),
            ({3: "20250310100000"}, ("zbe-3-forbidden", "ZBE-3")),
        ],
    )
    def test_a_fault_before_the_shift_stays(self, check: Check, cells: dict[int, str], fault: tuple[str, str]) -> None:
        assert said(check(sent(SHIFTED | cells))) == [fault, ("zbe-shifted-by-one", "ZBE-5")]

    @pytest.mark.parametrize(
        ("cells", "fault"),
        [
            ({6: "X"}, ("zbe-5-not-in-table", "ZBE-5")),
            ({6: ""}, ("zbe-5-required", "ZBE-5")),
            ({10: "XYZ"}, ("zbe-9-not-in-table", "ZBE-9.1")),
            ({10: ""}, ("zbe-9-required", "ZBE-9")),
            ({11: "X"}, ("field-beyond-segment", "ZBE-10")),
            ({5: "CANCEL"}, ("movement-event-needs-insert", "ZBE-4")),
        ],
    )
    def test_a_fault_behind_it_is_told_where_it_will_stand(
        self, check: Check, cells: dict[int, str], fault: tuple[str, str]
    ) -> None:
        findings = check(sent(SHIFTED | cells)).findings
        told = {(each.rule, str(each.at)) for each in findings} - {("zbe-shifted-by-one", "ZBE-5")}
        assert fault in told
        assert {rule for rule, _ in told} - {"zbe-6-missing"} == {fault[0]}  # CANCEL asks for ZBE-6 too

    def test_faults_of_other_segments_stay(self, check: Check) -> None:
        raw = movement(ZBE=UNSHIFTED | SHIFTED, PV1={2: "Z"}, PID={30: "X"})
        told = said(check(raw))
        assert ("pid-30-not-in-table", "PID-30") in told
        assert ("pv1-2-not-in-table", "PV1-2") in told
        assert told.count(("zbe-shifted-by-one", "ZBE-5")) == 1

    def test_an_action_in_both_places_is_no_separator_too_many(self, check: Check) -> None:
        told = said(check(sent({1: "312^CHU-LYRE", 2: EVENT, 4: "INSERT", 5: "INSERT", 7: WARD, 9: "HMS"})))
        assert told == [("zbe-5-not-in-table", "ZBE-5"), ("zbe-shifted-by-one", "ZBE-5")]

    def test_without_an_empty_place_before_the_action_all_is_told(self, check: Check) -> None:
        told = said(check(sent(SHIFTED | {3: EVENT, 4: "X"})))
        assert {"zbe-3-forbidden", "zbe-4-not-in-table", "zbe-5-not-in-table", "zbe-9-required"} <= dict(told).keys()

    def test_of_several_movements_each_is_looked_at(self, check: Check) -> None:
        first = movement(ZBE=UNSHIFTED | SHIFTED)
        second = first[first.index(b"ZBE|") :].replace(b"HMS", b"XYZ")
        told = said(check(first + second))
        assert ("zbe-9-not-in-table", "ZBE(2)-9.1") in told
        assert {"zbe-4-required", "zbe-9-required", "field-beyond-segment"}.isdisjoint(dict(told))


class TestName:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.10: the name type stands in XPN-7."""

    @pytest.mark.parametrize("name", [NAME, "KERGUELEN^ANNE^^ANNE SOLENE MARIE^^^^L", "KERGUELEN^ANNE^ANNE^^^^^L"])
    def test_a_shift_alone_is_one_finding(self, check: Check, name: str) -> None:
        assert said(check(names(name))) == [("name-shifted-by-one", "PID-5.7")]

    @pytest.mark.parametrize("both", [(NAME, USED), (USED, NAME)])
    def test_each_shifted_name_is_told(self, check: Check, both: tuple[str, str]) -> None:
        assert said(check(names(*both))) == [("name-shifted-by-one", f"PID-5{n}.7") for n in ("", "[2]")]

    def test_a_birth_name_that_is_there_is_not_asked_for(self, check: Check) -> None:
        told = said(check(names("DE LYRE^^^^^^D", NAME)))
        assert told == [("name-shifted-by-one", "PID-5[2].7")]

    def test_a_birth_name_that_is_missing_is(self, check: Check) -> None:
        assert ("name-in-use-without-birth-name", "PID-5.7") in said(check(names(USED)))

    @pytest.mark.parametrize(
        ("name", "fault"),
        [
            ("KERGUELEN^ANNE^ANNE^III^^Mme^^L", ("xpn-4-forbidden", "PID-5.4")),
            ("KERGUELEN^ANNE^ANNE^^^^^L^I", ("xpn-8-forbidden", "PID-5.8")),
            (f"KERGUELEN^{'A' * 200}^ANNE^^^Mme^^L", ("xpn-2-too-long", "PID-5.2")),
            (f"KERGUELEN^ANNE^ANNE^^^{'M' * 21}^^L", ("xpn-5-too-long", "PID-5.5")),
        ],
    )
    def test_another_fault_of_the_name_stays(self, check: Check, name: str, fault: tuple[str, str]) -> None:
        told = said(check(names(name)))
        assert fault in told
        assert [rule for rule, _ in told if rule.startswith("xpn-")] == [fault[0]]

    def test_faults_of_other_names_stay(self, check: Check) -> None:
        told = said(check(names(NAME, "DE LYRE^^^III^^^D^A")))
        assert told[:2] == [("xpn-4-forbidden", "PID-5[2].4"), ("xpn-8-forbidden", "PID-5[2].8")]
        assert ("name-shifted-by-one", "PID-5.7") in told
        assert all(at != "PID-5.8" for _, at in told)

    def test_of_very_many_the_first_are_looked_at(self, check: Check) -> None:
        """Each costs a check of its segment: a message must not be able to ask for thousands."""
        pid = ("PID", PID | {5: NAME})
        mrg = ("MRG", {1: "100999^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI"})
        raw = adt("A40", ("EVN", {2: EVENT}), *[pid, mrg] * (_MOST_SHIFTS + 2))
        told = [rule for rule, _ in said(check(raw))]
        assert told.count("name-shifted-by-one") == _MOST_SHIFTS + 2
        assert told.count("xpn-8-forbidden") == 2


class TestSeverity:
    """A message is never accepted because less is said of it."""

    @pytest.mark.parametrize(("raw", "rule"), [(sent(SHIFTED), ZBE_SHIFTED), (names(NAME), "name-shifted-by-one")])
    def test_of_a_strict_source_the_shift_is_the_error(self, check: Check, raw: bytes, rule: str) -> None:
        checked = check(raw, "strict")
        assert checked.ack_code is AckCode.AE
        assert [each.rule for each in checked.findings if each.is_error] == [rule]

    @pytest.mark.parametrize("severity", ["I", "W"])
    @pytest.mark.parametrize(("raw", "rule"), [(sent(SHIFTED), ZBE_SHIFTED), (names(NAME), "name-shifted-by-one")])
    def test_a_shift_that_an_overlay_lowers_is_still_refused_for_what_it_stands_for(
        self, check: Check, raw: bytes, rule: str, severity: str
    ) -> None:
        checked = check(raw, "strict", **{rule: severity})
        assert checked.ack_code is AckCode.AE
        assert [each.rule for each in checked.findings if each.is_error] == [rule]

    @pytest.mark.parametrize(
        ("raw", "rule", "general"),
        [(sent(SHIFTED), ZBE_SHIFTED, "zbe-4-required"), (names(NAME), "name-shifted-by-one", "xpn-8-forbidden")],
    )
    def test_where_an_overlay_ignores_the_shift_the_general_findings_are_told(
        self, check: Check, raw: bytes, rule: str, general: str
    ) -> None:
        rules = [each.rule for each in check(raw, "strict", **{rule: "ignore"}).findings if each.is_error]
        assert general in rules
        assert rule not in rules

    def test_one_general_rule_made_an_error_refuses_by_the_shift(self, check: Check) -> None:
        checked = check(sent(SHIFTED), zbe_9_required="E")
        assert (checked.ack_code, said(checked)) == (AckCode.AE, [("zbe-shifted-by-one", "ZBE-5")])

    def test_where_nothing_of_it_is_refused_it_warns(self, check: Check) -> None:
        assert check(sent(SHIFTED)).ack_code is AckCode.AA
