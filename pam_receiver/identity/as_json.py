"""An identity as a JSON value: what ``show --json`` prints, and what the history keeps. The names are a contract."""

from pam_receiver.identity.identifiers import Ins, PatientIdentifier
from pam_receiver.identity.model import Difference, Identity
from pam_receiver.identity.traits import TRAIT_NAMES

Json = dict[str, object]


def identity_json(identity: Identity) -> Json:
    """Return an identity in the form of ``show --json``; ``merged_into`` is the one that absorbed it."""
    return {
        "id": identity.id,
        "active": identity.active,
        "merged_into": identity.merged_into,
        "version": identity.version,
        "status": identity.status.value,
        "attributes": [attribute.value for attribute in identity.attributes],
        "reliability_codes": list(identity.reliability_codes),
        "ins": ins_json(identity.ins),
        "traits": dict(zip(TRAIT_NAMES, identity.traits.values, strict=True)),
        "used_family_name": identity.used_family_name,
        "used_given_name": identity.used_given_name,
        "identifiers": [identifier_json(each) for each in identity.identifiers],
    }


def ins_json(ins: Ins | None) -> Json | None:
    """Return an INS: matricule, OID, and its nature NIR or NIA; a test NIR is a NIR, its OID tells the rest."""
    return None if ins is None else {"matricule": ins.matricule, "oid": ins.oid, "nature": ins.nature.value}


def identifier_json(identifier: PatientIdentifier) -> Json:
    """Return an identifier; the parts of its authority that were not sent are null."""
    authority = identifier.authority
    return {
        "value": identifier.value,
        "type": identifier.type,
        "authority": {
            "namespace_id": authority.namespace_id or None,
            "universal_id": authority.universal_id or None,
            "universal_id_type": authority.universal_id_type or None,
        },
        "active": identifier.active,
    }


def difference_json(difference: Difference) -> Json:
    """Return ``{what, before, after}``, and ``reason`` when there is one."""
    made: Json = {"what": difference.what, "before": difference.before, "after": difference.after}
    if difference.reason is not None:
        made["reason"] = difference.reason
    return made
