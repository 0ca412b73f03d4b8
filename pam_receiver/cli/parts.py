"""The parts that commands run, made from the settings."""

from pam_receiver.adt import ReadingRules
from pam_receiver.config import Settings
from pam_receiver.identity.model import Policy
from pam_receiver.receive import AnswerStyle


def make_policy(settings: Settings) -> Policy:
    """Return the settings that decisions depend on."""
    return Policy(
        takes_test_ins=settings.environment == "test",
        incomplete_qualified_identity=settings.incomplete_qualified_identity,
        deduce_recuperee=settings.deduce_recuperee,
    )


def make_reading_rules(settings: Settings) -> ReadingRules:
    """Return the settings that the reading of a message depends on."""
    return ReadingRules(
        accepts_processing_ids=settings.processing_ids,
        timezone=settings.timezone,
        default_authority=settings.default_authority,
    )


def make_answer_style(settings: Settings) -> AnswerStyle:
    """Return the settings that acknowledgements depend on."""
    return AnswerStyle(lang=settings.ack_lang, which=settings.ack_findings)
