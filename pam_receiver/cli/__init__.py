"""The command line: builds the objects, hands them down, prints. Commands import what they run, inside."""

from pam_receiver.cli.app import main

__all__ = ["main"]
