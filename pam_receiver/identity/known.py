"""What is known when an event is decided: the identities that it names, as earlier messages of the batch left them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pam_receiver.identity.identifiers import PI, AssigningAuthority, PatientIdentifier
from pam_receiver.identity.model import Decision, Identity, MergeLink, SeenAuthority


class Known:
    """The identities named by a batch, found by IPP or by INS; ``apply`` takes in what a message changed.

    It holds whatever the store loaded for the batch, perhaps more than one message asks for. An IPP belongs to one
    identity for ever, in force or former; an INS may be held by several (a doublon).
    """

    def __init__(
        self,
        identities: Iterable[Identity] = (),
        merges: Iterable[MergeLink] = (),
        seen: Iterable[SeenAuthority] = (),
    ) -> None:
        self._identities: dict[str, Identity] = {}
        self._by_ipp: dict[tuple[str, str], str] = {}
        self._by_matricule: dict[str, set[str]] = {}
        self._merges: dict[str, MergeLink] = {}
        self._seen: dict[tuple[tuple[str, str], str], dict[str, AssigningAuthority]] = {}
        for identity in identities:
            self._put(identity)
        for link in merges:
            self._merges[link.absorbed] = link
        for each in seen:
            self.see(each)

    def copy(self) -> "Known":
        """Return a copy that changes on its own."""
        other = Known(self._identities.values(), self._merges.values())
        other._seen = {key: dict(named) for key, named in self._seen.items()}
        return other

    def __iter__(self) -> Iterator[Identity]:
        return iter(self._identities.values())

    def get(self, identity_id: str) -> Identity:
        """Return the identity of this id; KeyError when the batch did not load it."""
        return self._identities[identity_id]

    def same_authorities(
        self, authority: AssigningAuthority, sender: tuple[str, str]
    ) -> tuple[AssigningAuthority, ...]:
        """Return the authorities that ``authority`` may mean when ``sender`` says it, the surest first.

        HD-1 alone also means the authority that this sender has sent with that HD-1 and exactly one HD-2; and the other
        way round, if this sender has sent that HD-1 alone: what another sender means by it is not known.
        """
        seen = self._seen.get((sender, authority.namespace_id), {}) if authority.namespace_id else {}
        if not seen or (len(seen) == 1 and authority.key in seen):
            return (authority,)  # nearly always so: nothing else goes by this name
        full = [each for each in seen.values() if not each.is_local]
        if authority.is_local:
            return (*full, authority) if len(full) == 1 else (authority,)
        if any(each.key != authority.key for each in full):
            return (authority,)
        return (authority, *(each for each in seen.values() if each.is_local))

    def is_same(self, held: PatientIdentifier, sent: PatientIdentifier, sender: tuple[str, str]) -> bool:
        """Whether ``sent`` may be the identifier ``held`` when ``sender`` says it; in force or not."""
        if (held.type, held.value) != (sent.type, sent.value):
            return False
        return any(held.authority.key == each.key for each in self.same_authorities(sent.authority, sender))

    def resolve(self, identifier: PatientIdentifier, sender: tuple[str, str]) -> PatientIdentifier:
        """Return ``identifier`` under the surest authority that ``sender`` may mean."""
        surest = self.same_authorities(identifier.authority, sender)[0]
        return identifier if surest.key == identifier.authority.key else replace(identifier, authority=surest)

    def find_by_ipp(self, ipp: PatientIdentifier, sender: tuple[str, str]) -> Identity | None:
        """Return the identity that holds this IPP, in force or former, active or not."""
        for authority in self.same_authorities(ipp.authority, sender):
            found = self._by_ipp.get((authority.key, ipp.value))
            if found is not None:
                return self._identities[found]
        return None

    def find_by_matricule(self, matricule: str) -> tuple[Identity, ...]:
        """Return the identities whose INS in force has this matricule, in the order of their ids."""
        return tuple([self._identities[each] for each in sorted(self._by_matricule.get(matricule, ()))])

    def find_merge(self, absorbed: Identity) -> MergeLink:
        """Return the link by which ``absorbed`` (its ``merged_into`` is not ``None``) was merged."""
        return self._merges[absorbed.id]

    def find_survivor(self, identity: Identity) -> Identity:
        """Follow the merges from ``identity`` to the end of the chain; itself when it was not absorbed."""
        while identity.merged_into is not None:
            identity = self._identities[identity.merged_into]
        return identity

    def see(self, seen: SeenAuthority) -> bool:
        """Remember that a sender has named this authority; return whether this is new."""
        known = self._seen.setdefault((seen.sender, seen.authority.namespace_id), {})
        key = seen.authority.key
        is_new = key not in known
        known.setdefault(key, seen.authority)
        return is_new

    def apply(self, decision: Decision) -> None:
        """Take in what a decision changed, so that the next message of the batch finds it."""
        for change in decision.changes:
            if change.before is not None:
                self._drop(change.before)
            self._put(change.after)
        for each in decision.confirmed:
            self._identities[each.id] = each
        for link in decision.merges:
            self._merges[link.absorbed] = link

    def _put(self, identity: Identity) -> None:
        self._identities[identity.id] = identity
        for each in identity.identifiers:
            if each.type == PI:
                self._by_ipp[each.authority.key, each.value] = identity.id
        if identity.ins is not None:
            self._by_matricule.setdefault(identity.ins.matricule, set()).add(identity.id)

    def _drop(self, identity: Identity) -> None:
        for each in identity.identifiers:
            if each.type == PI:
                self._by_ipp.pop((each.authority.key, each.value), None)
        if identity.ins is not None:
            self._by_matricule[identity.ins.matricule].discard(identity.id)
