"""The rulebook: every rule that the receiver can judge by, once."""

import importlib
import pkgutil
from itertools import chain

import pytest

import pam_receiver
from pam_receiver.finding import Rule
from pam_receiver.profile.load import load_profiles
from pam_receiver.rulebook import CHAPTERS, RULES


def rules_in_code() -> set[Rule]:
    """Every ``Rule`` constant of any module of the package."""
    names = [each.name for each in pkgutil.walk_packages(pam_receiver.__path__, "pam_receiver.")]
    modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
    return {value for module in modules for value in vars(module).values() if isinstance(value, Rule)}


class TestRulebook:
    """Who explains the rules (``docs/reference/acknowledgements.md``) must not forget one."""

    def test_it_holds_every_rule_constant_of_the_package(self) -> None:
        assert set(RULES.values()) == rules_in_code()

    def test_no_id_serves_twice(self) -> None:
        listed = list(chain.from_iterable(CHAPTERS.values()))
        assert len(RULES) == len(listed)
        conditions = {each.rule for profile in load_profiles().profiles for each in profile.rules}
        assert len({rule.id for rule in conditions}) == len(conditions)
        assert RULES.keys().isdisjoint(rule.id for rule in conditions)

    @pytest.mark.parametrize("chapter", CHAPTERS)
    def test_no_chapter_is_empty(self, chapter: str) -> None:
        assert CHAPTERS[chapter]
