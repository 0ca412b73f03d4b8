"""Values that each message makes dozens of: frozen for whoever writes code, open at run time, where freezing costs.

A frozen dataclass sets each field by a call, so making one takes two to three times as long. mypy holds these to the
same rule: whoever assigns to a field of one does not pass ``make check``.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # dataclass itself, not a dataclass_transform: of that mypyc compares two values by their identity
    from dataclasses import dataclass as value
else:

    def value(*, frozen, slots):
        """Return what makes a class a dataclass, equal and hashed by its fields, which must not be assigned to."""
        assert frozen
        return dataclass(slots=slots, unsafe_hash=True)


__all__ = ["value"]
