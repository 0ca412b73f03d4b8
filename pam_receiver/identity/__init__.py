"""Who a patient is: identifiers, the five strict traits, the status, and what an event decides. Pure.

Nothing here has heard of a segment; a :class:`~pam_receiver.finding.Location` is carried along, never made.
"""
