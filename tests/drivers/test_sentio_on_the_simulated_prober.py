"""The SENTIO driver on the simulated prober, which moves, bends, gets warm and dirty by itself and keeps a ledger of what breaks."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drivers.errors import DriverError, LinkTimeout, MotionRefused, PositionNotVerified, ProberError
from drivers.links.visa import VisaLink
from drivers.prober.die_grid import DieGrid
from drivers.prober.sentio import Sentio
from drivers.prober.sentio_codes import CODES
from drivers.prober.sentio_deadlines import Deadlines, Kind
from drivers.prober.sentio_session import SentioSession
from drivers.prober.sentio_words import AxisOrient, RouteOrder, RouteStart, Station
from drivers.prober.soft_limits import SoftLimits
from simulator.prober_faults import PlannedFault, ProberFault, ProberFaults
from tests.support.simulated_lab import SimulatedLab, simulated_lab

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedLab]:
    with simulated_lab(dies=36) as sim:
        yield sim


@pytest.fixture
def sim(running: SimulatedLab) -> Iterator[SimulatedLab]:
    """Without faults, separated over home, and nothing broken in between."""
    running.prober.faults = ProberFaults()
    yield running
    running.prober.faults = ProberFaults()
    with driver(running) as prober:
        prober.separate()
    assert running.world.damage == []


@contextmanager
def driver(sim: SimulatedLab, **deadlines_s: float) -> Iterator[Sentio]:
    def connect() -> VisaLink:
        return VisaLink(sim.lab.prober.address, 5.0, unit="prober commands")

    others = {Kind[name]: seconds for name, seconds in deadlines_s.items()}
    limits = SoftLimits(dies=frozenset(sim.lab.wafer.dies), overtravel_um=sim.lab.limits.overtravel_um)
    grid = DieGrid(sim.lab.wafer.pitch_um, sim.lab.wafer.home)
    prober = Sentio(SentioSession(connect(), connect, Deadlines(others)), grid, limits, lambda: not sim.world.output_on)
    try:
        yield prober
    finally:
        prober.close()


def planned(kind: ProberFault, command: str = "", *, at: int = 1, hold_s: float | None = None, code: int = 2) -> ProberFaults:
    hold_ns = None if hold_s is None else round(hold_s * SECOND)
    return ProberFaults([PlannedFault(kind, command, at=frozenset({at}), hold_ns=hold_ns, code=code)], seed=1)


def test_the_whole_wafer_is_walked_touched_pressed_and_binned_without_a_scratch(sim: SimulatedLab):
    with driver(sim) as prober:
        before = prober.contact_count()
        walked = [prober.stepping.first()]
        while True:
            die = walked[-1].die
            assert prober.contact().die == die == sim.world.die_in_contact
            prober.press(20.0)
            assert not prober.separate().in_contact
            step = prober.stepping.bin_and_next(1)
            if step is None:
                break
            walked.append(step)
        assert [step.die for step in walked] == prober.stepping.route()
        assert {step.die for step in walked} == set(sim.lab.wafer.dies)
        assert (walked[-1].last_die, walked[0].last_die) == (True, False)
        assert prober.contact_count() == before + 36


def test_the_probers_map_may_count_any_way_and_the_dies_keep_their_names(sim: SimulatedLab):
    with driver(sim) as prober:
        try:
            for orient in (AxisOrient.DOWN_LEFT, AxisOrient.UP_LEFT, AxisOrient.DOWN_RIGHT):
                prober.map.set_axis_orient(orient)
                for die in ((1, 2), (-2, 0)):
                    assert prober.go_to_die(*die).die == die == sim.world.needles.die_below
            prober.map.set_routing(RouteStart.LOWER_RIGHT, RouteOrder.COLUMNS)
            assert prober.stepping.first().die == sim.world.needles.die_below == prober.stepping.route()[0]
        finally:
            prober.separate()
            prober.map.set_axis_orient(AxisOrient.UP_RIGHT)


def test_a_hundred_steps_not_taken_are_refused_and_the_state_never_names_a_die_that_is_not_there(sim: SimulatedLab):
    dice = random.Random(5)
    dies = list(sim.lab.wafer.dies)
    refused = 0
    with driver(sim) as prober:
        for count in range(100):
            sim.prober.faults = ProberFaults()
            here = dice.choice(dies)
            prober.go_to_die(*here)
            kind = (ProberFault.SILENT_STEP, ProberFault.LOST_STEP)[count % 2]
            sim.prober.faults = ProberFaults([PlannedFault(kind, at=frozenset({1}))])
            with pytest.raises(PositionNotVerified):
                prober.go_to_die(*dice.choice([die for die in dies if die != here]))
            refused += 1
            assert prober.state().die in (None, sim.world.needles.die_below)
    assert refused == 100


@pytest.mark.parametrize("command", ["map:step_die", "chuck:move_z", "get_chuck_site_status", "chuck:get_xy", "map:die:get_current_index"])
@pytest.mark.parametrize("code", [1, 3, 6, 12, 18, 19, 21, 23, 30, 60, 68, 100, 120, 999])
def test_every_error_of_the_prober_is_typed_and_leaves_the_needles_up(sim: SimulatedLab, command: str, code: int):
    with driver(sim) as prober:
        prober.go_to_die(0, 0)
        sim.prober.faults = planned(ProberFault.ERROR, command, code=code)
        with pytest.raises(ProberError) as failure:
            prober.go_to_die(1, 0)
            prober.contact()
        assert failure.value.code == code
        assert type(failure.value) is CODES.get(code, (None, type(failure.value)))[1]
        assert not sim.world.needles.touching
        assert prober.go_to_die(0, 0).die == (0, 0)


@pytest.mark.parametrize(("command", "kind"), [("map:step_die", "STEP"), ("chuck:move_z", "Z"), ("chuck:get_z", "QUESTION")])
def test_a_late_answer_is_never_taken_for_the_next_one(sim: SimulatedLab, command: str, kind: str):
    with driver(sim, **{kind: 0.2}) as prober:
        prober.go_to_die(0, 0)
        sim.prober.faults = planned(ProberFault.LATE, command, hold_s=0.5)
        with pytest.raises(LinkTimeout):
            prober.go_to_die(1, 0)
            prober.contact()
        assert prober.chuck_temperature_c() == pytest.approx(25.0, abs=2.0)
        assert not prober.separate().in_contact
        assert prober.go_to_die(-1, 0).die == (-1, 0) == sim.world.needles.die_below


@pytest.mark.parametrize("kind", [ProberFault.VACUUM_LOSS, ProberFault.DOOR_OPEN])
@pytest.mark.parametrize("command", ["chuck:move_z", "get_door_status", "status:get_machine_status", "get_chuck_site_status"])
def test_vacuum_or_a_door_lost_around_a_touchdown_is_told_and_nothing_breaks(kind: ProberFault, command: str):
    with simulated_lab(dies=4) as sim, driver(sim) as prober:
        prober.go_to_die(0, 0)
        sim.prober.faults = planned(kind, command)
        try:
            prober.contact()
            prober.press(10.0)
        except DriverError as error:
            assert isinstance(error, MotionRefused | ProberError | PositionNotVerified)
        state = prober.separate()
        assert not state.in_contact
        assert not (state.vacuum_on and state.doors_closed), "it is seen"
        with pytest.raises(MotionRefused, match=r"vacuum|door"):
            prober.contact()
        assert sim.world.damage == []


def test_no_touchdown_with_the_source_meter_on(sim: SimulatedLab):
    with driver(sim) as prober:
        prober.go_to_die(0, 0)
        sim.world.set_output(True, 0.1)
        try:
            with pytest.raises(MotionRefused, match="output is not verified off"):
                prober.contact()
        finally:
            sim.world.set_output(False, 0.0)


def test_a_cold_prober_is_brought_up_to_the_point_where_somebody_has_to_look():
    with simulated_lab(cold=True) as sim, driver(sim) as prober:
        prober.wafer.initialise()
        prober.wafer.load(Station.CASSETTE_1, 1)
        with pytest.raises(DriverError):
            prober.contact()
        assert sim.world.damage == []
        assert not sim.world.needles.touching
