"""``show``, ``history``, ``messages``, ``message``: what is kept. Whoever looks at a patient is in the trail first.

``messages`` shows no value of a patient, and so leaves nothing there.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.access import Access, Reason
from pam_receiver.cli.opening import reading
from pam_receiver.cli.options import AsJson, Config, Database, DatabaseRead, Language
from pam_receiver.cli.texts import TEXTS, text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.identity.model import Difference
    from pam_receiver.store import Store
    from pam_receiver.store.queries import FullMessageView, IdentityView, MessageView, VersionView

Value = Annotated[str, typer.Argument(metavar="VALUE", help="argument.value")]
Authority = Annotated[str | None, typer.Option("--authority", metavar="A", help="option.authority")]
ACK_CODES = ("AA", "AE", "AR")


def show(
    value: Value,
    authority: Authority = None,
    reason: Reason = None,
    as_json: AsJson = False,
    database: Database = None,
    database_read: DatabaseRead = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.as_json import view_json

    start = options.start(config, database=database, database_read=database_read, lang=lang)
    access = Access(start, "show", reason)
    with reading(start) as store:
        views = _find(store, options.as_typed(value), authority, access)
    access.identities([view.identity.id for view in views])
    if as_json:
        found = [view_json(view) for view in views]
        output.print_json(found[0] if len(found) == 1 else found)
        return
    for view in views:
        _print_identity(view, start.lang)
    _offer_authority(views, value, start.lang)


def history(
    value: Value,
    authority: Authority = None,
    reason: Reason = None,
    as_json: AsJson = False,
    database: Database = None,
    database_read: DatabaseRead = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.as_json import version_json
    from pam_receiver.store.queries import find_history

    start = options.start(config, database=database, database_read=database_read, lang=lang)
    access = Access(start, "history", reason)
    with reading(start) as store:
        views = _find(store, options.as_typed(value), authority, access)
        histories = [(view.identity.id, find_history(store, view.identity.id)) for view in views]
    access.identities([view.identity.id for view in views])
    if as_json:
        output.print_json([version_json(one, version) for one, versions in histories for version in versions])
        return
    for identity_id, versions in histories:
        output.print_title(text("identity.title", start.lang, id=identity_id))
        _print_history(versions, start.lang)
    _offer_authority(views, value, start.lang)


def messages(
    ack: Annotated[str | None, typer.Option("--ack", metavar="AA|AE|AR", help="option.ack")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="option.limit")] = 20,
    as_json: AsJson = False,
    database: Database = None,
    database_read: DatabaseRead = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.as_json import message_json
    from pam_receiver.store.queries import list_messages

    start = options.start(config, database=database, database_read=database_read, lang=lang)
    if ack is not None and ack not in ACK_CODES:
        raise typer.BadParameter(text("failure.ack", start.lang), param_hint="--ack")
    with reading(start) as store:
        lines = list_messages(store, ack=ack, limit=limit)
    if as_json:
        output.print_json([message_json(line, start.lang) for line in lines])
    elif lines:
        _print_messages(lines, start.lang)
    else:
        output.say(text("messages.none", start.lang))


def message(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="argument.message")],
    reason: Reason = None,
    as_json: AsJson = False,
    database: Database = None,
    database_read: DatabaseRead = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.as_json import full_message_json
    from pam_receiver.store.queries import find_messages

    start = options.start(config, database=database, database_read=database_read, lang=lang)
    access = Access(start, "message", reason)
    message_id = options.as_typed(message_id)
    with reading(start) as store:
        found = find_messages(store, message_id)
    if not found:
        output.fail(text("failure.no-message", start.lang, value=message_id), 1)
    if len(found) > 1:
        output.fail(text("failure.several-messages", start.lang, value=message_id), 1)
    access.message(found[0].line.id, list(dict.fromkeys(each.identity_id for each in found[0].identities)))
    if as_json:
        output.print_json(full_message_json(found[0], start.lang))
    else:
        _print_message(found[0], start.lang)


def _find(store: "Store", value: str, authority: str | None, access: Access) -> "tuple[IdentityView, ...]":
    """Return the identities that hold this value or have this id; end the command by a sentence when there is none."""
    from pam_receiver.store.queries import find_identities, find_identity

    lang = access.lang
    authority = None if authority is None else options.as_typed(authority)
    views = find_identities(store, value, authority)
    if not views and authority is None and (one := find_identity(store, value)) is not None:
        views = (one,)
    if not views:
        access.search_failed()
    if not views and authority is not None:
        output.fail(text("failure.no-identity-there", lang, value=value, authority=authority), 1)
    if not views:
        output.fail(text("failure.no-identity", lang, value=value), 1)
    return views


def _offer_authority(views: "Sequence[IdentityView]", value: str, lang: Lang) -> None:
    held = [each.authority for view in views for each in view.identity.identifiers if each.value == value]
    names = sorted({each.universal_id or each.namespace_id for each in held} - {""})
    if len(views) > 1 and len(names) > 1:
        output.warn(text("identity.several", lang, count=len(views), value=value, authorities=", ".join(names)))


# -------------------------------------------------------------------------------------------------------- identities


def _print_identity(view: "IdentityView", lang: Lang) -> None:
    from dataclasses import asdict

    from pam_receiver.cli.as_json import moment_json

    one = view.identity
    ins = f"{one.ins.matricule} ({one.ins.nature}, {one.ins.oid})" if one.ins else "-"
    rows = [
        ["status", text(f"status.{one.status.value}", lang)],
        ["attributes", ", ".join(one.attributes)],
        ["reliability_codes", ", ".join(one.reliability_codes)],
        ["state", state_of(view, lang)],
        ["version", str(one.version)],
        ["ins", ins],
        *([name, _tell_value(name, value, lang)] for name, value in asdict(one.traits).items()),
        ["used_family_name", one.used_family_name or ""],
        ["used_given_name", one.used_given_name or ""],
        ["dated_at", moment_json(one.dated_at) if one.dated_at is not None else ""],
    ]
    output.print_title(text("identity.title", lang, id=one.id))
    output.print_table([], [[text(f"identity.{key}", lang), value or "-"] for key, value in rows], indent=2)
    output.say(f"  {text('identity.identifiers', lang)}")
    output.print_table([], _identifier_rows(view, lang), indent=4)
    output.say()


def _tell_value(what: str, value: object, lang: Lang) -> str:
    """Return a value in a few words; a birth place code with the name that it stands for."""
    from pam_receiver.identity.birth_place import PlaceStanding, find_place
    from pam_receiver.identity.traits import Trait

    if what != Trait.BIRTH_PLACE_CODE or not value:
        return _brief(value, lang)
    place = find_place(str(value))
    is_current = place.standing is PlaceStanding.CURRENT
    standing = "" if is_current else text(f"place.{place.standing.value}", lang)
    return " ".join(part for part in (place.code, place.name, standing) if part)


def _identifier_rows(view: "IdentityView", lang: Lang) -> list[list[str]]:
    former = text("identity.former", lang)
    return [
        [
            each.type or "-",
            each.value,
            " ".join(part for part in (each.authority.namespace_id, each.authority.universal_id) if part),
            "" if each.active else former,
        ]
        for each in view.identity.identifiers
    ]


def state_of(view: "IdentityView", lang: Lang) -> str:
    """Return whether an identity is active, or what became of it."""
    if view.erased is not None:
        from pam_receiver.cli.as_json import moment_json

        told = view.erased
        return text("state.erased", lang, at=moment_json(told.at), by=told.by, reason=told.reason)
    if view.merged_into is not None:
        return text("state.merged", lang, id=view.merged_into)
    return text("state.active" if view.identity.active else "state.inactive", lang)


def _print_history(versions: "Sequence[VersionView]", lang: Lang) -> None:
    from pam_receiver.cli.as_json import moment_json

    headers = [text(f"column.{key}", lang) for key in ("version", "at", "status", "changes", "event", "control")]
    rows = [
        [
            str(version.version),
            moment_json(version.at),
            text(f"status.{version.status.value}", lang),
            "\n".join(_tell(change, lang) for change in version.changes),
            version.event,
            version.control_id,
        ]
        for version in versions
    ]
    output.print_table(headers, rows, indent=2)
    output.say()


def _tell(change: "Difference", lang: Lang) -> str:
    if change.what == "created":
        return text("identity.created", lang)
    label = text(f"identity.{change.what}", lang) if f"identity.{change.what}" in TEXTS else change.what
    reason = f" ({text(f'reason.{change.reason}', lang)})" if f"reason.{change.reason}" in TEXTS else ""
    before, after = (_tell_value(change.what, value, lang) for value in (change.before, change.after))
    colon = " :" if lang == "fr" else ":"
    return f"{label}{colon} {before} → {after}{reason}"


def _brief(value: object, lang: Lang) -> str:
    """Return a value of a change in a few words: of an identifier or an INS only what tells it from another."""
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return text("yes" if value else "no", lang)
        case list():
            return ", ".join(_brief(each, lang) for each in value)
        case {"matricule": matricule}:
            return str(matricule)
        case {"value": held, "type": kind, "active": active}:
            former = "" if active else f" ({text('identity.former', lang)})"
            return f"{kind} {held}".strip() + former
        case _:
            return text(f"status.{value}", lang) if f"status.{value}" in TEXTS else str(value)


# ----------------------------------------------------------------------------------------------------------- journal


def _print_messages(lines: "Sequence[MessageView]", lang: Lang) -> None:
    from pam_receiver.cli.as_json import moment_json

    keys = ("message", "at", "sender", "control", "event", "ack", "findings")
    rows = [
        [
            line.id,
            moment_json(line.received_at),
            " ".join(part for part in (line.sending_application, line.sending_facility) if part),
            line.control_id,
            line.event,
            line.ack_code,
            ", ".join(dict.fromkeys(f"{finding.severity.value} {finding.rule}" for finding in line.findings)),
        ]
        for line in lines
    ]
    output.print_table([text(f"column.{key}", lang) for key in keys], rows)


def _print_message(found: "FullMessageView", lang: Lang) -> None:
    from pam_receiver.cli.as_json import moment_json, readable
    from pam_receiver.cli.findings import finding_headers, finding_rows

    line = found.line
    output.print_title(text("message.title", lang, id=line.id))
    output.say(text("message.received", lang, at=moment_json(line.received_at), peer=line.peer))
    if line.repeat_of is not None:
        output.say(text("message.repeat", lang, id=line.repeat_of))
    if found.identities:
        ids = ", ".join(f"{each.identity_id} (version {each.version})" for each in found.identities)
        output.say(text("message.touched", lang, ids=ids))
    for key, raw in (("message.raw", found.raw), ("message.answer", found.ack)):
        output.say()
        output.print_title(text(key, lang))
        if found.erased_at is not None and key == "message.raw":
            output.say(text("message.erased", lang, at=moment_json(found.erased_at)))
        else:
            output.say("\n".join(readable(raw, found.encoding).splitlines()))
    if line.findings:
        output.say()
        output.print_title(text("column.findings", lang))
        output.print_table(finding_headers(lang), finding_rows(line.findings, lang))
