"""The app to compare with: python-hl7's MLLP server and its parser, one SQLAlchemy ORM transaction per message.

What a good developer writes in a day, with no pretence of slowness. It answers AA after its commit, keeps the raw
message, and creates or updates the patient by its IPP. It checks nothing, keeps no history, reads no INS and writes no
log: all of that would only slow it down.
"""

import argparse
import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import hl7
from hl7.mllp import HL7StreamReader, HL7StreamWriter, InvalidBlockError, start_hl7_server
from sqlalchemy import DateTime, Engine, ForeignKey, LargeBinary, UniqueConstraint, create_engine, event, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker

SERVER_THREADS: Final = 8  # on a database server a commit waits on the network: several may wait at once


class Base(DeclarativeBase):
    pass


class Patient(Base):
    __tablename__ = "patient"
    __table_args__ = (UniqueConstraint("authority", "ipp"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    authority: Mapped[str]
    ipp: Mapped[str]
    family_name: Mapped[str]
    given_name: Mapped[str]
    given_names: Mapped[str]
    birth_date: Mapped[str]
    sex: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Message(Base):
    __tablename__ = "message"

    id: Mapped[int] = mapped_column(primary_key=True)
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    control_id: Mapped[str] = mapped_column(index=True)
    event: Mapped[str]
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    ack_code: Mapped[str]
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"))
    patient: Mapped[Patient] = relationship()


def open_engine(url: str) -> Engine:
    """Open the database with the durability that the daemon has: a commit is on disk when it returns."""
    if not url.startswith("sqlite"):
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        return create_engine(url, pool_size=SERVER_THREADS)
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:  # Any: a DBAPI connection has no type
        connection.execute("PRAGMA journal_mode=WAL").close()
        connection.execute("PRAGMA synchronous=FULL").close()

    return engine


def keep(new_session: sessionmaker[Session], message: hl7.Message, raw: bytes) -> str:
    """Store one message and its patient in a transaction of their own; return MSA-1."""
    try:
        with new_session.begin() as session:
            _save(session, message, raw)
    except IntegrityError:  # two first messages of one patient at once, on two connections: the second one updates
        with new_session.begin() as session:
            _save(session, message, raw)
    return "AA"


def _save(session: Session, message: hl7.Message, raw: bytes) -> None:
    now = datetime.now(UTC)
    msh, pid = message.segment("MSH"), message.segment("PID")
    ipp = next((each for each in pid[3] if str(each[4][0]) == "PI"), pid[3][0])
    name = next((each for each in pid[5] if len(each) > 6 and str(each[6][0]) == "L"), pid[5][0])
    authority, value = str(ipp[3]), str(ipp[0][0])
    patient = session.scalar(select(Patient).where(Patient.authority == authority, Patient.ipp == value))
    if patient is None:
        patient = Patient(authority=authority, ipp=value)
        session.add(patient)
    patient.family_name, patient.given_name, patient.given_names = (str(name[n][0]) for n in range(3))
    patient.birth_date = str(pid[7])
    patient.sex = str(pid[8])
    patient.updated_at = now
    session.add(
        Message(
            received_at=now, control_id=str(msh[10]), event=str(msh[9][0][1]), raw=raw, ack_code="AA", patient=patient
        )
    )


class App:
    """The server. On a file the session runs in the loop, which is faster there; on a server, in threads."""

    def __init__(self, engine: Engine) -> None:
        self._new_session = sessionmaker(engine, expire_on_commit=False)
        is_file = engine.dialect.name == "sqlite"
        self._threads = None if is_file else ThreadPoolExecutor(SERVER_THREADS)

    async def serve(self, reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        """Answer the messages of one connection, one after the other."""
        try:
            while True:
                raw = await reader.readblock()
                message = hl7.parse(raw.decode("utf-8"))
                job = partial(keep, self._new_session, message, raw)
                if self._threads is None:
                    code = job()
                else:
                    code = await asyncio.get_running_loop().run_in_executor(self._threads, job)
                writer.writemessage(message.create_ack(code))
                await writer.drain()
        except (asyncio.IncompleteReadError, InvalidBlockError, ConnectionError):
            pass  # the sender has gone
        finally:
            writer.close()


async def run(url: str, host: str, port: int) -> None:
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    app = App(engine)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = await start_hl7_server(app.serve, host, port, encoding="utf-8")
    bound = server.sockets[0].getsockname()
    print(f"ready mllp={bound[0]}:{bound[1]}", flush=True)
    await stopping.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True, metavar="URL", help="sqlite:///file or postgresql://…")
    parser.add_argument("--port", type=int, default=0, help="a free one when 0")
    asked = parser.parse_args()
    asyncio.run(run(asked.database, "127.0.0.1", asked.port))


if __name__ == "__main__":
    main()
