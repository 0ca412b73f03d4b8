"""The parts that commands run, made from the settings."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pam_receiver.adt import ReadingRules
from pam_receiver.config import ListenerSettings, Settings, SettingsError, SourceSettings
from pam_receiver.identity.model import Policy
from pam_receiver.profile.load import ProfileError, ProfileSet, load_profiles
from pam_receiver.profile.model import Strictness
from pam_receiver.receive import AnswerStyle
from pam_receiver.rulebook import check_grades
from pam_receiver.sources import Admission, Source, Sources


def make_policy(settings: Settings) -> Policy:
    """Return the settings that decisions depend on."""
    return Policy(
        takes_test_ins=settings.environment == "test",
        incomplete_qualified_identity=settings.incomplete_qualified_identity,
        deduce_recuperee=settings.deduce_recuperee,
        stale_updates=settings.stale_updates,
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
    admission = _make_admission(settings)
    general = Source(name="", profiles=profiles, reading=reading, policy=make_policy(settings), admission=admission)
    made = [_make_source(settings, each, profile, overlay) for each in settings.sources]
    of_listeners = {each.port: _behind(each, settings, general, made) for each in settings.listeners}
    return Sources(general, _asking(made), of_listeners)


def _asking(sources: Iterable[Source]) -> tuple[Source, ...]:
    """Return those that ask something of a message, by port first; the others take from their listeners alone."""
    asking = [each for each in sources if (each.application, each.facility, each.port) != (None, None, None)]
    return tuple(sorted(asking, key=lambda each: each.port is None))


def _behind(listener: ListenerSettings, settings: Settings, general: Source, named: Sequence[Source]) -> Sources:
    """Return the sources of what comes in by a listener: held to its limits, its environment, its senders."""
    policy, admission = general.policy, _make_admission(settings, listener)
    if listener.environment is not None:
        policy = replace(policy, takes_test_ins=listener.environment == "test")
    here = [replace(each, policy=policy, admission=admission) for each in named]
    for each in here:
        if each.name == listener.source:
            return Sources(replace(each, application=None, facility=None, port=None))
    taking = [each for each in here if each.port in (None, listener.port)]
    return Sources(replace(general, policy=policy, admission=admission), _asking(taking))


def _make_admission(settings: Settings, listener: ListenerSettings | None = None) -> Admission:
    if listener is None:
        return Admission(most_segments=settings.max_segments, most_repetitions=settings.max_repetitions)
    return Admission(
        applications=listener.applications,
        facilities=listener.facilities,
        receiving_applications=listener.receiving_applications,
        receiving_facilities=listener.receiving_facilities,
        most_segments=listener.max_segments or settings.max_segments,
        most_repetitions=listener.max_repetitions or settings.max_repetitions,
        most_bytes=listener.max_block_bytes,
    )


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
        admission=_make_admission(settings),
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
