"""Where an export of the trail ended: a small file, from which the next one goes on."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pam_receiver.errors import PamReceiverError

if TYPE_CHECKING:
    from pam_receiver.store.trail import Head, Import


class CursorUnusable(PamReceiverError):
    """The file is no cursor."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row that was exported, with its hash (``""`` for none yet), and the last import: its three parts."""

    number: int = 0
    hash: str = ""
    imported: tuple[str, str, int] = ("", "", 0)

    @classmethod
    def read(cls, file: Path) -> "Cursor | None":
        """Return what ``file`` says; ``None`` when it does not exist yet.

        Raises:
            CursorUnusable: it is something else.
            OSError: it cannot be read.
        """
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            message, identity, version = found["imported"]
            return cls(int(found["number"]), str(found["hash"]), (str(message), str(identity), int(version)))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            raise CursorUnusable(str(file)) from None

    def after_row(self, head: "Head | None") -> "Cursor":
        return self if head is None else Cursor(head.number, head.hash, self.imported)

    def after_import(self, made: "Import | None") -> "Cursor":
        if made is None:
            return self
        return Cursor(self.number, self.hash, (made.message_id, made.identity_id, made.version))

    def write(self, file: Path) -> Self:
        """Write the file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        part = file.with_name(f".{file.name}.part")
        said = {"number": self.number, "hash": self.hash, "imported": list(self.imported)}
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with open(os.open(part, flags, 0o600), "w", encoding="utf-8") as opened:
            json.dump(said, opened)
            opened.write("\n")
            opened.flush()
            os.fsync(opened.fileno())
        os.replace(part, file)
        return self


START: Final = Cursor()
