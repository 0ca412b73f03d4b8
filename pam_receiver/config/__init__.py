"""The settings: command line, environment, TOML file, defaults, in this order. Only ``cli`` reads them."""

from pam_receiver.config.listeners import LISTENER_KEYS, ListenerKey, ListenerSettings, TlsSettings, read_listeners
from pam_receiver.config.passwords import holds_password
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
    "LISTENER_KEYS",
    "PREFIX",
    "SETTINGS",
    "SOURCE_KEYS",
    "Address",
    "ListenerKey",
    "ListenerSettings",
    "Setting",
    "Settings",
    "SettingsError",
    "SourceKey",
    "SourceSettings",
    "TlsSettings",
    "holds_password",
    "load_settings",
    "parse_address",
    "read_listeners",
    "read_sources",
    "resolve_database",
]
