"""What the commands of tokens, and of secrets on the command line, say to people. Part of ``texts``."""

from collections.abc import Mapping
from typing import Final

TOKEN_TEXTS: Final[Mapping[str, tuple[str, str]]] = {  # key: (fr, en)
    "help.token": ("Les jetons par lesquels HTTP laisse entrer.", "The tokens by which HTTP lets in."),
    "help.token.create": (
        "Fait un jeton et le montre, une seule fois.",
        "Make a token and show it, once only.",
    ),
    "help.token.list": ("Liste les jetons, jamais leur secret.", "List the tokens, never their secret."),
    "help.token.revoke": ("Met fin à un jeton.", "End a token."),
    "argument.token-name": ("À qui il est : un programme, une personne.", "Whose it is: a program, a person."),
    "argument.token-id": ("L'id d'un jeton, montré par token list.", "The id of a token, as token list shows it."),
    "option.role": (
        "Ce qu'il permet : lire, agir, administrer.",
        "What it allows: to read, to act, to administer.",
    ),
    "option.expires": (
        "Sa durée (90d) ou son dernier jour (2027-06-30) ; sans elle, il n'a pas de fin.",
        "How long it lasts (90d) or its last day (2027-06-30); without it, it has no end.",
    ),
    "option.token-reason": ("Pourquoi, pour la piste d'audit.", "Why, for the audit trail."),
    "token.created": (
        "Jeton {id} ({role}) de {name} fait, {end}. Il n'est montré qu'ici : gardez-le maintenant.",
        "Token {id} ({role}) of {name} made, {end}. It is shown here only: keep it now.",
    ),
    "token.until": ("valable jusqu'au {moment}", "good until {moment}"),
    "token.no-end": ("sans fin", "without an end"),
    "token.none": ("Aucun jeton.", "No token."),
    "token.revoked": ("Jeton {id} de {name} : fini.", "Token {id} of {name}: ended."),
    "token.revoked-before": (
        "Jeton {id} de {name} : déjà fini le {moment}.",
        "Token {id} of {name}: already ended on {moment}.",
    ),
    "token.bad-name": (
        "Un nom de jeton a de 1 à 64 signes visibles, sans blanc au début ni à la fin.",
        "The name of a token has 1 to 64 visible signs, and no blank at its ends.",
    ),
    "token.bad-role": ("--role : reader, operator ou admin.", "--role: reader, operator or admin."),
    "token.bad-expiry": (
        "--expires : une durée en jours de 1d à 3650d, ou une date comme 2027-06-30.",
        "--expires: a number of days from 1d to 3650d, or a date such as 2027-06-30.",
    ),
    "token.past-expiry": ("--expires : {day} est passé.", "--expires: {day} has passed."),
    "token.name-taken": (
        "Un jeton en cours s'appelle déjà {name} : choisissez un autre nom, ou mettez-lui fin (token revoke).",
        "A token that has not ended is called {name} already: choose another name, or end it (token revoke).",
    ),
    "token.unknown": ("Aucun jeton n'a cet id.", "No token has this id."),
    "token.state.active": ("en cours", "active"),
    "token.state.expired": ("expiré", "expired"),
    "token.state.revoked": ("fini", "revoked"),
    "token.column.id": ("Id", "Id"),
    "token.column.name": ("Nom", "Name"),
    "token.column.role": ("Rôle", "Role"),
    "token.column.state": ("État", "State"),
    "token.column.created": ("Fait le", "Made on"),
    "token.column.created-by": ("Par", "By"),
    "token.column.expires": ("Expire", "Expires"),
    "failure.password-seen": (
        (
            "Le mot de passe de --database serait visible de tous sur cette machine (ps) : le donner par "
            "database_password_file, PGPASSFILE ou la variable PAM_RECEIVER_DATABASE."
        ),
        (
            "The password in --database could be seen by everyone on this machine (ps): give it by "
            "database_password_file, PGPASSFILE or the variable PAM_RECEIVER_DATABASE."
        ),
    ),
}
