"""A wrong command line on a French machine: a French sentence, exit 2."""

import pytest
import typer

from pam_receiver.cli.usage import UsageError, explain_usage

from .conftest import Run


class TestFrench:
    @pytest.fixture(autouse=True)
    def _french_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LANG", "fr_FR.UTF-8")

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (["show"], "Il manque l'argument VALUE."),
            (["send", "x.hl7"], "Il manque l'option --to."),
            (["send", "x.hl7", "--to"], "L'option --to attend une valeur."),
            (["show", "100", "--json=1"], "L'option --json ne prend pas de valeur."),
            (["show", "100", "--colour"], "Option inconnue : --colour."),
            (["messages", "--jsn"], "Option inconnue : --jsn. Vouliez-vous dire --json ?"),
            (["jouer"], "Commande inconnue : jouer."),
            (["db", "upgrde"], "Commande inconnue : upgrde. Vouliez-vous dire upgrade ?"),
            (["show", "100", "200"], "Argument(s) en trop : 200."),
            (["messages", "--ack", "CA"], "Valeur refusée pour --ack. Attendu : AA, AE ou AR."),
            (["messages", "--limit", "ten"], "Valeur refusée pour --limit. Attendu : un nombre entier."),
            (["messages", "--limit", "0"], "Valeur refusée pour --limit. Attendu : au moins 1."),
            (["messages", "--limit", "100001"], "Valeur refusée pour --limit. Attendu : au plus 100000."),
            (["send", "x", "--to", "h:1", "--timeout", "x"], "Valeur refusée pour --timeout. Attendu : un nombre."),
            (["send", "x", "--to", "nowhere"], "Valeur refusée pour --to. Attendu : HÔTE:PORT."),
        ],
        ids=" ".join,
    )
    def test_the_sentence(self, words: list[str], sentence: str, run: Run) -> None:
        result = run(*words)
        assert (result.code, result.out) == (2, "")
        assert result.err.splitlines()[-1] == f"Erreur : {sentence}"

    def test_the_usage_and_where_the_help_is(self, run: Run) -> None:
        usage, hint, _ = run("show").err.splitlines()
        assert usage.startswith("Usage : pam-receiver show ")
        assert hint == "« pam-receiver show --help » montre l'aide."

    @pytest.mark.parametrize("words", [[], ["db"]])
    def test_no_word_at_all_shows_the_help(self, words: list[str], run: Run) -> None:
        result = run(*words)
        assert result.code == 2
        assert "Montre cette aide." in result.out + result.err
        assert "Erreur" not in result.err

    @pytest.mark.parametrize("words", [[], ["show"], ["db"], ["db", "upgrade"]])
    def test_the_line_of_help_itself(self, words: list[str], run: Run) -> None:
        result = run(*words, "--help")
        assert result.code == 0
        assert "Montre cette aide." in result.out
        assert "Show this" not in result.out

    def test_the_option_counts_as_the_locale_does(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LANG", "en_GB.UTF-8")
        assert "Il manque l'argument VALUE." in run("show", "--lang", "fr").err

    def test_other_ends_keep_their_exit_codes(self, run: Run, morning_url: str) -> None:
        assert run("show", "100", "--database", morning_url).code == 0
        assert run("show", "none", "--database", morning_url).code == 1
        assert run("--version").code == 0


class TestEnglish:
    def test_keeps_the_words_of_typer(self, run: Run) -> None:
        assert "Missing argument 'VALUE'" in run("show").err


class TestExplainUsage:
    def test_a_range_as_click_says_it(self) -> None:
        error = typer.BadParameter("0 is not in the range 1<=x<=9.", param_hint="--limit")
        assert explain_usage(error, "fr") == "Erreur : Valeur refusée pour --limit. Attendu : un nombre de 1 à 9."

    @pytest.mark.parametrize(
        ("message", "sentence"),
        [
            ("Missing command.", "Il manque une commande."),
            ("No such thing.", "Ligne de commande refusée (No such thing.)"),
        ],
    )
    def test_what_has_only_words(self, message: str, sentence: str) -> None:
        assert explain_usage(UsageError(message), "fr") == f"Erreur : {sentence}"
