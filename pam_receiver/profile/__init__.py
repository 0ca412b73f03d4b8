"""What a message is held to: profiles, read from TOML on top of HL7 v2.5, and the check of one message."""
