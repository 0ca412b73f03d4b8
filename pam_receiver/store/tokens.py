"""The table of tokens: what is kept of each, the reads by which a request is let in, and the two writes."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from pam_receiver.store.rows import AnyRow
from pam_receiver.store.schema import token
from pam_receiver.tokens import Role

if TYPE_CHECKING:  # whose transaction writes tokens
    from pam_receiver.store.transaction import Store


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token. ``hash``: see ``tokens.hash_secret``. Times: aware, UTC; ``None``: never."""

    id: str
    name: str
    role: Role
    hash: str = field(repr=False)
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and now >= self.expires_at


_BY_ID: Final = select(token).where(token.c.id == bindparam("token_id"))
_ALL: Final = select(token).order_by(token.c.created_at, token.c.id)
_OF_NAME: Final = select(token.c.id).where(token.c.name == bindparam("token_name"), token.c.revoked_at.is_(None))
_INSERTION: Final = insert(token)
_REVOCATION: Final = (
    update(token)
    .where(token.c.id == bindparam("token_id"), token.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("moment"))
)


def find_token(store: "Store", token_id: str) -> Token | None:
    """Return the token of this id, revoked and expired ones too."""
    with store.read() as connection:
        row = connection.execute(_BY_ID, {"token_id": token_id}).first()
    return _read(row) if row is not None else None


def list_tokens(store: "Store") -> tuple[Token, ...]:
    """Return every token that ever was, the oldest first."""
    with store.read() as connection:
        return tuple(_read(row) for row in connection.execute(_ALL))


def has_name(connection: Connection, name: str) -> bool:
    """Whether a token that is not revoked has this name."""
    return connection.execute(_OF_NAME, {"token_name": name}).first() is not None


def add(connection: Connection, new: Token) -> None:
    """Write a new token, in the transaction of ``connection``."""
    values = {column.name: getattr(new, column.name) for column in token.c}
    connection.execute(_INSERTION, {**values, "role": new.role.value})


def revoke(connection: Connection, token_id: str, at: datetime) -> bool:
    """End a token, in the transaction of ``connection``; whether it was there and not ended before."""
    return connection.execute(_REVOCATION, {"token_id": token_id, "moment": at}).rowcount == 1


def _read(row: AnyRow) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        hash=row.hash,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
