"""The five strict traits beside an INS, in A28, A31 and the movements of ITI-31."""

from collections.abc import Callable

import pytest
from people import (
    ANNE,
    NEW_NIR,
    NIA,
    NIR,
    TEST_INS,
    House,
    a28,
    a31,
    cancel,
    graded,
    house,
    movement,
    qualified,
    reasons_of,
    rules_of,
    who,
    with_traits,
)

from pam_receiver.identity.identifiers import Ins
from pam_receiver.identity.model import Person, Policy, Update
from pam_receiver.identity.traits import StrictTraits

EVENTS = pytest.mark.parametrize("event", [a28, a31, movement])
Made = Callable[[Person], Update]


class TestStrictTraitsRequired:
    """IHE PAM FR 2.11.2 §6.6.2, §6.6.4, §6.6.5, §6.6.6: beside INS and VALI all five traits must be there."""

    NONE_BUT_LIST = StrictTraits(birth_given_names="ANNE SOLENE")

    @EVENTS
    def test_reject_says_all_at_once_and_stores_nothing(self, event: Made) -> None:
        decision = House().decide(event(qualified("100", traits=self.NONE_BUT_LIST)))
        assert [(each.rule, each.severity, each.code, str(each.at)) for each in decision.findings] == [
            ("qualified-trait-missing", "E", 101, "PID-5.1"),
            ("qualified-trait-missing", "E", 101, "PID-5.2"),
            ("qualified-trait-missing", "E", 101, "PID-7"),
            ("qualified-trait-missing", "E", 101, "PID-8"),
            ("qualified-trait-missing", "E", 101, "PID-11.9"),
        ]
        assert (decision.changes, decision.alerts) == ((), ())

    def test_reject_leaves_what_is_known(self) -> None:
        one = house(who("100", codes=["PROV"]))
        before = one.of("100")
        one.take(a31(qualified("100", traits=with_traits(sex="O"))))
        assert one.of("100") == before

    def test_without_ins(self) -> None:
        one = House(Policy(incomplete_qualified_identity="without_ins"))
        decision = one.accept(a31(qualified("100", traits=with_traits(sex=None, birth_date="1959"))))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        assert graded(decision) == [("qualified-trait-missing", "W")] * 2

    def test_without_ins_leaves_the_one_held(self) -> None:
        one = house(qualified("100"), policy=Policy(incomplete_qualified_identity="without_ins"))
        one.accept(a31(qualified("100", traits=StrictTraits())))
        assert (one.of("100").ins, one.of("100").status) == (NIR, "qualifiee")

    def test_accept(self) -> None:
        one = House(Policy(incomplete_qualified_identity="accept"))
        decision = one.accept(a31(qualified("100", traits=with_traits(birth_place_code=None))))
        assert (one.of("100").ins, one.of("100").status) == (NIR, "qualifiee")
        assert graded(decision) == [("qualified-trait-missing", "W")]

    @pytest.mark.parametrize(("ins", "codes"), [([], ["VALI"]), ([NIR], ["PROV"]), ([NIR], []), ([TEST_INS], ["VALI"])])
    def test_only_beside_an_ins_that_counts_and_vali(self, ins: list[Ins], codes: list[str]) -> None:
        House().accept(a31(who("100", ins=ins, codes=codes, traits=StrictTraits())))

    def test_list_may_be_the_first_name_alone(self) -> None:
        one = House()
        decision = one.accept(a28(qualified("100", traits=with_traits(birth_given_names=None))))
        assert one.of("100").traits == with_traits(birth_given_names="ANNE")
        assert graded(decision) == [("given-names-list-missing", "I")]

    def test_a_list_held_stays_while_its_head_is_the_first_name(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(qualified("100", traits=with_traits(birth_given_names=None))))
        assert one.of("100").traits == ANNE

    def test_a_list_held_goes_when_the_first_name_is_another(self) -> None:
        one = house(qualified("100"))
        said = with_traits(first_birth_given_name="LOUISE", birth_given_names=None)
        one.accept(a31(qualified("100", traits=said)))
        assert one.of("100").traits.birth_given_names == "LOUISE"


class TestTraitsHeld:
    """IHE PAM FR 2.11.2 §5.3.2: a movement of a known qualified identity may leave out traits that are held."""

    @pytest.mark.parametrize("event", [movement, cancel])
    def test_absent_ones_count_as_held(self, event: Made) -> None:
        one = house(qualified("100"))
        decision = one.accept(event(qualified("100", traits=StrictTraits("KERGUELEN", "ANNE"))))
        assert graded(decision) == [("qualified-trait-held", "W")] * 3
        assert (decision.changes, one.of("100").traits) == ((), ANNE)

    @pytest.mark.parametrize("event", [a28, a31])
    def test_not_in_iti_30(self, event: Made) -> None:
        one = house(qualified("100"))
        assert "qualified-trait-missing" in rules_of(one.decide(event(qualified("100", traits=StrictTraits()))), "E")

    def test_not_beside_another_ins(self) -> None:
        one = house(qualified("100"))
        decision = one.decide(movement(qualified("100", ins=NEW_NIR, traits=with_traits(sex=None))))
        assert rules_of(decision) == ["qualified-trait-missing"]

    def test_not_of_an_identity_that_is_not_qualified(self) -> None:
        one = house(who("100"))
        assert one.decide(movement(qualified("100", traits=with_traits(sex=None)))).is_refused

    @pytest.mark.parametrize("said", [{"sex": ""}, {"sex": "O"}, {"birth_date": "1959"}])
    def test_erased_or_incomplete_ones_do_not(self, said: dict[str, str]) -> None:
        one = house(qualified("100"))
        decision = one.decide(movement(qualified("100", traits=with_traits(**said))))
        assert rules_of(decision) == ["qualified-trait-missing"]


class TestIllFormed:
    """IHE PAM FR 2.11.2 §6.6.2: what is there but ill-formed is taken as sent, with a warning of its own."""

    @pytest.mark.parametrize(
        ("changes", "rule"),
        [
            ({"birth_family_name": "Kerguélen"}, "qualified-name-charset"),
            ({"birth_place_code": "44000X"}, "birth-place-code-ill-formed"),
            ({"birth_place_code": "99999"}, "qualified-birth-place-unknown"),
            ({"first_birth_given_name": "MARIE"}, "first-name-not-head-of-list"),
            ({"sex": "U"}, "qualified-sex-undetermined"),
        ],
    )
    def test_warning(self, changes: dict[str, str], rule: str) -> None:
        one = House()
        decision = one.accept(a31(qualified("100", ins=NIA, traits=with_traits(**changes))))
        assert graded(decision) == [(rule, "W")]
        assert (one.of("100").status, one.of("100").traits) == ("qualifiee", with_traits(**changes))

    def test_of_another_identity_only_the_shape_of_the_place_is_judged(self) -> None:
        said = StrictTraits("Kerguélen", "Anne", "Solène", "1959", "U", "NANTES")
        assert rules_of(House().accept(a31(who("100", traits=said)))) == ["birth-place-code-ill-formed"]

    def test_a_long_name_is_kept_whole(self) -> None:
        one = House()
        one.accept(a31(qualified("100", traits=with_traits(birth_family_name="K" * 100))))
        assert one.of("100").traits.birth_family_name == "K" * 100


class TestBirthDateCorrected:
    """IHE PAM FR 2.11.2 §6.6.4: a corrected birth date (ZFD-4 = Y) can be neither récupérée nor qualifiée."""

    def test_ins_is_left_out(self) -> None:
        one = House()
        decision = one.accept(a31(qualified("100", birth_date_corrected=True)))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        assert graded(decision) == [("ins-with-corrected-birth-date", "W")]

    def test_the_one_held_ends(self) -> None:
        one = house(qualified("100"))
        one.accept(a31(qualified("100", birth_date_corrected=True)))
        assert (one.of("100").ins, one.of("100").status) == (None, "validee")
        assert reasons_of(one.of("100")) == [(NIR, "birth-date-corrected")]

    def test_no_trait_is_required_then(self) -> None:
        House().accept(a31(qualified("100", birth_date_corrected=True, traits=StrictTraits())))

    @pytest.mark.parametrize("ins", [[], [NIR]])
    def test_never_recuperee(self, ins: list[Ins]) -> None:
        one = House()
        one.accept(a31(who("100", ins=ins, codes=["PROV"], birth_date_corrected=True, obtained_from_insi=True)))
        assert one.of("100").status == "provisoire"
