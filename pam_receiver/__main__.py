"""``python -m pam_receiver``: the same as the command ``pam-receiver``."""

from pam_receiver.cli import main

if __name__ == "__main__":
    main()
