"""The receiver of French hospital identities (IHE PAM FR) for digital medical devices."""

__version__ = "0.1.0"
