"""HTTP: is it alive, is it ready, what does it count; and who may ask."""

from pam_receiver.web.app import ReadyState, create_app, create_metrics_app, read_state
from pam_receiver.web.auth import Guard, require
from pam_receiver.web.clients import Exposure
from pam_receiver.web.server import WebServer, serve_web

__all__ = [
    "Exposure",
    "Guard",
    "ReadyState",
    "WebServer",
    "create_app",
    "create_metrics_app",
    "read_state",
    "require",
    "serve_web",
]
