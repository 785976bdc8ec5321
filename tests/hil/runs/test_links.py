"""What went over the wires, added up over links that were opened anew."""

from pathlib import Path

import pytest

from hil.runs.links import TELL_S, LinkBook, grown
from hil.store import open_store
from hil.store.protocol import Store
from tests.hil.runs.helpers import plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.hil.runs.threads import Service
from tests.support.waiting import until


class Seconds:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def _wires(sent: int, **more: int) -> dict[str, dict[str, object]]:
    return {"crossbar": {"unit": "frames", "sent": sent, **more}}


def test_counts_go_on_where_the_last_link_and_the_last_worker_ended(store: Store, seconds: Seconds) -> None:
    book = LinkBook(store, seconds)
    book.opened()
    book.closed(_wires(10, rejected_crc=1))
    book.opened()
    book.tell(_wires(0))
    assert store.links()["crossbar"]["sent"] == 10, "nothing is told twice a second"
    seconds.now += TELL_S
    book.tell(_wires(5))
    assert store.links()["crossbar"] == {"unit": "frames", "sent": 15, "rejected_crc": 1, "reconnects": 1}
    later = LinkBook(store, seconds)
    later.opened()
    seconds.now += TELL_S
    later.tell(_wires(2, rejected_crc=2))
    assert store.links()["crossbar"] == {"unit": "frames", "sent": 17, "rejected_crc": 3, "reconnects": 1}


def test_the_same_counts_are_not_told_again(store: Store, seconds: Seconds) -> None:
    book = LinkBook(store, seconds)
    book.tell(_wires(3))
    before = store.changes()
    seconds.now += 10
    book.tell(_wires(3))
    assert store.changes() == before


def test_sums_keep_every_instrument_and_every_count() -> None:
    assert grown(_wires(1, late=2), {"smu": {"unit": "messages", "sent": 4}, **_wires(1, naks=1)}) == {
        "crossbar": {"unit": "frames", "sent": 2, "late": 2, "naks": 1},
        "smu": {"unit": "messages", "sent": 4},
    }


def test_a_worker_tells_what_went_over_all_three_wires_and_never_less(tmp_path: Path, store: Store) -> None:
    seen: list[int] = []

    def told() -> int:
        seen.append(int(watching.links().get("crossbar", {}).get("sent", 0)))
        return seen[-1]

    watching = open_store(tmp_path / "data")
    with SimulatedLab(tmp_path) as lab:
        for sent in (2 * 4, 2 * 2 * 4):
            with Service(lab.config, store) as service:
                service.ended(service.submit(plan_of(kind="read", dies=[(0, 0)])))
                until(lambda sent=sent: told() >= sent, 10)
            told()
        assert set(watching.links()) == {"crossbar", "smu", "prober"}
        assert all(counts["sent"] > 0 for counts in watching.links().values())
    assert seen == sorted(seen), "not even from one worker to the next"
    watching.close()
