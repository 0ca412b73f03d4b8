"""``demo``: a real daemon on a SQLite file, a hospital's morning sent to it over MLLP, and what it kept."""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from pam_receiver.cli import options, output
from pam_receiver.cli.options import Language
from pam_receiver.cli.program import called_as
from pam_receiver.cli.texts import text
from pam_receiver.finding import Lang

if TYPE_CHECKING:
    from pam_receiver.cli.morning import Scene
    from pam_receiver.cli.send import Line
    from pam_receiver.store.queries import IdentityView

KEPT: Final = Path("demo")
_READY_WITHIN_S: Final = 30.0
_STOP_WITHIN_S: Final = 10.0
_ANSWER_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Daemon:
    """The daemon of the demo: its process, where it listens, its folder."""

    process: asyncio.subprocess.Process
    mllp: str
    http: str
    folder: Path

    @property
    def database(self) -> str:
        return _database(self.folder)


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="option.keep")] = False,
    lang: Language = None,
) -> None:
    start = options.start(None, lang=lang)
    with _folder(keep=keep) as folder:
        try:
            code = asyncio.run(_play(folder, start.lang, keep=keep))
        except asyncio.CancelledError:  # Ctrl-C or SIGTERM: the daemon was stopped with us
            code = 0 if keep else 1
    raise typer.Exit(code)


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    """Give a fresh folder: ``./demo`` when it is to be kept, else one that goes with the demo."""
    if not keep:
        with tempfile.TemporaryDirectory(prefix="pam-receiver-demo-") as name:
            yield Path(name)
        return
    folder = next(each for each in _names() if not each.exists())
    folder.mkdir()
    yield folder


def _names() -> Iterator[Path]:
    yield KEPT
    for number in count(2):
        yield KEPT.with_name(f"{KEPT.name}-{number}")


async def _play(folder: Path, lang: Lang, *, keep: bool) -> int:
    """Run the whole demo; return the exit code: 0 when every answer was the one expected."""
    from pam_receiver.cli.morning import morning

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    output.say(text("demo.starting", lang))
    async with _daemon(folder, lang) as daemon:
        output.say(text("demo.ready", lang, mllp=daemon.mllp, http=daemon.http))
        output.say()
        scenes = morning()
        unexpected = await _send_scenes(scenes, daemon, lang)
        _print_identities(daemon.database, lang)
        if unexpected:
            output.warn(text("demo.unexpected", lang, number=unexpected))
        if keep:
            _write_files(scenes, folder)
            _print_next(daemon, lang)
            await daemon.process.wait()
        else:
            output.say(text("demo.again", lang, program=called_as(sys.argv[0], sys.executable)))
    return 1 if unexpected else 0


# ---------------------------------------------------------------------------------------------------------- daemon


def _database(folder: Path) -> str:
    return f"sqlite:///{folder / 'pam-receiver.db'}"


@asynccontextmanager
async def _daemon(folder: Path, lang: Lang) -> AsyncIterator[Daemon]:
    """Run ``pam-receiver serve`` on free ports, its log in ``serve.log``; it is stopped on the way out."""
    command = [sys.executable, "-m", "pam_receiver", "serve", "--database", _database(folder)]
    command += ["--mllp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--environment", "test", "--log-format", "json"]
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith("PAM_RECEIVER_")}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    with (folder / "serve.log").open("wb") as log:
        copying: asyncio.Task[None] | None = None
        try:
            assert process.stderr is not None
            listening = await _wait_until_ready(process.stderr, log)
            if listening is None:
                output.fail(text("demo.not-ready", lang), 1)
            copying = asyncio.create_task(_copy(process.stderr, log))
            yield Daemon(process, *listening, folder)
        finally:
            await _stop(process)
            if copying is not None:
                await copying


async def _wait_until_ready(stderr: asyncio.StreamReader, log: IO[bytes]) -> tuple[str, str] | None:
    """Read the daemon's log until it says where it listens (MLLP, HTTP); print its last words when it never does."""
    said: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(_READY_WITHIN_S):
            async for line in stderr:
                log.write(line)
                entry = _read_entry(line)
                if entry.get("log") == "serve.ready":
                    return str(entry["mllp"]), str(entry["http"])
                said.append(line.decode("utf-8", "replace").rstrip())
    output.warn("\n".join(said[-5:]))
    return None


def _read_entry(line: bytes) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except ValueError:  # not a log line: a sentence that says why the daemon does not start
        return {}
    return entry if isinstance(entry, dict) else {}


async def _copy(stream: asyncio.StreamReader, log: IO[bytes]) -> None:
    async for line in stream:
        log.write(line)
        log.flush()


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the daemon to end; kill it when it does not."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


# ---------------------------------------------------------------------------------------------------------- scenes


async def _send_scenes(scenes: "Sequence[Scene]", daemon: Daemon, lang: Lang) -> int:
    """Send each message and print its answer; return how many answers were not those expected."""
    from pam_receiver.cli.send import NoAnswer, connect
    from pam_receiver.config import parse_address

    expected = 0
    try:
        async with connect(parse_address(daemon.mllp), timeout_s=_ANSWER_WITHIN_S) as line:
            for number, scene in enumerate(scenes, 1):
                expected += await _send_scene(number, scene, line, lang) == scene.expected
    except NoAnswer as error:
        values = {"address": daemon.mllp, "left": len(scenes) - number + 1}
        reason = text(error.key, lang, seconds=f"{_ANSWER_WITHIN_S:g}")
        output.warn(text("send.no-answer", lang, reason=reason, **values))
    return len(scenes) - expected


async def _send_scene(number: int, scene: "Scene", line: "Line", lang: Lang) -> str:
    from pam_receiver.cli.send import show_errors
    from pam_receiver.hl7.ack import decode_ack
    from pam_receiver.hl7.header import read_header_loosely

    header = read_header_loosely(scene.raw)
    event = header.trigger_event if header else ""
    output.print_title(f"{number:2}. {event}  {scene.fr if lang == 'fr' else scene.en}")
    ack = decode_ack(await line.exchange(scene.raw))
    output.say(f"    {text('demo.answer', lang, code=ack.code)}")
    show_errors(ack)
    output.say()
    return ack.code


def _print_identities(database: str, lang: Lang) -> None:
    """Print the table of what is kept, read from the database as any other command reads it."""
    from pam_receiver.store import Store
    from pam_receiver.store.queries import list_identities

    store = Store.open(database, read_only=True)
    try:
        views = list_identities(store)
    finally:
        store.close()
    names = {view.identity.id: _ipps(view, lang) for view in views}
    keys = ("ipp", "name", "status", "ins", "state", "history")
    output.print_title(text("demo.identities", lang))
    output.print_table([text(f"column.{key}", lang) for key in keys], [_row(view, names, lang) for view in views])
    output.say()


def _row(view: "IdentityView", names: dict[str, str], lang: Lang) -> list[str]:
    from pam_receiver.cli.read import state_of

    one = view.identity
    state = state_of(view, lang)
    if view.merged_into is not None:
        state = text("state.merged", lang, id=names[view.merged_into])
    return [
        names[one.id],
        f"{one.traits.birth_family_name or '-'} {one.traits.first_birth_given_name or ''}".rstrip(),
        text(f"status.{one.status.value}", lang),
        f"{one.ins.matricule} ({one.ins.nature})" if one.ins else "-",
        state,
        str(one.version),
    ]


def _ipps(view: "IdentityView", lang: Lang) -> str:
    """Return the IPPs of an identity: those in force first, then the former ones."""
    held = sorted((each for each in view.identity.identifiers if each.type == "PI"), key=lambda each: not each.active)
    former = text("identity.former", lang)
    return ", ".join(each.value if each.active else f"{each.value} ({former})" for each in held)


# ------------------------------------------------------------------------------------------------------------ keep


def _write_files(scenes: "Sequence[Scene]", folder: Path) -> None:
    """Write each message to a file, to be sent again, changed or checked."""
    messages = folder / "messages"
    messages.mkdir()
    for number, scene in enumerate(scenes, 1):
        (messages / f"{number:02}-{scene.name}.hl7").write_bytes(scene.raw)


def _print_next(daemon: Daemon, lang: Lang) -> None:
    program = called_as(sys.argv[0], sys.executable)
    database = f"--database {daemon.database}"
    output.print_title(text("demo.keep", lang))
    for command in (
        f"{program} send {daemon.folder}/messages/01-creation.hl7 --to {daemon.mllp}",
        f"{program} show 100 {database}",
        f"{program} history 100 {database}",
        f"{program} messages {database}",
        f"{program} check {daemon.folder}/messages/*.hl7 --environment test",
        f"curl http://{daemon.http}/metrics",
    ):
        output.say(f"  {command}")
