"""Values that each message makes dozens of: frozen for whoever writes code, open at run time, where freezing costs.

A frozen dataclass sets each field by a call, so making one takes two to three times as long. mypy holds these to the
same rule: whoever assigns to a field of one does not pass ``make check``.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_Class = TypeVar("_Class")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_Class]) -> type[_Class]:
    """Make ``cls`` a slotted dataclass, equal and hashed by its fields, which must not be assigned to."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
