"""What is known when an event is decided: the identities that it names, as earlier messages of the batch left them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pam_receiver.identity.identifiers import PI, AssigningAuthority, PatientIdentifier
from pam_receiver.identity.model import Decision, Identity, MergeLink, SeenAuthority

_Name = tuple[tuple[str, str], str]  # who sends, and an HD-1 as it writes it


class Authorities:
    """What senders mean by the names of authorities, by the authorities that they have named."""

    def __init__(self, seen: Iterable[SeenAuthority] = ()) -> None:
        self._seen: set[tuple[_Name, str]] = set()  # each name with the key of an authority that goes by it
        self._local: dict[_Name, AssigningAuthority] = {}  # HD-1 alone, where a sender has sent it so
        self._full: dict[_Name, AssigningAuthority | None] = {}  # the only one with HD-2; ``None``: several
        for each in seen:
            self.see(each)

    def copy(self) -> "Authorities":
        """Return a copy that changes on its own."""
        other = Authorities()
        other._seen = self._seen.copy()
        other._local = self._local.copy()
        other._full = self._full.copy()
        return other

    def __len__(self) -> int:
        return len(self._seen)

    def knows(self, seen: SeenAuthority) -> bool:
        """Whether a sender has named this authority."""
        return ((seen.sender, seen.authority.namespace_id), seen.authority.key) in self._seen

    def see(self, seen: SeenAuthority) -> None:
        """Remember that a sender has named this authority."""
        if self.knows(seen):
            return
        authority = seen.authority
        name = (seen.sender, authority.namespace_id)
        self._seen.add((name, authority.key))
        if not authority.namespace_id:
            return  # what has no name is never meant by one
        if authority.is_local:
            self._local[name] = authority
        else:
            self._full[name] = authority if name not in self._full else None

    def meant(self, authority: AssigningAuthority, sender: tuple[str, str]) -> tuple[AssigningAuthority, ...]:
        """Return the authorities that ``authority`` may mean when ``sender`` says it, the surest first.

        HD-1 alone also means the authority that this sender has sent with that HD-1 and exactly one HD-2; and the other
        way round, if this sender has sent that HD-1 alone: what another sender means by it is not known.
        """
        name = (sender, authority.namespace_id)
        if not authority.universal_id:
            only = self._full.get(name)
            return (authority,) if only is None else (only, authority)
        local = self._local.get(name)
        if local is None:
            return (authority,)  # nearly always so
        only = self._full.get(name, authority)
        return (authority, local) if only is not None and only.key == authority.key else (authority,)


class Known:
    """The identities named by a batch, found by IPP or by INS; ``apply`` takes in what a message changed.

    It holds whatever the store loaded for the batch, perhaps more than one message asks for. An IPP belongs to one
    identity for ever, in force or former; an INS may be held by several (a doublon).
    """

    def __init__(
        self,
        identities: Iterable[Identity] = (),
        merges: Iterable[MergeLink] = (),
        authorities: Authorities | None = None,
    ) -> None:
        """``authorities``: left as they are, whatever this one sees later."""
        self._identities: dict[str, Identity] = {}
        self._by_ipp: dict[tuple[str, str], str] = {}
        self._by_matricule: dict[str, set[str]] = {}
        self._merges: dict[str, MergeLink] = {}
        self._authorities = Authorities() if authorities is None else authorities
        self._has_own_authorities = authorities is None
        for identity in identities:
            self._put(identity)
        for link in merges:
            self._merges[link.absorbed] = link

    def copy(self) -> "Known":
        """Return a copy that changes on its own."""
        other = Known(authorities=self._authorities.copy())
        other._identities = self._identities.copy()
        other._by_ipp = self._by_ipp.copy()
        other._by_matricule = {matricule: ids.copy() for matricule, ids in self._by_matricule.items()}
        other._merges = self._merges.copy()
        return other

    def __iter__(self) -> Iterator[Identity]:
        return iter(self._identities.values())

    def get(self, identity_id: str) -> Identity:
        """Return the identity of this id; KeyError when the batch did not load it."""
        return self._identities[identity_id]

    def same_authorities(
        self, authority: AssigningAuthority, sender: tuple[str, str]
    ) -> tuple[AssigningAuthority, ...]:
        """Return what ``sender`` may mean by ``authority``, the surest first: see :meth:`Authorities.meant`."""
        return self._authorities.meant(authority, sender)

    def is_same(self, held: PatientIdentifier, sent: PatientIdentifier, sender: tuple[str, str]) -> bool:
        """Whether ``sent`` may be the identifier ``held`` when ``sender`` says it; in force or not."""
        if held.value != sent.value or held.type != sent.type:
            return False
        key = held.authority.key
        if key == sent.authority.key:
            return True
        return any(key == each.key for each in self.same_authorities(sent.authority, sender))

    def resolve(self, identifier: PatientIdentifier, sender: tuple[str, str]) -> PatientIdentifier:
        """Return ``identifier`` under the surest authority that ``sender`` may mean."""
        if identifier.authority.universal_id:
            return identifier
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
        ids = self._by_matricule.get(matricule)
        return tuple([self._identities[each] for each in sorted(ids)]) if ids else ()

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
        if self._authorities.knows(seen):
            return False
        if not self._has_own_authorities:
            self._authorities, self._has_own_authorities = self._authorities.copy(), True
        self._authorities.see(seen)
        return True

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
            ids = self._by_matricule.get(identity.ins.matricule)
            if ids is None:
                self._by_matricule[identity.ins.matricule] = {identity.id}
            else:
                ids.add(identity.id)

    def _drop(self, identity: Identity) -> None:
        for each in identity.identifiers:
            if each.type == PI:
                self._by_ipp.pop((each.authority.key, each.value), None)
        if identity.ins is not None:
            self._by_matricule[identity.ins.matricule].discard(identity.id)
