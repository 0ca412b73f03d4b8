"""Plans of what walks through a table page by page: each page is found by its key, and nothing is sorted."""

import pytest
from sqlalchemy import Select

from pam_receiver.store import Store, checkpoints, erasure, resealing

from .test_reads import check_plan, plan_of

WALKS: dict[str, tuple[Select, dict[str, object]]] = {
    "identities": (checkpoints._IDENTITIES.limit(5), {"last": "0190"}),
    "merges": (checkpoints._MERGES.limit(5), {"absorbed": "0190", "message_id": "0190"}),
    "authorities": (checkpoints._SEEN.limit(5), {"last": "0190"}),
    "part": (checkpoints._PART, {"id": "0190", "at": 1}),
    "texts": (erasure._TEXTS.limit(5), {"last": "0190"}),
    "snapshots": (erasure._SNAPSHOTS, {"of": "0190"}),
    "causes": (erasure._CAUSES, {"of": "0190"}),
    "keys": (resealing._IDS.limit(5), {"last": "0190"}),
    "one": (resealing._ONE, {"of": "0190"}),
}


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_goes_by_its_key(store: Store, author, name: str) -> None:
    author.create(store, *(author.identity(f"{n}") for n in range(200)))
    with store.begin() as tx:
        tx.connection.exec_driver_sql("ANALYZE")
    plan = plan_of(store, *WALKS[name])
    check_plan(plan)
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan.replace("Sort Key: message_text.", "")  # that by which the months are merged
