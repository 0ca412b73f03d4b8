"""The only part that knows a database: SQLAlchemy Core on SQLite or PostgreSQL. Rows never leave it."""

from pam_receiver.store.alerts import AlertState, AlertView
from pam_receiver.store.audit import Actor, AuditEvent
from pam_receiver.store.errors import (
    Reason,
    SchemaMismatch,
    StoreConflict,
    StoreError,
    StoreSettingError,
    StoreUnavailable,
)
from pam_receiver.store.locks import ALONE, Hold, MoreToHold, hold_names
from pam_receiver.store.queries import (
    FullMessageView,
    IdentityView,
    JournalEntry,
    MessageView,
    Statistics,
    TouchedIdentity,
    VersionView,
)
from pam_receiver.store.records import InForce, MessageRecord, Receipt
from pam_receiver.store.transaction import Store, Transaction

__all__ = [
    "ALONE",
    "Actor",
    "AlertState",
    "AlertView",
    "AuditEvent",
    "FullMessageView",
    "Hold",
    "IdentityView",
    "InForce",
    "JournalEntry",
    "MessageRecord",
    "MessageView",
    "MoreToHold",
    "Reason",
    "Receipt",
    "SchemaMismatch",
    "Statistics",
    "Store",
    "StoreConflict",
    "StoreError",
    "StoreSettingError",
    "StoreUnavailable",
    "TouchedIdentity",
    "Transaction",
    "VersionView",
    "hold_names",
]
