"""The needles' log: what the pads, the probe card and its cleaning interval have borne, whatever became of the process."""

import math
import sqlite3
from pathlib import Path

import pytest

from hil.model.runs import ContactMade, Noted
from hil.store import open_store
from hil.store.database import FILE_NAME
from hil.store.logs import NeedleLog
from hil.store.protocol import Store
from hil.store.records import Touch, Wear
from tests.hil.store.conftest import HandClock, running

DIE = (-3, 0)


def log_of(store: Store, wafer: str = "W1") -> NeedleLog:
    log = store.needle_log()
    log.at(wafer, "r1")
    return log


def touch(log: NeedleLog, die=DIE, counter: int = 0, ohms: float = 8.0) -> None:
    log.made(log.book(die, 1), Touch(counter, "contact" if math.isfinite(ohms) else "open", ohms, 0.0))


def test_a_touchdown_counts_from_the_moment_it_is_booked(store: Store, tmp_path: Path) -> None:
    log_of(store).book(DIE, 1)
    again = open_store(tmp_path / "data")
    assert again.touchdowns("W1") == {DIE: 1}
    assert (log_of(again).wear(DIE).on_die, again.card().touchdowns) == (1, 1)
    again.close()


def test_what_was_refused_never_counted(store: Store) -> None:
    log = log_of(store)
    log.give_back(log.book(DIE, 1))
    assert (store.touchdowns("W1"), store.card().touchdowns, store.contact_trend()) == ({}, 0, [])


def test_dies_are_counted_wafer_by_wafer_and_the_card_over_all_of_them(store: Store) -> None:
    log = log_of(store)
    touch(log)
    touch(log, (0, 0))
    log.at("W2", "r2")
    touch(log)
    assert (store.touchdowns("W1"), store.touchdowns("W2")) == ({DIE: 1, (0, 0): 1}, {DIE: 1})
    assert (log.wear(DIE).on_die, log.wear(DIE).on_card, log.wear().on_die) == (1, 3, 0)


def test_a_new_card_begins_at_nothing_and_says_what_the_old_one_had_made(store: Store, clock: HandClock) -> None:
    touch(log_of(store))
    clock.advance(60)
    card = store.new_card("anna", "Q-114")
    assert (card.name, card.by, card.since, card.touchdowns, card.since_cleaning) == ("Q-114", "anna", "2026-01-02T03:05:05.000Z", 0, 0)
    told = store.events()[-1]
    assert (told.kind, told.payload["what"], told.payload["by"]) == ("station", "card", "anna")
    assert told.payload["text"] == "probe card 'Q-114' was put in; 'first card' before it had made 1 touchdowns"
    touch(log_of(store))
    assert (store.card().touchdowns, store.touchdowns("W1")) == (1, {DIE: 2}), "the pads are the same"


def test_cleaning_by_hand_begins_the_interval_anew_and_spends_no_cleaning_of_the_wafer(store: Store) -> None:
    log = log_of(store)
    touch(log)
    card = store.card_cleaned("anna")
    assert (card.touchdowns, card.since_cleaning, card.cleaned_at) == (1, 0, "2026-01-02T03:04:05.000Z")
    touch(log)
    assert (log.wear().since_cleaning, log.wear().cleanings) == (1, 0)


def test_cleaning_by_the_prober_wears_the_needles_and_counts_for_the_wafer_even_if_it_is_cut_short(store: Store) -> None:
    log = log_of(store)
    touch(log)
    number = log.book_cleaning(5)
    assert log.wear() == Wear(on_card=6, since_cleaning=6, cleanings=1, counter=0)
    log.cleaned(number, 1)
    assert log.wear() == Wear(on_card=6, since_cleaning=0, cleanings=1, counter=1)
    log.at("W2", None)
    assert log.wear().cleanings == 0


def test_what_the_prober_counted_more_counts_for_the_card_and_is_told(store: Store) -> None:
    log = log_of(store)
    log.counted("SIM1", 10, 0, None)
    touch(log, counter=11)
    log.counted("SIM1", 14, 3, "three more")
    wear = log.wear(DIE)
    assert (wear.prober, wear.counter, wear.booked_since, wear.on_die, wear.on_card) == ("SIM1", 14, 0, 1, 4)
    assert (store.card().elsewhere, store.card().counter) == (3, 14)
    told = [event.payload for event in store.events() if event.kind == "station"]
    assert [(each["what"], each["text"]) for each in told] == [("touchdowns_elsewhere", "three more")]
    log.book(DIE, 1)
    assert log.wear().booked_since == 1


def test_the_trend_outlives_restarts_and_shows_the_latest_oldest_first(store: Store, tmp_path: Path) -> None:
    log = log_of(store)
    for ohms in (8.0, math.inf, 9.0):
        touch(log, ohms=ohms)
    log.book(DIE, 4)
    log.at("W2", "r2")
    touch(log, (0, 0))
    again = open_store(tmp_path / "data")
    trend = again.contact_trend()
    again.close()
    assert [(each.wafer, each.die, each.ohms, each.finding) for each in trend] == [
        ("W1", DIE, 8.0, "contact"),
        ("W1", DIE, None, "open"),
        ("W1", DIE, 9.0, "contact"),
        ("W1", DIE, None, None),
        ("W2", (0, 0), 8.0, "contact"),
    ]
    assert [(each.on_die, each.on_card) for each in trend] == [(1, 1), (2, 2), (3, 3), (4, 4), (1, 5)]
    assert [each.ohms for each in store.contact_trend(2)] == [None, 8.0]
    assert [each.die for each in store.contact_trend(wafer="W2")] == [(0, 0)]


def test_the_newest_touch_of_a_die_is_the_last_one_that_was_measured(store: Store) -> None:
    log = log_of(store)
    touch(log, ohms=8.0)
    touch(log, ohms=9.0)
    log.book(DIE, 1)
    log.give_back(log.book((0, 0), 1))
    assert {die: each.ohms for die, each in store.newest_touches("W1").items()} == {DIE: 9.0}


@pytest.mark.parametrize("dropped", [True, False])
def test_touchdowns_of_an_earlier_release_still_count(store: Store, tmp_path: Path, dropped: bool) -> None:
    run = running(store)
    store.append(run.id, ContactMade(DIE, 12.5, 2))
    store.append(run.id, Noted("no contact", "none", {"die": [0, 0], "steps_left": 1, "touchdowns": 3}))
    store.append(run.id, Noted("no contact", "spent", {"die": [0, 0], "steps_left": 1, "touchdowns_in_all": 4}))
    store.append(run.id, Noted("clock stepped", "by an hour", {"seconds": 3600}))
    store.close()
    if dropped:
        with sqlite3.connect(tmp_path / "data" / FILE_NAME) as raw:
            raw.execute("DROP TABLE needle_log")
        raw.close()
    again = open_store(tmp_path / "data")
    assert again.touchdowns("W1") == ({DIE: 2, (0, 0): 4} if dropped else {})
    assert again.card().touchdowns == (6 if dropped else 0)
    assert [(each.touchdowns, each.finding) for each in again.contact_trend()] == (
        [(2, "contact"), (3, None), (1, None)] if dropped else []
    )
    again.close()
