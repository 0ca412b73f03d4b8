"""INS 41: an acknowledgement hands no INS over, so that today no partner receives one from us."""

import re
from pathlib import Path

from golden import CONVERSATIONS, Conversation, make_receiver

from pam_receiver.store import Store

MATRICULE = re.compile(rb"(?<!\d)[12478]\d{4}(?:\d|[AB])\d{7}(?:\d{2})?(?!\d)")


def matricules(conversation: Conversation) -> set[bytes]:
    return {found for raw in conversation.messages for found in MATRICULE.findall(raw)}


def test_the_conversations_hold_many() -> None:
    assert len(set().union(*map(matricules, CONVERSATIONS))) >= 5


def test_no_golden_answer_holds_one() -> None:
    for conversation in CONVERSATIONS:
        for ack in conversation.golden_acks:
            assert [each for each in matricules(conversation) if each in ack] == [], conversation.name


def test_nor_does_any_that_is_given(sqlite_template: Path, tmp_path: Path) -> None:
    given = 0
    for conversation in [each for each in CONVERSATIONS if matricules(each)][:40]:
        file = tmp_path / f"{conversation.name}.db"
        file.write_bytes(sqlite_template.read_bytes())
        store = Store.open(f"sqlite:///{file}")
        receiver = make_receiver(store, conversation.settings)
        for incoming in conversation.incoming:
            (outcome,) = receiver.receive([incoming])
            assert [each for each in matricules(conversation) if each in outcome.ack] == [], conversation.name
            given += 1
        store.close()
    assert given > 40
