"""HTTP: is it alive, is it ready, what does it count."""

from pam_receiver.web.app import ReadyState, WebServer, create_app, read_state, serve_web

__all__ = ["ReadyState", "WebServer", "create_app", "read_state", "serve_web"]
