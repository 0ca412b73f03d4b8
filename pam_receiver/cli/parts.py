"""The parts that commands run, made from the settings."""

from pathlib import Path

from pam_receiver.adt import ReadingRules
from pam_receiver.config import Settings, SettingsError, SourceSettings
from pam_receiver.identity.model import Policy
from pam_receiver.profile.load import ProfileError, ProfileSet, load_profiles
from pam_receiver.profile.model import Strictness
from pam_receiver.receive import AnswerStyle
from pam_receiver.rulebook import check_grades
from pam_receiver.sources import Source, Sources


def make_policy(settings: Settings) -> Policy:
    """Return the settings that decisions depend on."""
    return Policy(
        takes_test_ins=settings.environment == "test",
        incomplete_qualified_identity=settings.incomplete_qualified_identity,
        deduce_recuperee=settings.deduce_recuperee,
    )


def make_answer_style(settings: Settings) -> AnswerStyle:
    """Return the settings that acknowledgements depend on."""
    return AnswerStyle(lang=settings.ack_lang, which=settings.ack_findings)


def make_sources(settings: Settings, *, profile: str | None = None, overlay: Path | None = None) -> Sources:
    """Return the sources that messages come from; ``profile`` and ``overlay`` stand in for those of every source.

    Raises:
        SettingsError: a profile or an overlay that cannot be used, with the source that names it.
    """
    profiles = _load(profile, overlay, Strictness.LENIENT, None)
    reading = _reading_rules(settings, profiles)
    general = Source(name="", profiles=profiles, reading=reading, policy=make_policy(settings))
    named = [_make_source(settings, each, profile, overlay) for each in settings.sources]
    return Sources(general, tuple(sorted(named, key=lambda each: each.port is None)))


def _make_source(settings: Settings, source: SourceSettings, profile: str | None, overlay: Path | None) -> Source:
    profiles = _load(profile or source.profile, overlay or source.overlay, Strictness(source.strictness), source)
    return Source(
        name=source.name,
        profiles=profiles,
        reading=_reading_rules(settings, profiles, source),
        charset=source.charset,
        application=source.application,
        facility=source.facility,
        port=source.port,
        policy=make_policy(settings),
    )


def _reading_rules(settings: Settings, profiles: ProfileSet, source: SourceSettings | None = None) -> ReadingRules:
    accepted = frozenset(source.authorities) if source is not None else frozenset()
    return ReadingRules(
        accepts_processing_ids=(source and source.processing_ids) or settings.processing_ids,
        timezone=settings.timezone,
        default_authority=(source and source.default_authority) or settings.default_authority,
        accepted_authorities=accepted or None,
        birth_place_components=profiles.maps,
    )


def _load(name: str | None, overlay: Path | None, strictness: Strictness, source: SourceSettings | None) -> ProfileSet:
    try:
        profiles = load_profiles(overlay=overlay, strictness=strictness, only=name)
        if overlay is not None:
            check_grades(profiles, overlay.name)
    except ProfileError as error:
        raise _explain(error, name, overlay, source) from None
    return profiles


def _explain(
    error: ProfileError, name: str | None, overlay: Path | None, source: SourceSettings | None
) -> SettingsError | ProfileError:
    """Return the sentence that names the setting at fault; the error itself when it is a file of ours."""
    if error.file == name:
        key = "profile"
    elif overlay is not None and (error.file == overlay.name or _can_load(name)):
        key = "overlay"
    else:
        return error
    if source is not None:
        return source.error(key, fr=error.text("fr").rstrip("."), en=error.text("en").rstrip("."))
    return SettingsError(fr=f"--{key} : {error.text('fr')}", en=f"--{key}: {error.text('en')}")


def _can_load(name: str | None) -> bool:
    try:
        load_profiles(only=name)
    except ProfileError:
        return False
    return True
