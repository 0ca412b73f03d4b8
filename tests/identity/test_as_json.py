"""An identity as a JSON value."""

from people import HOSPITAL, house, ipp, qualified

from pam_receiver.identity.as_json import difference_json, identifier_json, identity_json, ins_json
from pam_receiver.identity.identifiers import INS_OIDS, AssigningAuthority, Ins
from pam_receiver.identity.model import Difference


class TestIdentityJson:
    """The form of `show --json` is a contract: these keys, in this order."""

    def test_keys(self) -> None:
        made = identity_json(house(qualified("100")).of("100"))
        assert list(made) == [
            "id", "active", "merged_into", "version", "status", "attributes", "reliability_codes", "ins", "traits",
            "used_family_name", "used_given_name", "identifiers",
        ]  # fmt: skip
        assert made["status"] == "qualifiee"

    def test_nature_of_an_ins_is_nir_or_nia(self) -> None:
        natures = [(ins_json(Ins("259014410900036", oid)) or {})["nature"] for oid in INS_OIDS]
        assert natures == ["NIR", "NIA", "NIR", "NIR"]
        assert ins_json(None) is None

    def test_difference_without_reason_shows_none(self) -> None:
        assert difference_json(Difference("status", "a", "b")) == {"what": "status", "before": "a", "after": "b"}
        assert difference_json(Difference("ins", "a", None, "replaced"))["reason"] == "replaced"


class TestIdentifierJson:
    """The form of an identifier in `show --json` is a contract."""

    def test_full(self) -> None:
        assert identifier_json(ipp("100")) == {
            "value": "100",
            "type": "PI",
            "authority": {
                "namespace_id": "CHU-LYRE",
                "universal_id": "1.2.250.1.999.77",
                "universal_id_type": "ISO",
            },
            "active": True,
        }

    def test_parts_that_were_not_sent_are_null(self) -> None:
        made = identifier_json(ipp("100", AssigningAuthority("", "350000121", "M"), active=False))
        assert made["authority"] == {
            "namespace_id": None,
            "universal_id": "350000121",
            "universal_id_type": "M",
        }
        assert made["active"] is False
        assert HOSPITAL.namespace_id not in str(made)
