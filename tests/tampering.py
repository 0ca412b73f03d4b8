"""Changes behind the back of the store, as an administrator of the database could make them."""

import sqlite3

import psycopg

TRIGGERS = ("audit_event_no_update", "audit_event_no_delete", "audit_event_no_replace")


def tamper(url: str, *statements: str) -> None:
    """Run statements with the triggers of the audit trail out of the way."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        with connection:
            for trigger in TRIGGERS:
                connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
            for statement in statements:
                connection.execute(statement)
        connection.close()
        return
    with psycopg.connect(url) as server:
        server.execute("SET session_replication_role = replica")
        for statement in statements:
            server.execute(statement.encode())
