"""From an HL7 message to the words of identity: the only place where a field becomes a trait."""

from pam_receiver.adt.events import EVENTS, check_header
from pam_receiver.adt.read import Reading, persons_of, read_event
from pam_receiver.adt.reading_rules import ReadingRules

__all__ = ["EVENTS", "Reading", "ReadingRules", "check_header", "persons_of", "read_event"]
