"""``token``: make, list and end the tokens by which HTTP lets in. A token is shown once, when it is made."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.options import AsJson, Config, Database, Language, Start
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.identity.as_json import Json
    from pam_receiver.store.tokens import Token
    from pam_receiver.tokens import Role

_DAYS: Final = re.compile(r"([0-9]{1,4})d")
_MOST_DAYS: Final = 3650


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="argument.token-name")],
    role: Annotated[str, typer.Option("--role", metavar="reader|operator|admin", help="option.role")],
    expires: Annotated[str | None, typer.Option("--expires", metavar="90d|DATE", help="option.expires")] = None,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    import secrets

    from pam_receiver.cli.actor import actor
    from pam_receiver.cli.as_json import moment_json
    from pam_receiver.cli.opening import open_store
    from pam_receiver.store import AuditEvent
    from pam_receiver.store.tokens import Token
    from pam_receiver.tokens import hash_secret, new_credential, read_name

    start = options.start(config, database=database, lang=lang)
    checked, now, who = read_name(options.as_typed(name)), datetime.now(UTC), actor()
    if checked is None:
        output.fail(text("token.bad-name", start.lang), 2)
    allowed, end = _read_role(role, start.lang), _read_expiry(expires, now, start)
    credential = new_credential(secrets.token_bytes)
    new = Token(credential.id, checked, allowed, hash_secret(credential.secret), now, who.name, expires_at=end)
    detail = {"token": new.id, "name": new.name, "role": new.role.value, "expires_at": end and moment_json(end)}
    store = open_store(start.settings)
    try:
        with store.begin() as tx:
            if is_taken := tx.has_token_name(new.name):
                event = AuditEvent("token-create", who, "refused", detail=detail)
            else:
                tx.add_token(new)
                event = AuditEvent("token-create", who, detail=detail)
            tx.audit(event, at=now)
    finally:
        store.close()
    if is_taken:
        output.fail(text("token.name-taken", start.lang, name=new.name), 1)
    # The token alone on standard output, so that a script can take it; after the commit, so that it is one.
    typer.echo(credential.reveal())
    until = text("token.until", start.lang, moment=_show(end, start)) if end else text("token.no-end", start.lang)
    output.warn(text("token.created", start.lang, id=new.id, role=new.role, name=new.name, end=until))


def list_all(as_json: AsJson = False, database: Database = None, config: Config = None, lang: Language = None) -> None:
    from pam_receiver.cli.opening import open_store
    from pam_receiver.store.tokens import list_tokens

    start = options.start(config, database=database, lang=lang)
    store = open_store(start.settings, read_only=True)
    try:
        found = list_tokens(store)
    finally:
        store.close()
    now = datetime.now(UTC)
    if as_json:
        output.print_json([_as_json(token, now) for token in found])
    elif found:
        columns = ("id", "name", "role", "state", "created", "created-by", "expires")
        headers = [text(f"token.column.{column}", start.lang) for column in columns]
        output.print_table(headers, [_row(token, now, start) for token in found])
    else:
        output.say(text("token.none", start.lang))


def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="argument.token-id")],
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="option.token-reason")] = None,
    database: Database = None,
    config: Config = None,
    lang: Language = None,
) -> None:
    from pam_receiver.cli.actor import actor
    from pam_receiver.cli.opening import open_store
    from pam_receiver.store import AuditEvent
    from pam_receiver.store.tokens import find_token
    from pam_receiver.tokens import parse_token_id

    start = options.start(config, database=database, lang=lang)
    wanted, now = parse_token_id(token_id), datetime.now(UTC)
    why = None if reason is None else options.as_typed(reason)
    store = open_store(start.settings)
    try:
        token = find_token(store, wanted) if wanted else None
        if token is None:  # what was typed is not said again: it may hold the secret
            output.fail(text("token.unknown", start.lang), 1)
        with store.begin() as tx:
            if is_ended := tx.revoke_token(token.id, at=now):
                event = AuditEvent("token-revoke", actor(), reason=why, detail={"token": token.id, "name": token.name})
                tx.audit(event, at=now)
    finally:
        store.close()
    if is_ended:
        output.say(text("token.revoked", start.lang, id=token.id, name=token.name))
    else:
        moment = _show(token.revoked_at or now, start)
        output.say(text("token.revoked-before", start.lang, id=token.id, name=token.name, moment=moment))


def _read_role(word: str, lang: Lang) -> "Role":
    from pam_receiver.tokens import Role

    if word not in list(Role):
        output.fail(text("token.bad-role", lang), 2)
    return Role(word)


def _read_expiry(word: str | None, now: datetime, start: Start) -> datetime | None:
    """Return when a token ends: so many days from now, or the end of a day in the zone of the settings."""
    if word is None:
        return None
    if days := _DAYS.fullmatch(word):
        if not 1 <= int(days[1]) <= _MOST_DAYS:
            output.fail(text("token.bad-expiry", start.lang), 2)
        return now + timedelta(days=int(days[1]))
    try:
        last = date.fromisoformat(word)
        end = datetime.combine(last + timedelta(days=1), time(), start.settings.timezone).astimezone(UTC)
    except (ValueError, OverflowError):
        output.fail(text("token.bad-expiry", start.lang), 2)
    if end <= now:
        output.fail(text("token.past-expiry", start.lang, day=last.isoformat()), 2)
    if end - now > timedelta(days=_MOST_DAYS + 1):
        output.fail(text("token.bad-expiry", start.lang), 2)
    return end


def _state(token: "Token", now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.is_expired(now) else "active"


def _row(token: "Token", now: datetime, start: Start) -> list[str]:
    state = text(f"token.state.{_state(token, now)}", start.lang)
    expires = _show(token.expires_at, start) if token.expires_at else "-"
    made = _show(token.created_at, start)
    return [token.id, token.name, token.role.value, state, made, token.created_by, expires]


def _as_json(token: "Token", now: datetime) -> "Json":
    from pam_receiver.cli.as_json import moment_json

    def moment(at: datetime | None) -> str | None:
        return moment_json(at) if at else None

    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "state": _state(token, now),
        "created_at": moment_json(token.created_at),
        "created_by": token.created_by,
        "expires_at": moment(token.expires_at),
        "revoked_at": moment(token.revoked_at),
    }


def _show(at: datetime, start: Start) -> str:
    return at.astimezone(start.settings.timezone).strftime("%Y-%m-%d %H:%M")
