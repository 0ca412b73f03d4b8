"""The rulebook: every rule that the receiver can judge by, once, with an example of the right form that is right."""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

import pam_receiver
from pam_receiver.adt import ReadingRules, read_event
from pam_receiver.finding import Finding, Rule
from pam_receiver.hl7.er7 import Unreadable, parse_message
from pam_receiver.hl7.header import read_header
from pam_receiver.identity.decide import decide
from pam_receiver.identity.identifiers import AssigningAuthority
from pam_receiver.identity.known import Known
from pam_receiver.identity.model import Occasion, Policy
from pam_receiver.identity.unmerge import MERGE_UNDONE
from pam_receiver.profile.load import load_profiles
from pam_receiver.rulebook import CHAPTERS, NAMES_FR, RULES, fill_in


def rules_in_code() -> set[Rule]:
    """Every ``Rule`` constant of any module of the package."""
    names = [each.name for each in pkgutil.walk_packages(pam_receiver.__path__, "pam_receiver.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    return {value for module in modules for value in vars(module).values() if isinstance(value, Rule)}


class TestRulebook:
    """Who explains the rules (``docs/reference/acknowledgements.md``) must not forget one."""

    def test_it_holds_every_rule_constant_of_the_package(self) -> None:
        assert rules_in_code() - set(RULES.values()) == {MERGE_UNDONE}  # of an act: no message is judged by it
        assert set(RULES.values()) <= rules_in_code()

    def test_no_id_serves_twice(self) -> None:
        listed = list(chain.from_iterable(CHAPTERS.values()))
        assert len(RULES) == len(listed)
        for profile in load_profiles().profiles:
            assert RULES.keys().isdisjoint(profile.conditions)

    @pytest.mark.parametrize("chapter", CHAPTERS)
    def test_no_chapter_is_empty(self, chapter: str) -> None:
        assert CHAPTERS[chapter]


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES.values()])
class TestEachRule:
    """What every rule says of itself. HL7 v2.5 §2.15.5.8: ERR-8 has 250 characters."""

    def test_has_an_id_that_can_be_written_in_a_setting(self, rule: Rule) -> None:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)

    def test_says_in_both_languages_what_to_change(self, rule: Rule) -> None:
        for text in (rule.fr, rule.en):
            assert 10 < len(re.sub(r"\{\w+\}", "", text)) <= 250
            assert text == text.strip()
            assert text.endswith((".", "}"))
        assert rule.fr != rule.en
        assert set(re.findall(r"\{(\w+)\}", rule.fr)) | _ENGLISH == set(re.findall(r"\{(\w+)\}", rule.en)) | _ENGLISH

    def test_names_its_section_and_shows_the_right_form(self, rule: Rule) -> None:
        assert rule.spec
        assert 0 < len(rule.example) <= 250
        assert "\n" not in rule.example


_ENGLISH: Final = frozenset(
    f"{word}_{lang}" for word in ("what", "trait", "effect", "form", "why") for lang in ("fr", "en")
)

# ------------------------------------------------------------------------------------- the examples, tried in messages

INS: Final = "259014410900036^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS"
NEW_INS: Final = INS.replace("900036", "900135")
NIA: Final = "859014410900027^^^ASIP-SANTE-INS-NIA&1.2.250.1.213.1.4.9&ISO^INS"
ERASED_INS: Final = INS.replace("259014410900036", '""')
ONE: Final = "100^^^HOPITAL&1.2.250.1.999.1&ISO^PI"
TWO: Final = "200^^^HOPITAL&1.2.250.1.999.1&ISO^PI"
OLD: Final = f"MRG-1 = {TWO}"
BASE: Final = (
    "MSH|^~\\&|GAM|CHU-LYRE|PAM-RECEIVER|DMN|20260302080000||ADT^A28^ADT_A05|1|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8|FR",
    "EVN||20260302080000||||20260302080000",
    f"PID|||{ONE}||KERGUELEN^ANNE^ANNE SOLENE^^^^L||19590123|F|||^^NANTES^^44000^FRA^BDL^^44109{'|' * 21}VALI|20260302",
    "PV1||N",
)
_PLACE: Final = re.compile(r"([A-Z][A-Z0-9]{2})-(\d+) = ?(.*)")
_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}\|.*")
_NEEDS_NO_PLACE: Final = ("<VT>", "MSA|", "MSH|")


def parts_of(example: str) -> list[tuple[str, int, str]]:
    """``PLACE = TEXT; PLACE = TEXT`` as (segment, field, text); a whole segment has the number 0."""
    parts = []
    for part in re.split(r"; (?=[A-Z][A-Z0-9]{2}[-|])", example):
        if match := _PLACE.fullmatch(part):
            parts.append((match[1], int(match[2]), match[3]))
        else:
            assert _SEGMENT.fullmatch(part), part
            parts.append((part[:3], 0, part))
    return parts


def changed(segments: Sequence[str], example: str) -> list[str]:
    """The segments of a message, with what an example says put in its places."""
    rows = [line.split("|") for line in segments]
    for name, number, text in parts_of(example):
        if number == 0:
            rows = [row for row in rows if row[0] != name] + [text.split("|")]
            continue
        row = next((row for row in rows if row[0] == name), None)
        if row is None:
            row = [name]
            rows.append(row)
        index = number - 1 if name == "MSH" else number
        row += [""] * (index + 1 - len(row))
        row[index] = text
    return ["|".join(row) for row in rows]


def beside_the_ipp(example: str) -> str:
    """An example of PID-3 that shows another identifier stands beside the IPP, as it does when it is sent."""
    return example if "^PI" in example else example.replace("PID-3 = ", f"PID-3 = {ONE}~")


def encode(segments: Iterable[str], encoding: str) -> bytes:
    return "".join(f"{line}\r" for line in segments).encode(encoding)


@dataclass(frozen=True)
class Try:
    """How a rule is broken: ``wrong`` in a message that is right else, after ``before``.

    ``also``: what stands in the message beside the example, that the fault needs; ``without``: a segment left out;
    ``environment`` and the others: the settings of the house and of the source.
    """

    wrong: str = ""
    also: str = ""
    without: str = ""
    before: tuple[str, ...] = ()
    environment: str = "test"
    encoding: str = "utf-8"
    default_authority: AssigningAuthority | None = None
    accepted: frozenset[AssigningAuthority] | None = None
    components: tuple[int, ...] = ()
    incomplete: str = "reject"


def said_of(tried: Try, *changes: str, encoding: str = "utf-8") -> list[Finding]:
    """Everything that is said of the last message; the earlier ones are taken first."""
    asked = ReadingRules(
        frozenset("PTD"), ZoneInfo("Europe/Paris"), tried.default_authority, tried.accepted, tried.components
    )
    policy = Policy(takes_test_ins=tried.environment == "test", incomplete_qualified_identity=tried.incomplete)  # type: ignore[arg-type]
    known, said = Known(), list[Finding]()
    messages = [[each] for each in tried.before] + [list(changes)]
    for number, steps in enumerate(messages, 1):
        segments: Sequence[str] = BASE
        if number == len(messages):
            segments = [each for each in BASE if not tried.without or not each.startswith(tried.without)]
        for step in steps:
            segments = changed(segments, step) if step else segments
        try:
            message = parse_message(encode(segments, encoding if number == len(messages) else "utf-8"))
        except Unreadable as error:
            return list(error.findings)
        header = read_header(message)
        reading = read_event(message, header, asked)
        said = [*message.findings, *reading.findings]
        if reading.event is not None:
            at = datetime(2026, 3, 2, 8, tzinfo=UTC) + timedelta(minutes=number)
            occasion = Occasion(str(UUID(int=number)), header.control_id, header.sender, at, reading.dated)
            decision = decide(reading.event, known, occasion, policy)
            known.apply(decision)
            said += decision.findings
    return said


A31: Final = "MSH-9 = ADT^A31^ADT_A05"
A40: Final = "MSH-9 = ADT^A40^ADT_A39"
A47: Final = "MSH-9 = ADT^A47^ADT_A30"
QUALIFIED: Final = f"PID-3 = {ONE}~{INS}"
SECOND: Final = f"PID-3 = {TWO}"
GIVEN: Final = "PID-5 = KERGUÉLEN^ANNE^ANNE SOLENE^^^^L"


def renumbered(event: str) -> tuple[str, ...]:
    return (SECOND, f"{event}; PID-3 = {ONE}; {OLD}")


TRIES: Final[Mapping[str, Try]] = {
    # wire
    "charset-unknown": Try("MSH-18 = KLINGON"),
    "charset-mismatch": Try("MSH-18 = UNICODE UTF-8", also=GIVEN, encoding="iso8859-1"),
    "charset-missing": Try("MSH-18 = ", also=GIVEN),
    "charset-not-ascii": Try("MSH-18 = ASCII", also=GIVEN),
    "charset-repeated": Try("MSH-18 = UNICODE UTF-8~8859/1"),
    "charset-nickname": Try("MSH-18 = UTF-8"),
    "charset-doubtful": Try("MSH-18 = 8859/1", also=GIVEN),
    "control-character": Try("PID-5 = KERGUELEN\x01^ANNE^ANNE SOLENE^^^^L"),
    "tab-in-value": Try("PID-5 = LE\tGOFF^ANNE^ANNE SOLENE^^^^L"),
    "separator-not-ascii": Try("MSH-2 = ^\u02dc\\&"),
    "repetition-sign-odd": Try("PID-11 = ^^RENNES^^35000^FRA^H\u02dc^^NANTES^^^FRA^BDL^^44109"),
    "escape-doubled": Try("PID-5 = KERGUELEN \\\\T\\\\ LE GOFF^ANNE^^^^^L"),
    "xml-entity-in-value": Try("PID-5 = KERGUELEN &amp; LE GOFF^ANNE^^^^^L"),
    "separators-escaped": Try("PID-3 = 100^^^HOPITAL\\T\\1.2.250.1.999.1\\T\\ISO^PI"),
    # reading
    "message-type-not-adt": Try("MSH-9 = ORU^R01^ORU_R01"),
    "event-not-supported": Try("MSH-9 = ADT^A60^ADT_A60"),
    "event-in-msh-9-3": Try("MSH-9 = ADT^ADT^A28"),
    "link-option-not-supported": Try("MSH-9 = ADT^A24^ADT_A24"),
    "a08-excluded-in-france": Try("MSH-9 = ADT^A08^ADT_A01"),
    "a08-taken-as-update": Try("MSH-9 = ADT^A08^ADT_A01; MSH-12 = 2.5"),
    "processing-id-not-accepted": Try("MSH-11 = X"),
    "version-not-supported": Try("MSH-12 = 2.3"),
    "pid-missing": Try(without="PID"),
    "mrg-missing": Try(A40),
    "mrg-1-unusable": Try(f"{A40}; MRG-1 = 200^^^^PI"),
    "identifier-without-type": Try("PID-3 = 100^^^HOPITAL&1.2.250.1.999.1&ISO"),
    "ipp-under-ins-oid": Try(f"PID-3 = {INS[:-3]}PI"),
    "identifier-without-authority": Try("PID-3 = 100^^^^PI"),
    "identifier-authority-assumed": Try("PID-3 = 100^^^^PI", default_authority=AssigningAuthority("HOPITAL")),
    "identifier-without-value": Try("PID-3 = ^^^HOPITAL&1.2.250.1.999.1&ISO^PI"),
    "identifier-too-long": Try(f"PID-3 = {'1' * 251}^^^HOPITAL&1.2.250.1.999.1&ISO^PI"),
    "ins-without-known-oid": Try("PID-3 = 259014410900036^^^ASIP-SANTE-INS-NIR^INS"),
    "name-without-type": Try("PID-5 = KERGUELEN^ANNE^ANNE SOLENE"),
    "birth-date-ill-formed": Try("PID-7 = 23/01/1959"),
    "given-names-list-joined": Try("MSH-12 = 2.5^FRA^2.9; PID-5 = KERGUELEN^ANNE^SOLENE^^^^L"),
    "original-mode-used": Try("MSH-15 = AL"),
    "authority-not-accepted": Try(
        "PID-3 = 100^^^CLINIQUE&1.2.250.1.999.2&ISO^PI", accepted=frozenset({AssigningAuthority("HOPITAL")})
    ),
    "ins-name-disagrees-with-oid": Try(f"PID-3 = {INS.replace('INS-NIR', 'INS-NIA')}"),
    "ins-with-dates": Try(f"PID-3 = {INS}^^20260302"),
    "ins-type-of-fhir": Try(f"PID-3 = {INS}-NIR"),
    "ins-typed-nh": Try(f"PID-3 = {INS[:-3]}NH"),
    "billing-nir-is-no-ins": Try("PID-3 = 259014410900036^^^ASIP-SANTE-NIR&1.2.250.1.213.1.4.8&ISO^NH"),
    "ins-c-is-no-ins": Try("PID-3 = 0123456789^^^ASIP-SANTE-INS-C&1.2.250.1.213.1.4.2&ISO^INS-C"),
    "nir-in-pid-19": Try("PID-19 = 259014410900036"),
    "repetitions-glued": Try("PID-11 = ^^RENNES^^35000^FRA^H^^^^^^^^^^NANTES^^^FRA^BDL^^44109"),
    "name-shifted-by-one": Try("PID-5 = KERGUELEN^ANNE^ANNE SOLENE^^^Mme^^L"),
    "name-typed-maiden": Try("PID-5 = KERGUELEN^ANNE^ANNE SOLENE^^^^M~LE GOFF^ANNE^^^^^D"),
    "name-type-excluded": Try("PID-5 = KERGUELEN^ANNE^ANNE SOLENE^^^^N~LE GOFF^ANNE^^^^^D"),
    "given-names-with-commas": Try("PID-5 = KERGUELEN^ANNE^ANNE,SOLENE^^^^L"),
    "birth-name-in-pid-6": Try("PID-5 = LE GOFF^ANNE^^^^^D; PID-6 = KERGUELEN^^^^^^M"),
    "birth-date-with-zeros": Try("PID-7 = 19590100"),
    "sex-other-with-ins": Try("PID-8 = O", also=QUALIFIED),
    "sex-undetermined-as-i": Try("PID-8 = I"),
    "birth-place-code-is-postal-code": Try("PID-11 = ^^NANTES^^44000^FRA^BDL^^44000"),
    "postal-code-for-birth-place": Try("PID-11 = ^^NANTES^^44000^FRA^BDL"),
    "birth-place-code-misplaced": Try("PID-11 = ^^NANTES^44109^44000^FRA^BDL"),
    "birth-place-without-code": Try("PID-11 = ^^NANTES^^^FRA^BDL"),
    "birth-place-typed-br": Try("PID-11 = ^^NANTES^^44000^FRA^BR^^44109"),
    "birth-place-mapped": Try("PID-11 = ^^NANTES^44109^^FRA^BDL", components=(4,)),
    "country-by-number": Try("PID-11 = ^^NANTES^^44000^100^BDL^^44109"),
    "status-never-sent": Try("PID-32 = QUAL"),
    # identity: what one message tells
    "status-missing": Try("PID-32 = "),
    "several-statuses": Try("PID-32 = VALI~PROV"),
    "forbidden-attribute-combination": Try("PID-32 = VALI~DOUT"),
    "ins-without-vali": Try(f"{QUALIFIED}; PID-32 = PROV"),
    "ins-with-doubtful-or-fictitious": Try(f"{QUALIFIED}; PID-32 = PROV~DOUT"),
    "ins-ill-formed": Try(f"PID-3 = {ONE}~{INS.replace('259014410900036', '2590144109')}"),
    "ins-without-key": Try(f"PID-3 = {ONE}~{INS.replace('259014410900036', '2590144109000')}"),
    "ins-key-wrong": Try(f"PID-3 = {ONE}~{INS.replace('259014410900036', '259014410900037')}"),
    "ins-disagrees-with-traits": Try(f"{QUALIFIED}; PID-8 = M"),
    "test-ins-in-production": Try(QUALIFIED, environment="production"),
    "nia-beside-nir": Try(f"PID-3 = {ONE}~{INS}~{NIA}"),
    "several-ins": Try(f"PID-3 = {ONE}~{INS}~{NEW_INS}"),
    "ins-with-corrected-birth-date": Try(f"{QUALIFIED}; ZFD-4 = Y"),
    "qualified-trait-missing": Try("PID-7 = ", also=QUALIFIED),
    "given-names-list-missing": Try("PID-5 = KERGUELEN^ANNE^^^^^L", also=QUALIFIED),
    "qualified-name-charset": Try("PID-5 = Kerguelen^ANNE^ANNE SOLENE^^^^L", also=QUALIFIED),
    "first-name-not-head-of-list": Try("PID-5 = KERGUELEN^SOLENE^ANNE SOLENE^^^^L", also=QUALIFIED),
    "qualified-sex-undetermined": Try("PID-8 = U", also=QUALIFIED),
    "birth-place-code-ill-formed": Try("PID-11 = ^^NANTES^^44000^FRA^BDL^^NANTES"),
    "birth-place-code-not-listed": Try("PID-11 = ^^ALGER^^^DZA^BDL^^91999"),
    "qualified-birth-place-unknown": Try("PID-11 = ^^^^^^BDL^^99999", also=QUALIFIED),
    "no-usable-ipp": Try(f"PID-3 = {INS}"),
    # identity: what it tells of one that is known
    "stale-update-applied": Try(f"{A31}; PID-8 = M; PID-33 = 20260301", before=("PID-33 = 20260302080000",)),
    "identity-deactivated": Try(f"{A31}; PID-32 = DESA", before=("",)),
    "duplicate-record": Try(f"{A31}; PID-32 = VALI~DOUB", before=("",)),
    "inactive-identity": Try("MSH-9 = ADT^A01^ADT_A01; PID-32 = ", before=("PID-32 = DESA",)),
    "ins-replaced": Try(f"{A31}; PID-3 = {ONE}~{NEW_INS}", before=(QUALIFIED,)),
    "nia-to-nir": Try(f"{A31}; {QUALIFIED}", before=(f"PID-3 = {ONE}~{NIA}",)),
    "ins-not-listed-kept": Try(A31, before=(QUALIFIED,)),
    "strict-trait-changed": Try(f"{A31}; PID-7 = 19590124", before=(QUALIFIED,)),
    "ins-invalidated": Try(f"{A31}; PID-32 = PROV", before=(QUALIFIED,)),
    "ins-removed-since": Try(
        f"{A31}; {QUALIFIED}; PID-33 = 20260301",
        before=(QUALIFIED, f"{A47}; PID-3 = {ONE}~{ERASED_INS}; MRG-1 = {INS}"),
    ),
    "ins-erased-outside-a47": Try(f"{A31}; PID-3 = {ONE}~{ERASED_INS}", before=(QUALIFIED,)),
    "doublon": Try(f"PID-3 = {TWO}~{INS}", before=(QUALIFIED,)),
    "qualified-trait-held": Try("PID-7 = ", also=f"MSH-9 = ADT^A01^ADT_A01; {QUALIFIED}", before=(QUALIFIED,)),
    "ipps-of-two-identities": Try(f"{A31}; PID-3 = {ONE}~{TWO}", before=("", SECOND)),
    "ipp-of-another-identity": Try(f"{A31}; PID-3 = {ONE}~{TWO}", before=("", SECOND, f"{A40}; {OLD}")),
    "ipp-of-absorbed-identity": Try(f"{A31}; PID-3 = {TWO}", before=("", SECOND, f"{A40}; {OLD}")),
    "ipp-renumbered": Try(f"{A31}; PID-3 = {TWO}", before=renumbered(A47)),
    "create-of-known-identity": Try("", before=("",)),
    "cancel-of-unknown-identity": Try("MSH-9 = ADT^A11^ADT_A09"),
    "identity-deleted": Try("MSH-9 = ADT^A29^ADT_A21", before=("",)),
    "delete-of-unknown-identity": Try("MSH-9 = ADT^A29^ADT_A21"),
    "merge-into-itself": Try(f"{A40}; MRG-1 = {ONE}", before=("", SECOND)),
    "merge-without-ipp": Try(f"{A40}; MRG-1 = 7^^^HOPITAL&1.2.250.1.999.1&ISO^AN", before=("", SECOND)),
    "merge-of-unknown-identity": Try(f"{A40}; {OLD}", before=("",)),
    "change-of-unknown-identifier": Try(f"{A47}; {OLD}", before=("",)),
    "change-without-new-identifier": Try(f"{A47}; PID-3 = {TWO}; {OLD}", before=(SECOND,)),
    "new-identifier-already-held": Try(f"{A47}; {OLD}", before=("", SECOND)),
    "merge-differs-from-survivor": Try(f"{A40}; {OLD}; PID-8 = M", before=("", SECOND)),
    "merge-of-two-ins": Try(f"{A40}; {OLD}", before=(QUALIFIED, f"PID-3 = {TWO}~{NEW_INS}")),
}

# What the example shows is normal, or is right of another message than the one at fault: played in conversations
SHOWN: Final = {
    "stale-update-ignored": "291-late-message-ignored: the example is the date of a message that is not late",
    "identity-reactivated": "the example is the message that does it",
    "merge-of-unknown-identity": "063-merge-of-unknown: the example is an A40 of two known IPPs",
    "change-of-unknown-identifier": "076-no-ins-held: the example is an A47 of a known IPP",
    "nia-to-nir": "the example is the message that does it",
    "ipp-renumbered": "the number in force is another in each house",
    "merge-of-absorbed-identity": "064-merge-refused: the number to merge is another in each house",
    "merge-taken-as-renumbering": "062-merge-into-unknown: the example is an A40 of two known IPPs",
    "merge-already-done": "060-merge: the example is the first A40",
    "change-already-done": "078-renumbered: the example is the first A47",
    "ins-held-by-another-identity": "074-ins-of-another",
    "new-ins-unusable": "076-no-ins-held and the identity tests: the example is the A31 that follows",
    "ins-is-not-the-one-held": "075-another-ins-held",
}


def rules_of(chapters: Iterable[str]) -> Iterator[str]:
    return (rule.id for chapter in chapters for rule in CHAPTERS[chapter])


class TestExamples:
    """An example stands as it is to be sent: put into a message that broke the rule, the rule is kept."""

    def test_every_rule_of_reading_and_identity_is_tried_or_shown(self) -> None:
        assert set(rules_of(("reading", "identity"))) <= TRIES.keys() | SHOWN.keys()
        assert (TRIES.keys() | SHOWN.keys()) <= RULES.keys()

    def test_the_message_they_are_tried_in_is_right(self) -> None:
        assert said_of(Try()) == []

    @pytest.mark.parametrize("rule_id", TRIES)
    def test_the_fault_is_found(self, rule_id: str) -> None:
        tried = TRIES[rule_id]
        assert rule_id in [each.rule for each in said_of(tried, tried.also, tried.wrong, encoding=tried.encoding)]

    @pytest.mark.parametrize("rule_id", [each for each in TRIES if each not in SHOWN])
    def test_and_the_example_mends_it(self, rule_id: str) -> None:
        tried = TRIES[rule_id]
        said = said_of(tried, tried.also, tried.wrong, beside_the_ipp(RULES[rule_id].example))
        assert rule_id not in [each.rule for each in said]
        assert [each.rule for each in said if each.is_error] == []

    @pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULES.values()])
    def test_it_is_a_message_or_a_part_of_one(self, rule: Rule) -> None:
        if rule.id not in set(rules_of(("profile",))) and not rule.example.startswith(_NEEDS_NO_PLACE):
            assert parts_of(rule.example)


class TestSentences:
    """How a sentence is shown where nobody has the values of a message."""

    def test_every_place_is_named_in_the_language_of_the_sentence(self) -> None:
        rules = [*RULES.values(), *(rule for each in load_profiles().profiles for rule in each.rules.values())]
        shown = {lang: set[str]() for lang in ("fr", "en")}
        for rule in rules:
            shown["fr"] |= set(re.findall(r"‹([^›]*)›", fill_in(rule.fr, "fr")))
            shown["en"] |= set(re.findall(r"‹([^›]*)›", fill_in(rule.en, "en")))
        assert not [name for each in shown.values() for name in each if name.endswith(("_fr", "_en"))]
        names = {name for rule in rules for name in re.findall(r"(?<!\{)\{(\w+)\}", rule.fr)}
        assert {name.removesuffix("_fr") for name in names} <= NAMES_FR.keys()
        assert {"événement", "nombre", "trait"} <= shown["fr"]
        assert {"event", "count", "trait"} <= shown["en"]

    def test_what_is_given_stands_in_its_place(self) -> None:
        assert fill_in("{place} : {count}", "fr", place="PID-3") == "PID-3 : ‹nombre›"
        assert fill_in("{place}: {trait_en}", "en", place="PID-3") == "PID-3: ‹trait›"
