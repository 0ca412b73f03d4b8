"""The five strict traits."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import ANNE, NIA, NIR, PLACES, with_traits

from pam_receiver.identity.identifiers import Ins
from pam_receiver.identity.traits import (
    StrictTraits,
    Trait,
    check_birth_place,
    check_qualified_form,
    find_disagreements,
    is_complete_date,
    is_head_of,
    missing_traits,
    rniv_form,
    words_for,
)

NAMES = st.text(alphabet="AEÉßé\u0301-' ", max_size=6)


class TestFollow:
    """HL7 v2.5 §2.5.3: empty leaves what is held, "" erases it."""

    def test_said_nothing_leaves_everything(self) -> None:
        assert ANNE.follow(StrictTraits()) == ANNE

    def test_said_replaces(self) -> None:
        assert ANNE.follow(StrictTraits(sex="U")) == with_traits(sex="U")

    def test_the_values_stand_in_the_order_of_the_traits(self) -> None:
        assert dict(ANNE.items()) == {trait: getattr(ANNE, trait.value) for trait in Trait}

    def test_two_quotes_erase(self) -> None:
        assert ANNE.follow(StrictTraits(birth_place_code="")) == with_traits(birth_place_code=None)


class TestChangedBy:
    """DMN INS 33: a strict trait changed at the source ends the qualification. Compared in RNIV form."""

    @pytest.mark.parametrize(
        "said",
        [
            StrictTraits(),
            ANNE,
            StrictTraits(birth_family_name="Kerguélen"),
            StrictTraits(birth_given_names="ANNE-SOLENE MARIE"),
            StrictTraits(birth_given_names="Anne  Solène  Marie "),
        ],
    )
    def test_same_in_rniv_form_or_not_said_is_no_change(self, said: StrictTraits) -> None:
        assert ANNE.changed_by(said) == ()

    def test_apostrophe_is_a_space(self) -> None:
        assert StrictTraits("L'HERMITE").changed_by(StrictTraits("L HERMITE")) == ()
        assert StrictTraits("L’HERMITE").changed_by(StrictTraits("l'hermite")) == ()

    def test_filling_what_was_empty_is_no_change(self) -> None:
        assert with_traits(sex=None).changed_by(ANNE) == ()

    @pytest.mark.parametrize("trait", list(Trait))
    def test_any_strict_trait_can_change(self, trait: Trait) -> None:
        assert ANNE.changed_by(StrictTraits(**{trait.value: "X"})) == (trait,)

    def test_erasing_is_a_change(self) -> None:
        assert ANNE.changed_by(StrictTraits(birth_date="")) == (Trait.BIRTH_DATE,)

    def test_a_date_less_precise_is_a_change(self) -> None:
        assert ANNE.changed_by(StrictTraits(birth_date="1959")) == (Trait.BIRTH_DATE,)


class TestRnivForm:
    """RNIV 1: names are compared in capitals, without accents, hyphen and apostrophe as a space."""

    @pytest.mark.parametrize(
        ("name", "form"),
        [
            ("kerguelen", "KERGUELEN"),
            ("Éloïse", "ELOISE"),
            ("D'ARTAGNAN", "D ARTAGNAN"),
            ("D’ARTAGNAN", "D ARTAGNAN"),
            ("Marie--Cécile", "MARIE CECILE"),
            ("  Jean   -  Luc ", "JEAN LUC"),
            ("Lœtitia", "LOETITIA"),
            ("Straße", "STRASSE"),
            ("", ""),
        ],
    )
    def test_form(self, name: str, form: str) -> None:
        assert rniv_form(name) == form

    @given(name=st.text(max_size=30))
    @settings(max_examples=100)
    def test_whatever_unicode_form_was_sent(self, name: str) -> None:
        composed, bare = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
        assert rniv_form(composed) == rniv_form(bare)


class TestMissingTraits:
    """IHE PAM FR 2.11.2 §6.6.2, §6.6.4, §6.6.5, §6.6.6: beside INS and VALI all five must be there."""

    def test_none_is_missing(self) -> None:
        assert missing_traits(ANNE) == ()

    def test_list_of_given_names_may_be_the_first_one_alone(self) -> None:
        assert missing_traits(with_traits(birth_given_names=None)) == ()

    @pytest.mark.parametrize("value", [None, ""])
    def test_all_are_said_at_once(self, value: str | None) -> None:
        said = StrictTraits(**{trait.value: value for trait in Trait})
        assert missing_traits(said) == (
            Trait.BIRTH_FAMILY_NAME,
            Trait.FIRST_BIRTH_GIVEN_NAME,
            Trait.BIRTH_DATE,
            Trait.SEX,
            Trait.BIRTH_PLACE_CODE,
        )

    @pytest.mark.parametrize("sex", ["M", "F", "U"])
    def test_sex_is_m_f_or_u(self, sex: str) -> None:
        assert missing_traits(with_traits(sex=sex)) == ()

    @pytest.mark.parametrize("sex", ["O", "N", "f", "MF"])
    def test_any_other_sex_is_missing(self, sex: str) -> None:
        assert missing_traits(with_traits(sex=sex)) == (Trait.SEX,)

    @pytest.mark.parametrize("date", ["1959", "1959-01", "1959-00-00", "1959-02-29", "0000-01-01", "1959-01-23T10"])
    def test_incomplete_or_unreal_date_is_missing(self, date: str) -> None:
        assert not is_complete_date(date)
        assert missing_traits(with_traits(birth_date=date)) == (Trait.BIRTH_DATE,)

    def test_leap_day_is_there(self) -> None:
        assert missing_traits(with_traits(birth_date="1960-02-29")) == ()

    @pytest.mark.parametrize("trait", list(Trait))
    def test_every_trait_has_words_and_a_place(self, trait: Trait) -> None:
        assert all(words_for(trait)[name] for name in ("trait_fr", "trait_en", "place"))


def codes_of(traits: StrictTraits) -> list[str]:
    return [each.rule for each in check_qualified_form(traits, PLACES)]


class TestBirthPlaceCode:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.6: COG of the commune, of the country for a birth abroad."""

    @pytest.mark.parametrize("code", ["44109", "2A004", "2B033", "01001", "97411", "98818", "99101"])
    def test_a_code_of_today_is_right(self, code: str) -> None:
        assert check_birth_place(with_traits(birth_place_code=code), PLACES) == ()

    @pytest.mark.parametrize("code", ["20004", "75050", "01340", "99115"])
    def test_so_is_one_of_the_time_of_birth(self, code: str) -> None:
        assert check_birth_place(with_traits(birth_place_code=code), PLACES) == ()

    def test_and_the_one_for_an_unknown_place(self) -> None:
        assert check_birth_place(with_traits(birth_place_code="99999"), PLACES) == ()

    @pytest.mark.parametrize("code", ["91352", "44000", "99996"])
    def test_a_code_in_no_list_is_told_for_information(self, code: str) -> None:
        (finding,) = check_birth_place(with_traits(birth_place_code=code), PLACES)
        assert (finding.rule, finding.severity, str(finding.at)) == ("birth-place-code-not-listed", "I", "PID-11.9")

    @pytest.mark.parametrize("code", ["4410", "441090", "2C004", "00123", "NANTES", "96001", "97911", "44 10", "2a004"])
    def test_ill_formed_is_a_warning(self, code: str) -> None:
        (finding,) = check_birth_place(with_traits(birth_place_code=code), PLACES)
        assert (finding.rule, finding.severity, str(finding.at)) == ("birth-place-code-ill-formed", "W", "PID-11.9")

    @pytest.mark.parametrize("code", [None, ""])
    def test_nothing_said_is_not_ill_formed(self, code: str | None) -> None:
        assert check_birth_place(with_traits(birth_place_code=code), PLACES) == ()

    def test_unknown_place_of_a_qualified_identity(self) -> None:
        assert codes_of(with_traits(birth_place_code="99999")) == ["qualified-birth-place-unknown"]


class TestRnivCharset:
    """DMN INS 1.2: what INSi returns is plain capitals, space, apostrophe and hyphen."""

    @pytest.mark.parametrize("name", ["KERGUELEN", "L'HERMITE", "DE LA TOUR", "MARTIN--DURAND", "D'ORLEANS-BRAGANCE"])
    def test_family_name(self, name: str) -> None:
        assert codes_of(with_traits(birth_family_name=name)) == []

    @pytest.mark.parametrize("name", ["Kerguelen", "KERGUÉLEN", "KERGUELEN2", "KERGUELEN.", "DE  LA TOUR", "-DURAND"])
    def test_family_name_in_another_charset(self, name: str) -> None:
        assert codes_of(with_traits(birth_family_name=name)) == ["qualified-name-charset"]

    @pytest.mark.parametrize("name", ["ANNE", "ANNE-SOLENE", "N'DIAYE"])
    def test_given_name(self, name: str) -> None:
        assert codes_of(with_traits(first_birth_given_name=name, birth_given_names=name)) == []

    @pytest.mark.parametrize("name", ["Anne", "ANNE--SOLENE", "ANNE-", "ÉLISE"])
    def test_given_names_in_another_charset_are_said_one_by_one(self, name: str) -> None:
        findings = check_qualified_form(with_traits(first_birth_given_name=name, birth_given_names=name), PLACES)
        assert [(each.rule, each.severity, str(each.at)) for each in findings] == [
            ("qualified-name-charset", "W", "PID-5.2"),
            ("qualified-name-charset", "W", "PID-5.3"),
        ]

    def test_a_hundred_characters_and_more_are_kept(self) -> None:
        assert codes_of(with_traits(birth_family_name="K" * 120)) == []


class TestFirstName:
    """IHE France, Constraints on HL7 data types 1.8.2 §N.10: XPN-2 is the head of XPN-3, hyphen and space equal."""

    @pytest.mark.parametrize("first", ["ANNE", "ANNE SOLENE", "ANNE-SOLENE", "ANNE SOLENE MARIE", "Anne"])
    def test_head(self, first: str) -> None:
        assert is_head_of(first, "ANNE SOLENE MARIE")

    @given(NAMES, NAMES)
    def test_the_same_letters_are_a_head_as_their_forms_are(self, first: str, more: str) -> None:
        names = f"{first} {more}"
        head, whole = rniv_form(first), rniv_form(names)
        assert is_head_of(first, names) == (whole == head or whole.startswith(f"{head} "))
        assert is_head_of(first, more) == (rniv_form(more) == head or rniv_form(more).startswith(f"{head} "))

    @pytest.mark.parametrize("first", ["AN", "SOLENE", "ANNES", "ANNE SOLENE MARIE LOUISE"])
    def test_no_head(self, first: str) -> None:
        assert not is_head_of(first, "ANNE SOLENE MARIE")

    def test_said_as_a_warning(self) -> None:
        assert codes_of(with_traits(first_birth_given_name="MARIE")) == ["first-name-not-head-of-list"]


class TestSex:
    """IHE PAM FR 2.11.2 §6.6.5: INSi returns M or F only."""

    def test_undetermined_is_a_warning(self) -> None:
        assert codes_of(with_traits(sex="U")) == ["qualified-sex-undetermined"]

    @pytest.mark.parametrize("sex", ["M", "F"])
    def test_m_and_f_are_silent(self, sex: str) -> None:
        assert codes_of(with_traits(sex=sex)) == []


class TestDisagreement:
    """IHE PAM FR 2.11.2 §6.6.1: a NIR says sex, date and place of birth; information only."""

    def test_agreement(self) -> None:
        assert find_disagreements(NIR, ANNE) == ()

    @pytest.mark.parametrize(
        ("changes", "parts"),
        [
            ({"sex": "M"}, ("sex",)),
            ({"birth_date": "1960-01-23"}, ("date",)),
            ({"birth_date": "1959-02-23"}, ("date",)),
            ({"birth_place_code": "35238"}, ("place",)),
            ({"sex": "M", "birth_date": "1960-01-23", "birth_place_code": "35238"}, ("sex", "date", "place")),
        ],
    )
    def test_disagreement(self, changes: dict[str, str], parts: tuple[str, ...]) -> None:
        assert find_disagreements(NIR, with_traits(**changes)) == parts

    @pytest.mark.parametrize(
        "changes",
        [{"sex": "U"}, {"sex": None}, {"birth_date": "1959"}, {"birth_date": None}, {"birth_place_code": None}],
    )
    def test_what_is_not_said_does_not_disagree(self, changes: dict[str, str | None]) -> None:
        assert find_disagreements(NIR, with_traits(**changes)) == ()

    def test_a_month_that_is_none_does_not_disagree(self) -> None:
        assert find_disagreements(Ins("259204410903300", NIR.oid), ANNE) == ()

    @pytest.mark.parametrize("code", ["2A004", "2B004", "20004"])
    def test_corsica_was_department_20(self, code: str) -> None:
        matricule = Ins("185022000401222", NIR.oid)
        assert find_disagreements(matricule, StrictTraits(birth_place_code=code)) == ()

    def test_a_nia_is_never_judged(self) -> None:
        assert find_disagreements(NIA, with_traits(sex="M", birth_date="2001-01-01")) == ()
