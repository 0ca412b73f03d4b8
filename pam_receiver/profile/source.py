"""One table of a TOML file, read strictly: what would not be checked stops the start, named to whoever mends it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Never

from pam_receiver.errors import PamReceiverError
from pam_receiver.finding import Lang


class ProfileError(PamReceiverError):
    """A profile file that cannot be trusted: which ``file``, which ``key`` in it, and what is wrong there.

    ``problem`` says it in English, ``fr`` in French.
    """

    def __init__(self, file: str, key: str, problem: str, fr: str) -> None:
        super().__init__(f"{file}: {key}: {problem}")
        self.file = file
        self.key = key
        self.problem = problem
        self.fr = fr

    def text(self, lang: Lang) -> str:
        """The whole in one line, in the language."""
        return f"{self.file} : {self.key} : {self.fr}" if lang == "fr" else str(self)


@dataclass(frozen=True, slots=True)
class Source:
    """One table of a TOML file, and how to name it to whoever must mend it."""

    file: str
    label: str
    data: Mapping[str, object]
    spec: str = ""  # of its lines that name none: those of an overlay need not

    def fail(self, key: str, problem: str, fr: str) -> Never:
        raise ProfileError(self.file, f"{self.label} {key}".strip(), problem, fr)

    def allow(self, *keys: str) -> None:
        """Refuse every key that is not among ``keys``."""
        for key in self.data:
            if key not in keys:
                self.fail(key, "unknown key", "clé inconnue")

    def text(self, key: str) -> str:
        """Return the text of ``key``, which must be there and not be blank."""
        value = self.data.get(key)
        if value is None:
            self.fail(key, "missing", "manque")
        if not isinstance(value, str) or not value.strip():
            self.fail(key, "must be a text", "doit être un texte")
        return value

    def spec_text(self) -> str:
        """Return the ``spec`` of a line, or that of the whole file where it may be left out."""
        return self.spec if self.spec and "spec" not in self.data else self.text("spec")

    def optional_text(self, key: str) -> str | None:
        return self.text(key) if key in self.data else None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of ``key``, one or a list of them; ``()`` when it is not there."""
        value = self.data.get(key, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
            self.fail(key, "must be a text or a list of texts", "doit être un texte ou une liste de textes")
        return tuple(listed)

    def choice(self, key: str, choices: Iterable[str], problem: str, fr: str) -> str | None:
        """Return the text of ``key``, which must be one of ``choices``; ``None`` when it is not there."""
        value = self.optional_text(key)
        if value is not None and value not in choices:
            self.fail(key, problem, fr)
        return value

    def tables(self, key: str) -> tuple[Mapping[str, object], ...]:
        """Return the list of tables at ``key``; ``()`` when it is not there."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            self.fail(key, "must be a list of tables", "doit être une liste de tables")
        return tuple(value)
