"""The wire: MLLP blocks, ER7 messages, data types and acknowledgements. Pure: no socket, no clock, no log."""
