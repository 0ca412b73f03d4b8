"""The MLLP listener: sockets, limits, time-outs, shutdown. It judges no message and makes no answer."""

from pam_receiver.listener.limits import Callers, Limits
from pam_receiver.listener.server import Listener, hold_port, shut_down

__all__ = ["Callers", "Limits", "Listener", "hold_port", "shut_down"]
