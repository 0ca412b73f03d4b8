"""What commands say to people of TLS. Part of ``texts``."""

from collections.abc import Mapping
from typing import Final

TLS_TEXTS: Final[Mapping[str, tuple[str, str]]] = {  # key: (fr, en)
    "option.tls": ("Envoie par TLS.", "Send by TLS."),
    "option.ca": (
        "Les autorités dont le certificat du destinataire doit venir (PEM) ; sinon celles du système.",
        "The authorities that the certificate of the peer must come from (PEM); else those of the system.",
    ),
    "option.certificate": ("Le certificat à présenter (PEM).", "The certificate to show (PEM)."),
    "option.key": (
        "Sa clé (PEM) ; sinon celle du même fichier.",
        "Its key (PEM); else the one in the same file.",
    ),
    "option.key-password-file": (
        "Le fichier qui contient le mot de passe de la clé.",
        "The file that holds the password of the key.",
    ),
    "option.server-name": (
        "Le nom que le certificat du destinataire doit porter ; sinon l'hôte de --to.",
        "The name that the certificate of the peer must bear; else the host of --to.",
    ),
    "failure.without-tls": (
        "à donner avec --ca, --certificate, --key et --server-name",
        "to be given with --ca, --certificate, --key and --server-name",
    ),
    "send.reason.tls": ("TLS n'a pas abouti ({reason})", "TLS failed ({reason})"),
}
