"""Small messages of the tests of profiles, and what is said of them. All persons are invented."""

from pam_receiver.finding import Finding
from pam_receiver.hl7.er7 import parse_message
from pam_receiver.profile.check import check_message
from pam_receiver.profile.load import load_profiles
from pam_receiver.profile.model import Profile

FRENCH, INTERNATIONAL = load_profiles().french, load_profiles().international

MSH = {
    2: "^~\\&", 3: "GAM-LYRE", 4: "CHU-LYRE", 5: "PAM-RECEIVER", 6: "CHU-LYRE", 7: "20250310091500", 10: "A28-0001",
    11: "P", 12: "2.5^FRA^2.11", 17: "FRA", 18: "UNICODE UTF-8", 19: "FR", 21: "2.11^IHE_FRANCE-2.11-PAM",
}  # fmt: skip
PID = {
    1: "1",
    3: "100245^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI~259014410903303^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS",
    5: "KERGUELEN^ANNE^ANNE SOLENE MARIE^^Mme^^L~DE LYRE^^^^^^D", 7: "19590123", 8: "F",
    11: "12 RUE DES ILES^^NANTES^^44000^FRA^H~^^NANTES^^^FRA^BDL^^44109", 16: "M", 24: "N", 26: "FRA", 30: "N",
    32: "VALI~HOMA", 33: "20250310091400",
}  # fmt: skip
MRG = {1: "100999^^^CHU-LYRE&1.2.250.1.999.77&ISO^PI"}
ITI_31 = {"PID": {18: "24000006^^^CHU-LYRE&1.2.250.1.999.79&ISO^AN"}}
VISIT = {1: "1", 2: "I", 3: "6268^^^CHU-LYRE&000000001&M", 19: "1000045^^^CHU-LYRE&000000001&M^VN"}
WARD = "CARDIOLOGIE^^^^^CHU-LYRE&1.2.250.1.999.77&ISO^UF^^^6268"
MOVEMENT = {1: "312^CHU-LYRE", 2: "20250310090000", 4: "INSERT", 5: "N", 7: WARD, 9: "HMS"}

Cells = dict[int, str]


def line(name: str, cells: Cells) -> str:
    return "|".join([name, *(cells.get(number, "") for number in range(1, max(cells, default=1) + 1))])


def adt(event: str, /, *segments: tuple[str, Cells], **changes: Cells) -> bytes:
    """Return a message of ``event``; ``changes`` are laid over the cells of the segments they name."""
    structure = FRENCH.events[event].structure
    msh = MSH | {9: f"ADT^{event}^{structure}"} | changes.get("MSH", {})
    lines = [line("MSH", msh).replace("MSH||", "MSH|", 1)]
    lines += [line(name, cells | changes.get(name, {})) for name, cells in segments]
    return "\r".join([*lines, ""]).encode()


def a28(**changes: Cells) -> bytes:
    return adt("A28", ("EVN", {2: "20250310091500"}), ("PID", PID), ("PV1", {2: "N"}), **changes)


def movement(event: str = "A01", **changes: Cells) -> bytes:
    pid = PID | ITI_31["PID"]
    segments = [("EVN", {2: "20250310091500"}), ("PID", pid), ("PV1", VISIT), ("ZBE", MOVEMENT)]
    return adt(event, *segments, **changes)


def check(raw: bytes, profile: Profile = FRENCH) -> tuple[Finding, ...]:
    return check_message(parse_message(raw), profile)


def said(raw: bytes, profile: Profile = FRENCH) -> list[tuple[str, str]]:
    """The rules broken and where: ``[("pid-32-required", "PID-32")]``."""
    return [(finding.rule, str(finding.at)) for finding in check(raw, profile)]
