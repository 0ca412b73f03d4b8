"""The watch over sources and alerts, made from the settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pam_receiver.cli.opening import open_store

if TYPE_CHECKING:
    from pam_receiver.config import Settings
    from pam_receiver.metrics import Metrics
    from pam_receiver.sources import Sources


@contextmanager
def sources_watched(settings: "Settings", sources: "Sources", metrics: "Metrics") -> Iterator[None]:
    """Watch, while inside, for sources that fall silent, and show how many alerts are open."""
    from pam_receiver.watch import SilenceWatch, watched

    silent_after = {each.name: each.silent_after for each in settings.sources if each.silent_after is not None}
    with watched(SilenceWatch(silent_after, sources, lambda: open_store(settings), metrics)):
        yield
