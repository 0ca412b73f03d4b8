"""What the HTTP settings ask of each other: no one off this machine is served in clear, or without being asked who."""

from pathlib import Path

from pam_receiver.config.values import Address, SettingsError


def check_http(
    http: Address | None, *, certificate: Path | None, key: Path | None, is_behind_proxy: bool, metrics: Address | None
) -> None:
    """Refuse HTTP that a network could read, half of a certificate, and one address for two things.

    Raises:
        SettingsError: with what to set.
    """
    if (certificate is None) != (key is None):
        there, missing = ("http_certificate", "http_key") if key is None else ("http_key", "http_certificate")
        raise SettingsError(
            fr=f"{there} est donné sans {missing} : TLS demande les deux.",
            en=f"{there} is given without {missing}: TLS needs both.",
        )
    if http is not None and not http.is_loopback and certificate is None and not is_behind_proxy:
        raise SettingsError(
            fr=f"http {http} se voit du réseau : donnez http_certificate et http_key (TLS), "
            "ou http_behind_proxy = true si un mandataire (reverse proxy) chiffre devant.",
            en=f"http {http} can be seen from the network: give http_certificate and http_key (TLS), "
            "or http_behind_proxy = true if a reverse proxy in front encrypts.",
        )
    if metrics is not None and http is not None and metrics.port != 0 and metrics == http:
        raise SettingsError(
            fr=f"metrics_http et http sont la même adresse ({http}) ; donnez un autre port.",
            en=f"metrics_http and http are the same address ({http}); give another port.",
        )
