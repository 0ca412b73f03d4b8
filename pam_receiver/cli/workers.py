"""``serve --workers N``: a supervisor, N processes that listen at the same addresses, one that attends to the rest."""

import asyncio
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pam_receiver.cli import output
from pam_receiver.cli.duty import Duty, announce, binding, ports_of_sources, run
from pam_receiver.cli.opening import open_store
from pam_receiver.cli.options import Start
from pam_receiver.cli.supervisor import Member, Post, Report, Supervisor

if TYPE_CHECKING:
    from pam_receiver.cli.listening import Planned
    from pam_receiver.config import Address
    from pam_receiver.sources import Sources


def serve_by_several(start: Start, sources: "Sources", planned: "Sequence[Planned]") -> int:
    """Serve until SIGTERM or SIGINT; return the exit code. The database has been looked at, and is closed.

    The process that attends is called ``monitor``, the others by their numbers.
    """
    from pam_receiver.metrics import forget, share

    settings, names = start.settings, [str(number + 1) for number in range(start.settings.workers)]

    def be(name: str, duty: Duty, post: Post) -> None:
        assert duty.counts is not None
        share(duty.counts, name)
        store = open_store(settings)
        try:
            asyncio.run(run(replace(duty, post=post), store))
        finally:
            store.close()

    def tell(reports: Mapping[str, Report]) -> None:
        mllp, http = reports[names[0]]["mllp"], reports["monitor"]["http"]
        assert isinstance(mllp, list)
        announce(mllp, http if isinstance(http, str) else None, start.lang, workers=settings.workers)

    gc.freeze()  # what all of them share is not to be touched
    with _holding_ports(start, planned) as held, TemporaryDirectory(prefix="pam-receiver-") as folder:
        worker = Duty(start, sources, held, attends=False, counts=Path(folder))
        monitor = replace(worker, listens=False, attends=True)
        has_certificate = settings.http_certificate is not None or any(each.tls is not None for each in held)
        return Supervisor(
            [Member("monitor", partial(be, "monitor", monitor)), *(Member(n, partial(be, n, worker)) for n in names)],
            ready=tell,
            ended=partial(forget, Path(folder)),
            lang=start.lang,
            passes_hup=has_certificate or not output.is_terminal(),
        ).run()


@contextmanager
def _holding_ports(start: Start, planned: "Sequence[Planned]") -> "Iterator[tuple[Planned, ...]]":
    """Hold every port that workers share; gives the listeners with the ports that were found for 0."""
    from pam_receiver.config import Address
    from pam_receiver.listener import hold_port

    with ExitStack() as stack:

        def hold(address: "Address", option: str) -> int:
            with binding(address, option, start.lang):
                sockets = hold_port(*astuple(address))
            for each in sockets:
                stack.callback(each.close)
            return int(sockets[0].getsockname()[1])

        held = [replace(each, address=Address(each.address.host, hold(each.address, each.option))) for each in planned]
        for address, option in ports_of_sources(start.settings).values():
            hold(address, option)
        yield tuple(held)
