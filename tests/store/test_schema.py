"""Times: aware and in UTC whatever the database, and texts that sort on SQLite."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from pam_receiver.store.schema import UtcTime

PARIS_SUMMER = timezone(timedelta(hours=2))
NOON = datetime(2025, 7, 1, 12, tzinfo=PARIS_SUMMER)


class TestUtcTime:
    def test_sqlite_keeps_a_text_of_one_length_in_utc(self) -> None:
        made = UtcTime().process_bind_param(NOON, sqlite.dialect())
        assert made == "2025-07-01T10:00:00.000000+00:00"

    def test_postgresql_keeps_a_time_in_utc(self) -> None:
        made = UtcTime().process_bind_param(NOON, postgresql.dialect())
        assert isinstance(made, datetime)
        assert (made, made.tzinfo) == (NOON, UTC)

    @pytest.mark.parametrize("kept", ["2025-07-01T10:00:00.000000+00:00", NOON])
    def test_what_comes_back_is_in_utc(self, kept: str | datetime) -> None:
        made = UtcTime().process_result_value(kept, sqlite.dialect())
        assert made is not None
        assert (made, made.tzinfo) == (NOON, UTC)

    def test_no_time_stays_none(self) -> None:
        assert UtcTime().process_bind_param(None, sqlite.dialect()) is None
        assert UtcTime().process_result_value(None, sqlite.dialect()) is None

    def test_a_time_without_offset_is_refused(self) -> None:
        with pytest.raises(ValueError, match="offset"):
            UtcTime().process_bind_param(datetime(2025, 7, 1), sqlite.dialect())  # noqa: DTZ001
