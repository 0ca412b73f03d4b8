"""Which identity a PID-3 names: found by its IPPs and by nothing else."""

from pam_receiver.finding import Finding, Location
from pam_receiver.identity import rules
from pam_receiver.identity.draft import Draft
from pam_receiver.identity.model import Identity, MergeLink, Person, SentIdentifier
from pam_receiver.values import value


@value(frozen=True, slots=True)
class Located:
    """The identity that the IPPs name (``None``: all unknown), and the IPP that named it."""

    identity: Identity | None
    at: Location


def locate(draft: Draft, person: Person) -> Located | None:
    """Return the identity that PID-3 names; ``None`` when it cannot be told, with the reason added to the draft.

    INS, NH, MR and NDP never locate anybody. An absorbed IPP beside that of its survivor is passed over; alone, or a
    number replaced since, it is refused rather than followed: the message may be about somebody else by now.

    Spec: IHE PAM FR 2.11.2 §4.1, §6.6.1; ITI TF-2 §3.30.6.4.
    """
    ipps = person.ipps
    if not ipps:
        draft.add(rules.NO_IPP.at(person.at))
        return None
    first = ipps[0]
    holders: dict[str, tuple[Identity, SentIdentifier]] = {}
    in_force: set[str] = set()  # the ids of those that hold one of these IPPs in force
    stale: list[Finding] = []
    for sent in ipps:
        holder = draft.known.find_by_ipp(sent.identifier, draft.occasion.sender)
        if holder is None:
            continue
        survivor = draft.known.find_survivor(holder)
        if holder.merged_into is not None:
            stale.append(say_absorbed(draft.known.find_merge(holder), sent.at))
        elif not is_in_force(draft, holder, sent):
            stale.append(rules.RENUMBERED.at(sent.at))
        else:
            first = sent
            in_force.add(holder.id)
        holders.setdefault(survivor.id, (survivor, sent))
    if not holders:
        return Located(None, first.at)
    active = [each for each in holders.values() if each[0].active] or list(holders.values())
    if len(active) > 1:
        draft.alert(active[1][0], rules.IPPS_OF_TWO.at(active[1][1].at))
        return None
    identity = active[0][0]
    if identity.id not in in_force and not any(is_in_force(draft, identity, sent) for sent in ipps):
        draft.add(stale[0])
        return None
    return Located(identity, first.at)


def is_in_force(draft: Draft, identity: Identity, sent: SentIdentifier) -> bool:
    """Whether this identity holds the IPP as one in force."""
    if sent.identifier in identity.ipps:
        return True  # nearly always so: by the very authority
    known, sender = draft.known, draft.occasion.sender
    return any(known.is_same(each, sent.identifier, sender) for each in identity.ipps)


def say_absorbed(link: MergeLink, at: Location) -> Finding:
    """The refusal of an absorbed IPP, with the date and the control id of its merge."""
    return rules.ABSORBED.at(at, date=date_of(link), control_id=link.control_id)


def date_of(link: MergeLink) -> str:
    """The date of a merge, for a sentence."""
    return link.at.strftime("%Y-%m-%d %H:%M UTC")
