"""Needles on the wafer: where they really stand, when they touch, what a contact is worth, and what goes into the ledger."""

import itertools
import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.ledger import LedgerError, LedgerFile
from simulator.needles import Damage, Needles
from simulator.physics.heat import ChuckHeat
from simulator.physics.surface import Surface
from simulator.physics.touch import CARD_TOUCHDOWNS, CLEANING_TOUCHDOWNS, PAD_TOUCHDOWNS, Wear, contact_ohms
from tests.simulator.worlds import touching, world

CONTACT_UM = 16_000.0


def needles() -> Needles:
    return world("clean").needles


def touch(on: Needles, overtravel_um: float = 0.0) -> None:
    on.move_z(CONTACT_UM - 250.0, output_on=False)
    on.move_z(CONTACT_UM + overtravel_um, output_on=False)


# --- where they stand
@given(st.floats(-1.0, 1.0), st.floats(-60.0, 125.0), st.sampled_from(world("clean").wafer.dies))
@settings(max_examples=60, deadline=None)
def test_the_stage_place_of_a_die_puts_the_needles_on_it_however_the_wafer_lies_and_how_warm_it_is(
    lying_deg: float, temperature_c: float, die: tuple[int, int]
) -> None:
    made = needles()
    made.lying_deg, made.temperature_c = lying_deg, temperature_c
    made.move_stage(*made.stage_of(die))
    assert made.die_below == die
    assert made.over_wafer_um == pytest.approx((die[0] * 10_000.0, die[1] * 10_000.0), abs=5.0)


def test_the_stage_never_comes_back_to_quite_the_same_place() -> None:
    made, seen = needles(), set()
    for _ in range(20):
        made.move_stage(*made.stage_of((1, 0)))
        made.move_stage(*made.stage_of((0, 0)))
        seen.add(made.over_wafer_um)
    assert len(seen) == 20
    assert max(math.hypot(x, y) for x, y in seen) < 5.0, "but well within the pads"


def test_the_same_seed_misses_the_same_way() -> None:
    places = []
    for _ in range(2):
        made = needles()
        made.move_stage(*made.stage_of((2, 1)))
        places.append(made.over_wafer_um)
    assert places[0] == places[1]


# --- when they touch
def test_the_wafer_is_not_flat_and_at_the_commissioned_height_every_die_touches() -> None:
    made = needles()
    heights = []
    for die in made.wafer.dies:
        made.move_stage(*made.stage_of(die))
        heights.append(made.first_touch_um())
    assert 2.0 < max(heights) - min(heights) < 10.0
    assert min(heights) > CONTACT_UM - 12.0 and max(heights) < CONTACT_UM - 0.5


def test_beside_the_wafer_the_needles_reach_nothing() -> None:
    made = needles()
    made.move_stage(made.home_stage_um[0] + 80_000.0, made.home_stage_um[1])
    made.move_z(CONTACT_UM + 60.0, output_on=False)
    assert not made.touching and made.damage == []


@given(st.floats(-50_000.0, 50_000.0), st.floats(-50_000.0, 50_000.0), st.floats(-60.0, 125.0))
@settings(max_examples=60, deadline=None)
def test_a_warmer_chuck_is_a_higher_one_everywhere(x_um: float, y_um: float, temperature_c: float) -> None:
    surface = Surface.of_seed(1, 10_000.0)
    cold, warm = (surface.above_commissioned_um(x_um, y_um, temperature_c + kelvin) for kelvin in (0.0, 10.0))
    assert warm - cold == pytest.approx(5.0)


# --- what a contact is worth
def test_contact_resistance_falls_with_overtravel_and_grows_with_dirt_and_worn_pads() -> None:
    assert contact_ohms(0.0, 0.0, 0.0) > 100 > contact_ohms(3.0, 0.0, 0.0) > contact_ohms(20.0, 0.0, 0.0) > 2
    assert contact_ohms(20.0, 1.0, 0.0) > contact_ohms(20.0, 0.0, 0.0) < contact_ohms(20.0, 0.0, 1.0)


def test_dirt_grows_faster_the_longer_nobody_cleans() -> None:
    wear, ohms = Wear(), [0.0]
    for _ in range(4):
        for _ in range(1_000):
            wear.touch(None)
        ohms.append(wear.dirt_ohms)
    steps = [later - earlier for earlier, later in itertools.pairwise(ohms)]
    assert steps == sorted(steps) and steps[-1] > 2 * steps[0]
    wear.clean(10)
    assert wear.dirt_ohms < 0.1


def test_pads_that_were_touched_too_often_conduct_worse() -> None:
    made = needles()
    made.move_stage(*made.stage_of((0, 0)))
    touch(made)
    fresh = made.contact_ohms()
    for _ in range(PAD_TOUCHDOWNS + 9):
        touch(made)
    assert made.contact_ohms() > fresh + 20
    made.clean()
    assert made.contact_ohms() > fresh + 20, "cleaning needles mends no pads"


# --- the ledger
def test_dragging_is_recorded_once_a_move_and_when_it_begins() -> None:
    made = touching("clean").needles
    made.leave_for(0.0, 0.0)
    assert [damage.kind for damage in made.damage] == ["xy_in_contact"]
    made.arrive(0.0, 0.0)
    assert len(made.damage) == 1


def test_a_way_that_meets_the_wafer_in_the_middle_drags_as_well() -> None:
    made = needles()
    x_um, y_um = made.home_stage_um
    made.move_stage(x_um - 80_000.0, y_um)
    made.move_z(CONTACT_UM, output_on=False)
    assert not made.touching
    made.move_stage(x_um + 80_000.0, y_um)
    assert [damage.kind for damage in made.damage] == ["xy_in_contact"]


@pytest.mark.parametrize("over_um", [10.0, 60.0, 85.0])
def test_overtravel_within_what_the_needles_bear_is_no_damage(over_um: float) -> None:
    made = needles()
    made.move_stage(*made.stage_of((0, 0)))
    touch(made, over_um)
    assert made.damage == []


def test_overtravel_counts_from_where_the_needles_touched_not_from_what_was_commissioned() -> None:
    made = needles()
    made.move_stage(*made.stage_of((0, 0)))
    made.warm(125.0)
    touch(made, 60.0)
    assert [damage.kind for damage in made.damage] == ["overtravel"]


def test_touching_a_die_too_often_is_damage_from_then_on() -> None:
    made = needles()
    made.move_stage(*made.stage_of((0, 0)))
    for _ in range(PAD_TOUCHDOWNS + 2):
        touch(made)
    assert [(damage.kind, damage.die) for damage in made.damage] == 2 * [("excess_touchdown", (0, 0))]


@pytest.mark.parametrize(("count", "kind"), [("of_card", "card_worn"), ("since_cleaning", "cleaning_overdue")])
def test_so_is_wearing_out_the_card_and_never_cleaning_it(count: str, kind: str) -> None:
    made = needles()
    made.move_stage(*made.stage_of((0, 0)))
    setattr(made.wear, count, {"of_card": CARD_TOUCHDOWNS, "since_cleaning": float(CLEANING_TOUCHDOWNS)}[count])
    touch(made)
    assert [damage.kind for damage in made.damage] == [kind]


def test_warming_up_in_contact_is_damage_by_every_few_kelvin() -> None:
    made = touching("clean").needles
    made.warm(26.0)
    assert made.damage == []
    for temperature_c in (28.0, 29.0, 31.0):
        made.warm(temperature_c)
    assert [damage.kind for damage in made.damage] == 2 * ["thermal_in_contact"]


def test_whoever_asks_for_it_is_told_of_every_damage_at_once() -> None:
    made, told = touching("clean").needles, []
    made.report = told.append
    made.turn(1.0)
    assert told == made.damage == [Damage("theta_in_contact", (0, 0), "chuck turned from 0 to 1 deg")]


# --- the ledger as a file
def test_the_file_is_there_before_anything_happens_and_holds_a_line_for_each_damage(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = LedgerFile(path)
    assert path.read_text() == ""
    made = touching("clean").needles
    made.report = ledger.record
    made.move_stage(0.0, 0.0)
    (entry,) = map(json.loads, path.read_text().splitlines())
    assert (entry["kind"], entry["die"]) == ("xy_in_contact", [0, 0]) and entry["monotonic_s"] <= time.monotonic()


def test_a_ledger_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="choose another --ledger"):
        LedgerFile(tmp_path / "nowhere" / "ledger.jsonl")


def test_the_lab_appends_to_the_ledger_as_it_happens(tmp_path: Path) -> None:
    import socket

    path, lab = tmp_path / "ledger.jsonl", tmp_path / "lab.toml"
    command = [sys.executable, "-m", "simulator", "--clock", "fast", "--dies", "1", "--ledger", str(path), "--write-lab", str(lab)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = ""
        while line != "ready\n":
            line = process.stdout.readline() or "ended too early\n"
            assert line != "ended too early\n"
        assert path.read_text() == ""
        port = int(lab.read_text().partition("[prober]")[2].partition("::SOCKET")[0].rpartition("::")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as client, client.makefile("rwb") as talk:
            talk.write(b"move_chuck_contact\nmove_chuck_xy R, 50, 0\n")
            talk.flush()
            assert talk.readline() == b"0,0,16000.0\n" and talk.readline().startswith(b"0,0,")
        assert [json.loads(each)["kind"] for each in path.read_text().splitlines()] == ["xy_in_contact"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


# --- warmth
@given(st.floats(-60.0, 300.0), st.floats(0.05, 5.0), st.floats(0.0, 5_000.0))
@settings(max_examples=100, deadline=None)
def test_the_wafer_lags_behind_the_sensor_and_both_arrive(target_c: float, kelvin_per_s: float, seconds: float) -> None:
    heat = ChuckHeat(kelvin_per_s)
    heat.set(target_c, 0.0)
    low, high = sorted((25.0, target_c))
    assert low - 1e-9 <= heat.sensor_c(seconds) <= high + 1e-9
    assert low - 1e-6 <= heat.wafer_c(seconds) <= high + 1e-6
    assert abs(heat.wafer_c(seconds) - 25.0) <= abs(heat.sensor_c(seconds) - 25.0) + 1e-6
    assert heat.settled(1e6) and heat.wafer_c(1e6) == pytest.approx(target_c)


def test_a_target_that_is_changed_on_the_way_begins_where_it_is() -> None:
    heat = ChuckHeat(1.0)
    heat.set(85.0, 0.0)
    sensor_c, wafer_c = heat.sensor_c(30.0), heat.wafer_c(30.0)
    heat.set(25.0, 30.0)
    assert heat.sensor_c(30.0) == pytest.approx(sensor_c) and heat.wafer_c(30.0) == pytest.approx(wafer_c)
