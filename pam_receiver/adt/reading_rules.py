"""The settings that the reading of a message depends on."""

from dataclasses import dataclass
from datetime import tzinfo

from pam_receiver.identity.identifiers import AssigningAuthority


@dataclass(frozen=True, slots=True)
class ReadingRules:
    """The settings that reading depends on. ``timezone`` serves stamps without offset.

    ``accepted_authorities``: those whose IPPs this source may send; ``None``: any. ``birth_place_components``: the XAD
    components in which this source writes its COG when XAD-9 is empty, as XAD-4 or XAD-8; none: XAD-9 alone is read.
    """

    accepts_processing_ids: frozenset[str]
    timezone: tzinfo
    default_authority: AssigningAuthority | None = None
    accepted_authorities: frozenset[AssigningAuthority] | None = None
    birth_place_components: tuple[int, ...] = ()

    def accepts(self, authority: AssigningAuthority) -> bool:
        """Return whether an IPP of ``authority`` is taken; one of the default authority always is.

        Two authorities are the same here when their universal ids (HD-2) are, if both have one, else their names
        (HD-1): a source may leave out the OID that the settings give. The type of the id (HD-3) is not compared.
        """
        accepted = self.accepted_authorities
        if accepted is None or authority in accepted or authority == self.default_authority:
            return True
        return any(_is_same(authority, each) for each in accepted)


def _is_same(one: AssigningAuthority, other: AssigningAuthority) -> bool:
    if one.universal_id and other.universal_id:
        return one.universal_id == other.universal_id
    return bool(one.namespace_id) and one.namespace_id == other.namespace_id
