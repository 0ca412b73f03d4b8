"""The settings: command line, environment, TOML file, defaults, in this order. Only ``cli`` reads them."""

from pam_receiver.config.settings import (
    CONFIG_VARIABLE,
    PREFIX,
    SETTINGS,
    Setting,
    Settings,
    load_settings,
    resolve_database,
)
from pam_receiver.config.sources import SOURCE_KEYS, SourceKey, SourceSettings, read_sources
from pam_receiver.config.values import Address, SettingsError, parse_address

__all__ = [
    "CONFIG_VARIABLE",
    "PREFIX",
    "SETTINGS",
    "SOURCE_KEYS",
    "Address",
    "Setting",
    "Settings",
    "SettingsError",
    "SourceKey",
    "SourceSettings",
    "load_settings",
    "parse_address",
    "read_sources",
    "resolve_database",
]
