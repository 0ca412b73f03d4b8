"""The root of every exception that pam-receiver raises on purpose.

What is expected of a *message* is a :class:`~pam_receiver.finding.Finding`, returned and never raised. Exceptions are
for a caller who broke a contract and for a world that failed. Each child lives with what raises it::

    PamReceiverError
    ├── hl7.mllp.BlockTooLarge          no end of block within the limit
    ├── hl7.er7.Unreadable              bytes that are no HL7 v2 message, or in no known charset
    ├── profile.load.ProfileError       a profile file that cannot be trusted: unknown key, unknown usage
    ├── config.SettingsError            a wrong or unknown setting
    ├── cli.send.NoAnswer               no connection, or no ACK in time
    └── store.StoreError                the database refuses a value, now and later
        ├── StoreSettingError           a URL or a revision that names nothing
        │   ├── backup.BackupExists     the name of a backup is taken
        │   ├── keys.KeysUnusable       a key file, or a variable of keys, that cannot be used
        │   └── keys.NoKey              an act needs a key, and there is none
        ├── keys.KeyMissing             sealed or signed with a key that is not there
        ├── keys.SealBroken             what was sealed or signed is not as it was written
        ├── checkpoints.CheckpointBroken  a checkpoint that is not as it was signed
        ├── backup.BackupDamaged        a backup that is not whole
        ├── StoreUnavailable            database away, locked, full or read-only: try again
        ├── StoreConflict               another writer was faster: load again and decide again
        └── SchemaMismatch              database at another revision than the code, or not ours
"""


class PamReceiverError(Exception):
    """Root of the tree; never raised itself."""
