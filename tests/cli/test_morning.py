"""The demo's morning: invented people, right keys, the story that it tells."""

import pytest

from pam_receiver.cli.morning import Scene, morning
from pam_receiver.hl7.er7 import parse_message
from pam_receiver.hl7.header import read_header
from pam_receiver.identity.identifiers import INS_OIDS, has_right_key, is_well_formed


class TestScenes:
    def test_tell_the_whole_story(self) -> None:
        events = [read_header(parse_message(scene.raw)).trigger_event for scene in morning()]
        assert len(events) == 22
        assert {"A28", "A31", "A01", "A02", "A03", "Z99", "A47", "A40", "A08"} == set(events)

    def test_have_names_of_their_own_and_words_in_both_languages(self) -> None:
        names = [scene.name for scene in morning()]
        assert len(set(names)) == len(names)
        assert all(scene.fr and scene.en for scene in morning())

    def test_are_sent_in_the_order_of_their_clock(self) -> None:
        clocks = [read_header(parse_message(scene.raw)).sent_at for scene in morning()]
        assert clocks == sorted(clocks)

    @pytest.mark.parametrize("scene", morning(), ids=lambda scene: scene.name)
    def test_hold_matricules_with_a_right_key_that_nobody_has(self, scene: Scene) -> None:
        message = parse_message(scene.raw)
        fields = [segment.field(number) for name, number in (("PID", 3), ("MRG", 1)) for segment in message.named(name)]
        for repetition in [each for field in fields for each in field.repetitions]:
            if repetition.subcomponent(4, 2) in INS_OIDS and repetition.component(1) != '""':
                matricule = repetition.component(1) or ""
                assert is_well_formed(matricule)
                assert has_right_key(matricule)
                assert matricule[10:13] == "000"  # an order number that is never given
