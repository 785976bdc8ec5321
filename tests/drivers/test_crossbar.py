"""The real driver against the real simulated controller, over TCP sockets and a pseudo-terminal."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from drivers.board_link import SessionTaken
from drivers.board_talk import Denied, ask
from drivers.crossbar import Crossbar, inspect_crossbar, open_crossbar, open_crossbar_for_safety, read_status
from drivers.crossbar_units import to_vmm_inputs
from drivers.errors import ConnectFailed, EmergencyStopped, LinkLost, OutcomeUnknown, OverLimit, Refused, WrongInstrument
from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, Opcode, Route, Status
from firmware_protocol.framing import Deframer, Frame
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from simulator.board import ADC_STEP_AMPS
from tests.support.relay import Relay, relay
from tests.support.simulated_lab import SEED, SMALL, CountedPulseIds, SimulatedLab, simulated_lab
from tests.support.waiting import until

BAUD = 921_600
ALL = np.ones((SMALL.rows, SMALL.columns), dtype=np.bool_)
ONE_JUNCTION = np.zeros_like(ALL)
ONE_JUNCTION[2, 3] = True


@pytest.fixture
def lab() -> Iterator[SimulatedLab]:
    """Needles on the home die, the controller as after switching on."""
    with simulated_lab() as made:
        made.world.touch((0, 0))
        yield made


def address(lab: SimulatedLab) -> str:
    return lab.lab.crossbar.address


@contextmanager
def opened(where: str, ids: CountedPulseIds | None = None, timeout_s: float = 5.0) -> Iterator[Crossbar]:
    with closing(open_crossbar(where, BAUD, ids or CountedPulseIds(), timeout_s)) as crossbar:
        yield crossbar


@pytest.fixture
def crossbar(lab: SimulatedLab) -> Iterator[Crossbar]:
    with opened(address(lab)) as made:
        yield made


def conductance(crossbar: Crossbar, averages: int = 16) -> np.ndarray:
    reading = crossbar.read_kernel(1, 0.1, averages)
    return reading.amps / reading.read_volts


# --- who answers


def test_the_controller_says_itself_that_it_is_simulated(crossbar: Crossbar) -> None:
    identity, info = crossbar.identify(), crossbar.info()
    assert (identity.simulated, identity.seed, identity.serial) == (True, SEED, f"SIM{SEED}")
    assert info.origin == {"simulated": True, "seed": SEED}
    assert (info.geometry, info.limits) == (SMALL, Limits())


def test_connecting_looking_and_closing_change_nothing(lab: SimulatedLab) -> None:
    before = list(lab.world.events)
    with opened(address(lab)) as crossbar:
        crossbar.identify()
        crossbar.status()
        found = inspect_crossbar(address(lab))
    assert lab.world.events == before
    assert found.identity == crossbar.identify()
    assert found.in_session


def test_looking_does_not_take_the_session_from_its_owner(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.select_junction(1, 2, 3)
    assert read_status(address(lab)).selected == (1, 2, 3)
    crossbar.select_contact_pads()
    assert crossbar.status().route == "CONTACT_PADS"


def test_another_geometry_than_configured_is_refused_naming_both(lab: SimulatedLab) -> None:
    with pytest.raises(WrongInstrument, match=r"\(2, 4, 5\).*\(32, 25, 25\)"):
        open_crossbar(address(lab), BAUD, CountedPulseIds(), geometry=Geometry())


# --- paths


def test_what_is_selected_is_what_the_world_connects(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.select_junction(1, 2, 3)
    assert lab.world.selected == (Route.JUNCTION, SMALL.device(1, 2, 3))
    crossbar.select_contact_pads()
    assert lab.world.selected == (Route.CONTACT_PADS, None)
    crossbar.isolate()
    assert lab.world.selected == (Route.NONE, None)
    assert crossbar.status().state == "SAFE"


def test_a_junction_that_does_not_exist_is_refused_by_name(lab: SimulatedLab, crossbar: Crossbar) -> None:
    with pytest.raises(Refused, match="row 4 is outside 0 to 3"):
        crossbar.select_junction(0, 4, 0)
    assert lab.world.selected == (Route.NONE, None)


def test_reading_through_the_board_leaves_the_path_to_the_smu_first(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.select_junction(0, 0, 0)
    crossbar.read_kernel(0, 0.1)
    assert lab.world.selected == (Route.NONE, None)


# --- reading


def test_a_kernel_reads_as_the_die_is(lab: SimulatedLab, crossbar: Crossbar) -> None:
    die = lab.world.wafer.die((0, 0))
    for volts, state_p in ((0.9, True), (-0.9, False)):
        for _ in range(4):
            crossbar.pulse(1, ALL, volts, 1e-7)
        truth = die.cell_siemens(state_p, 0.1)[1]
        # Gain errors of 1 % and offsets of half a code are the board's own.
        assert np.abs(conductance(crossbar) - truth).max() < 0.03 * truth.max() + 0.6 * ADC_STEP_AMPS / 0.1


def test_without_contact_every_junction_reads_open(lab: SimulatedLab, crossbar: Crossbar) -> None:
    lab.world.lift()
    assert np.abs(conductance(crossbar)).max() < 1.5 * ADC_STEP_AMPS / 0.1


def test_averaging_narrows_the_reading(crossbar: Crossbar) -> None:
    once = np.std([crossbar.read_kernel(0, 0.1, 1).amps for _ in range(20)], axis=0).mean()
    often = np.std([crossbar.read_kernel(0, 0.1, 16).amps for _ in range(20)], axis=0).mean()
    assert often < once / 2


@pytest.mark.parametrize("volts", [float("nan"), float("inf")])
def test_a_voltage_that_is_no_number_is_refused(crossbar: Crossbar, volts: float) -> None:
    with pytest.raises(Refused, match="finite"):
        crossbar.read_kernel(0, volts)
    with pytest.raises(Refused, match="finite"):
        crossbar.pulse(0, ALL, volts, 1e-7)


def test_a_read_voltage_over_the_limit_is_refused_naming_both(crossbar: Crossbar) -> None:
    with pytest.raises(OverLimit, match=r"0\.31 V .*limit of 0\.3 V"):
        crossbar.read_kernel(0, 0.31)


@pytest.mark.parametrize(("kernel", "averages"), [(2, 1), (-1, 1), (0, 0), (0, 70_000)])
def test_a_kernel_or_an_average_that_does_not_exist_is_refused(crossbar: Crossbar, kernel: int, averages: int) -> None:
    with pytest.raises(Refused, match=f"{kernel}|{averages}"):
        crossbar.read_kernel(kernel, 0.1, averages)


# --- vector-matrix products


@pytest.mark.parametrize(("direction", "axis"), [("rows", 0), ("columns", 1)])
def test_a_product_is_the_sum_of_the_single_currents(crossbar: Crossbar, direction: str, axis: int) -> None:
    driven = SMALL.rows if direction == "rows" else SMALL.columns
    inputs = np.linspace(-0.1, 0.1, 300 * driven).reshape(300, driven)
    amps = crossbar.vmm(1, inputs, direction)
    siemens = conductance(crossbar)
    expected = inputs @ (siemens if axis == 0 else siemens.T)
    assert amps.shape == expected.shape
    assert np.abs(amps - expected).max() < 0.05 * np.abs(expected).max() + 4 * ADC_STEP_AMPS


def test_inputs_over_the_limit_or_of_another_shape_are_refused(crossbar: Crossbar) -> None:
    with pytest.raises(OverLimit, match=r"limit of 0\.3 V"):
        crossbar.vmm(0, np.full((1, SMALL.rows), -0.4))
    with pytest.raises(Refused, match=r"\(vectors, 4\)"):
        crossbar.vmm(0, np.zeros((1, SMALL.columns)))
    with pytest.raises(Refused, match="finite"):
        crossbar.vmm(0, np.full((1, SMALL.rows), np.nan))
    with pytest.raises(Refused, match="sideways"):
        crossbar.vmm(0, np.zeros((1, SMALL.rows)), "sideways")
    assert crossbar.vmm(0, np.zeros((0, SMALL.rows))).shape == (0, SMALL.columns)


def test_a_saturated_converter_gives_no_number() -> None:
    with simulated_lab(dies=1, geometry=Geometry(1, 25, 5)) as lab, opened(address(lab)) as crossbar:
        lab.world.touch((0, 0))
        amps = crossbar.vmm(0, np.stack([np.full(25, 0.3), np.full(25, 0.05), np.full(25, -0.3)]))
        assert np.isnan(amps[[0, 2]]).all()
        assert np.isfinite(amps[1]).all()


def test_inputs_that_the_link_cannot_carry_are_refused_not_turned_over() -> None:
    """On a board whose read limit is above what 16 bits of 10 uV can say."""
    assert to_vmm_inputs(np.array([0.327, -0.327]), 500_000).tolist() == [32_700, -32_700]
    for volts in (0.5, -0.5, 1e15, 1e305):
        with pytest.raises(OverLimit, match="input_volts"):
            to_vmm_inputs(np.array([0.1, volts]), 500_000)


# --- integers


@pytest.mark.parametrize("wrong", [0.5, "1", None, np.float64(1.0)])
def test_what_is_no_integer_addresses_no_junction(crossbar: Crossbar, wrong: int) -> None:
    one = np.zeros((1, SMALL.rows))
    for ask_for in (
        lambda: crossbar.pulse(wrong, ALL, 0.1, 1e-7),
        lambda: crossbar.read_kernel(wrong, 0.1),
        lambda: crossbar.read_kernel(0, 0.1, wrong),
        lambda: crossbar.vmm(wrong, one),
        lambda: crossbar.select_junction(0, wrong, 0),
        lambda: crossbar.select_junction(0, 0, wrong),
        lambda: crossbar.read_junctions([(0, 0, 0), (wrong, 0, 0)], 0.1),
        lambda: crossbar.wear(wrong),
    ):
        with pytest.raises(Refused, match="an integer is needed"):
            ask_for()
    assert crossbar.status().pulses == 0


def test_a_mask_of_numbers_is_refused(crossbar: Crossbar) -> None:
    with pytest.raises(Refused, match="bool"):
        crossbar.pulse(0, np.full(ALL.shape, 2), 0.1, 1e-7)  # type: ignore[arg-type]


@pytest.mark.parametrize("volts", [0.0, 1e-7, -4e-7])
def test_a_pulse_that_rounds_to_nothing_is_refused(crossbar: Crossbar, volts: float) -> None:
    with pytest.raises(Refused, match="no pulse at all"):
        crossbar.pulse(0, ALL, volts, 1e-7)


def test_a_voltage_beyond_all_numbers_is_refused(crossbar: Crossbar) -> None:
    with pytest.raises(OverLimit, match=r"1e\+305 V"):
        crossbar.pulse(0, ALL, 1e305, 1e-7)


@pytest.mark.parametrize(
    ("counts", "what"),
    [
        (np.array([np.nan, 1, 0, 0]), "integers"),
        (np.array([1.0, 1, 0, 0]), "integers"),
        (np.array([True, True, False, False]), "integers"),
        (np.array([np.iinfo(np.int64).min, 1, 0, 0]), "at most 127"),
        (np.array([np.iinfo(np.uint64).max, 1, 0, 0], np.uint64), "at most 127"),
        (np.array([-128, 1, 0, 0], np.int8), "at most 127"),
    ],
)
def test_counts_of_an_outer_product_that_are_no_small_integers_are_refused(crossbar: Crossbar, counts: np.ndarray, what: str) -> None:
    with pytest.raises(Refused, match=what):
        crossbar.outer_product(0, counts, np.array([1, 1, 0, 0, 0]), 0.1, 1e-7)
    assert crossbar.status().pulses == 0


# --- pulses


def test_a_pulse_changes_only_the_junctions_of_the_mask_and_settles_their_ids(lab: SimulatedLab) -> None:
    ids = CountedPulseIds(next_id=500)
    with opened(address(lab), ids) as crossbar:
        crossbar.pulse(1, ALL, -1.0, 1e-6)
        executed = crossbar.pulse(1, ONE_JUNCTION, 1.0, 1e-6)
        assert (executed == ONE_JUNCTION).all()
        assert (lab.world.wafer.die((0, 0)).state_p[1] == ONE_JUNCTION).all()
        assert crossbar.status().last_pulse_id == 520
    assert ids.settled == [(500, ("executed",) * 20), (520, ("executed",))]


def test_an_empty_mask_uses_no_id_and_sends_nothing(crossbar: Crossbar) -> None:
    sent = crossbar.counts().sent
    assert not crossbar.pulse(0, ~ALL, 0.8, 1e-7).any()
    assert crossbar.counts().sent == sent


def test_a_mask_longer_than_a_command_goes_in_several(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with opened(address(lab), ids) as crossbar:
        crossbar.tighten_limits(Limits(pulses_per_command=6))
        assert crossbar.pulse(0, ALL, 0.8, 1e-7).all()
    assert [(first, len(outcomes)) for first, outcomes in ids.settled] == [(1, 6), (7, 6), (13, 6), (19, 2)]


@pytest.mark.parametrize(
    ("volts", "seconds", "what"),
    [
        (1.3, 1e-7, r"1\.3 V .*1\.2 V"),
        (-1.3, 1e-7, r"-1\.3 V .*1\.2 V"),
        (0.8, 2e-3, r"0\.002 s .*0\.001 s"),
        (0.8, 1e-10, "1 ns"),
        (0.8, -1e-7, "1 ns"),
    ],
)
def test_a_pulse_beyond_the_limits_is_refused_before_an_id_is_used(lab: SimulatedLab, volts: float, seconds: float, what: str) -> None:
    ids = CountedPulseIds()
    with opened(address(lab), ids) as crossbar, pytest.raises(Refused, match=what):
        crossbar.pulse(0, ALL, volts, seconds)
    assert ids == CountedPulseIds()


def test_the_controller_refuses_by_itself_what_the_driver_would_not_send(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7)
    for beyond in (messages.Program(50, 1_300_000, 100, b"\0\0"), messages.Program(50, 800_000, 2_000_000, b"\0\0")):
        with pytest.raises(OverLimit, match=r"limit 1[02]00000"):
            ask(crossbar._link, beyond)
    assert crossbar.status().pulses == 1


def test_limits_can_be_tightened_and_never_widened(crossbar: Crossbar) -> None:
    assert crossbar.tighten_limits(Limits(device_uv=900_000)).device_uv == 900_000
    assert crossbar.tighten_limits(Limits()).device_uv == 900_000
    with pytest.raises(OverLimit, match=r"0\.95 V .*0\.9 V"):
        crossbar.pulse(0, ALL, 0.95, 1e-7)
    assert crossbar.pulse(0, ALL, 0.9, 1e-7).all(), "arming quotes the tightened limits"


def test_ids_go_on_above_what_the_controller_has_seen(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.pulse(0, ALL, 0.1, 1e-7)
    seen = crossbar.status().last_pulse_id
    ids = CountedPulseIds()
    with opened(address(lab), ids) as second:
        assert ids.next_id == seen + 1
        second.pulse(0, ONE_JUNCTION, 0.1, 1e-7)


def test_a_used_id_is_refused_and_never_tried_again(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with opened(address(lab), ids) as crossbar:
        crossbar.pulse(0, ALL, 0.1, 1e-7)
        seen = crossbar.status().last_pulse_id
        ids.next_id = 1
        with pytest.raises(Refused, match="someone else pulsed"):
            crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7)
        assert ids.settled[-1] == (1, ("refused",))
        assert ids.next_id == seen + 1
        assert crossbar.status().pulses == 20


def test_a_controller_that_the_dead_man_disarmed_is_not_armed_again_unasked(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with opened(address(lab), ids) as crossbar:
        crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7)
        lab.crossbar.tick(10**18)
        with pytest.raises(Refused, match="the controller disarmed itself: DEAD_MAN"):
            crossbar.pulse(0, ALL, 0.1, 1e-7)
        assert (crossbar.status().state, crossbar.status().pulses) == ("SAFE", 1)
        assert ids.settled[-1] == (2, ("refused",) * 20)
        assert crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7).sum() == 1, "whoever knows and goes on arms as for the first pulse"


def test_a_command_that_the_dead_man_overtook_in_the_queue_says_so(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7)
    lab.crossbar.tick(10**18)
    refused = Denied("PROGRAM refused", Status.REFUSED_CONFIG, messages.Refusal(DeviceState.SAFE))
    assert "the controller disarmed itself: DEAD_MAN" in str(crossbar._pulser.denied(refused))
    assert crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7).sum() == 1, "whoever knows and goes on arms anew"


def another_host(lab: SimulatedLab, ends_armed: bool = True) -> Crossbar:
    """Opens a session of its own, and pulses."""
    other = open_crossbar(address(lab), BAUD, CountedPulseIds())
    if ends_armed:
        other.pulse(0, ONE_JUNCTION, 0.1, 1e-7)
    return other


def test_a_session_that_another_host_took_is_not_taken_back_to_ask_after_pulses(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with opened(address(lab), ids) as crossbar:
        crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7)
        with closing(another_host(lab)) as other:
            with pytest.raises(SessionTaken, match="another host opened a session"):
                crossbar.pulse(0, ALL, 0.1, 1e-7)
            assert ids.settled[-1] == (2, ("refused",) * 20), "the board said so, asked without a session"
            assert other.status().state == "ARMED"
            assert other.pulse(0, ONE_JUNCTION, 0.1, 1e-7).sum() == 1, "its session is still its own"
            with pytest.raises(SessionTaken, match="open it again"):
                crossbar.read_kernel(0, 0.1)


def test_isolating_takes_a_stolen_session_for_that_alone(lab: SimulatedLab, crossbar: Crossbar) -> None:
    with closing(another_host(lab, ends_armed=False)) as other:
        other.select_junction(0, 0, 0)
        crossbar.isolate()
        assert lab.world.selected == (Route.NONE, None)
        with pytest.raises(SessionTaken):
            crossbar.select_contact_pads()
        assert lab.world.selected == (Route.NONE, None)


def test_a_long_mask_stops_where_its_line_was_lost_and_says_how_far_it_came(lab: SimulatedLab) -> None:
    with crossbar_losing(lab, "to_host", CountedPulseIds(), Relay.cut) as crossbar:
        crossbar.tighten_limits(Limits(pulses_per_command=8))
        executed = crossbar.pulse(0, ALL, 0.1, 1e-7)
        assert np.flatnonzero(executed).tolist() == list(range(8)), "nobody arms again unasked after a lost line"
        assert (crossbar.status().pulses, crossbar.status().state) == (8, "SAFE")
        assert crossbar.pulse(0, ~executed, 0.1, 1e-7).sum() == 12, "the next call does"


def test_without_a_durable_id_nothing_is_sent(lab: SimulatedLab) -> None:
    class FullDisk(CountedPulseIds):
        def reserve(self, count: int, pulse_volts: float, pulse_s: float) -> int:
            raise OSError(28, "No space left on device")

    with opened(address(lab), FullDisk()) as crossbar:
        with pytest.raises(OSError, match="No space"):
            crossbar.pulse(0, ALL, 0.8, 1e-7)
        assert crossbar.status().pulses == 0


def test_an_interrupt_while_waiting_leaves_the_ids_settled_as_unknown(lab: SimulatedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = CountedPulseIds()
    with opened(address(lab), ids) as crossbar:
        crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7)

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(crossbar._link, "wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                crossbar.pulse(0, ALL, 0.1, 1e-7)
        assert ids.settled[-1] == (2, ("unknown",) * 20)
        crossbar.isolate()
        assert crossbar.status().state == "SAFE"


# --- a line that fails


def losing(opcode: Opcode, then: Callable[[], None]) -> Callable[[bytes], bytes]:
    """Passes frames of either direction but the first of `opcode`, which is lost; `then` happens instead."""
    deframer, lost = Deframer(), threading.Event()

    def passing(data: bytes) -> bytes:
        frames = [found for found in deframer.feed(data) if isinstance(found, Frame)]
        if not lost.is_set() and any(frame.opcode == opcode for frame in frames):
            lost.set()
            then()
            return b""
        return data

    return passing


@contextmanager
def crossbar_losing(lab: SimulatedLab, way: str, ids: CountedPulseIds, then: Callable[[Relay], None]) -> Iterator[Crossbar]:
    with relay(address(lab)) as line:
        setattr(line, way, losing(Opcode.PROGRAM, lambda: then(line)))
        with opened(line.address, ids, timeout_s=1.0) as crossbar:
            yield crossbar


def test_a_lost_answer_on_a_line_that_stays_is_asked_for_again(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with crossbar_losing(lab, "to_host", ids, lambda line: None) as crossbar:
        assert crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7).sum() == 1
        assert crossbar.counts().retransmitted > 0
        assert crossbar.status().pulses == 1


def test_a_pulse_whose_answer_was_lost_with_the_line_is_found_to_be_executed(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with crossbar_losing(lab, "to_host", ids, Relay.cut) as crossbar:
        assert crossbar.pulse(0, ALL, 0.1, 1e-7).all()
        assert crossbar.status().pulses == 20
        assert crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7).sum() == 1, "and the driver goes on"
    assert ids.settled[0] == (1, ("executed",) * 20)


def test_a_pulse_lost_on_the_way_there_is_found_not_to_be_executed(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with crossbar_losing(lab, "to_device", ids, Relay.cut) as crossbar:
        assert not crossbar.pulse(0, ALL, 0.1, 1e-7).any()
        assert crossbar.status().pulses == 0
    assert ids.settled == [(1, ("refused",) * 20)]


def test_a_pulse_is_unknown_when_the_controller_restarted_and_is_not_sent_again(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()

    def restart(line: Relay) -> None:
        lab.crossbar.reboot(61_000, 0)
        line.cut()

    with crossbar_losing(lab, "to_host", ids, restart) as crossbar:
        with pytest.raises(OutcomeUnknown, match=r"1 to 20 .*restarted.*do not repeat") as caught:
            crossbar.pulse(0, ALL, 0.1, 1e-7)
        assert (caught.value.first_pulse_id, caught.value.count) == (1, 20)
        assert ids.settled == [(1, ("unknown",) * 20)]
        assert crossbar.status().pulses == 0, "since the restart"


def test_a_pulse_is_unknown_when_nothing_can_be_asked_any_more(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()

    def die(line: Relay) -> None:
        line._closing.set()
        line.cut()

    with crossbar_losing(lab, "to_host", ids, die) as crossbar, pytest.raises(OutcomeUnknown, match="read the junctions back"):
        crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7)
    assert ids.settled == [(1, ("unknown",))]


def test_a_cut_connection_is_noticed_at_once(lab: SimulatedLab) -> None:
    with relay(address(lab)) as line, opened(line.address) as crossbar:
        line.cut()
        with pytest.raises(LinkLost, match=line.address):
            crossbar.status()
        with pytest.raises(LinkLost, match="open it again"):
            crossbar.read_kernel(0, 0.1)


def test_isolating_works_over_a_new_connection_when_the_old_one_is_gone(lab: SimulatedLab) -> None:
    with relay(address(lab)) as line, opened(line.address) as crossbar:
        crossbar.select_junction(0, 0, 0)
        line.cut()
        until(lambda: crossbar._link.down)
        crossbar.isolate()
        assert lab.world.selected == (Route.NONE, None)


def test_tightened_limits_outlive_a_new_connection(lab: SimulatedLab) -> None:
    with relay(address(lab)) as line, opened(line.address) as crossbar:
        crossbar.tighten_limits(Limits(device_uv=500_000))
        lab.crossbar.reboot(61_001, 0)
        line.cut()
        until(lambda: crossbar._link.down)
        crossbar.isolate()
        with pytest.raises(OverLimit, match="500000"):
            crossbar._arm()
            ask(crossbar._link, messages.Program(10_000, 600_000, 100, b"\0\0"))


@pytest.mark.parametrize("pty", [False, True])
def test_bytes_that_arrive_one_at_a_time_still_work(lab: SimulatedLab, pty: bool) -> None:
    with relay(address(lab), pty=pty, piece=1) as line, opened(line.address) as crossbar:
        crossbar.pulse(1, ONE_JUNCTION, 0.8, 1e-7)
        assert crossbar.read_kernel(1, 0.1).amps.shape == ALL.shape


def garbling(seed: int) -> Callable[[bytes], bytes]:
    """Passes one direction's bytes; in one of twelve pieces a bit is flipped or a byte doubled."""
    rng = np.random.default_rng(seed)

    def passing(data: bytes) -> bytes:
        if rng.random() >= 0.08:
            return data
        place = int(rng.integers(len(data)))
        return data[:place] + bytes([data[place] ^ 1 << int(rng.integers(8))]) + data[place + int(rng.integers(2)) :]

    return passing


@pytest.mark.parametrize("pty", [False, True])
def test_on_a_line_that_garbles_bytes_every_pulse_is_applied_once_and_every_reading_is_right(lab: SimulatedLab, pty: bool) -> None:
    with relay(address(lab), pty=pty) as line, opened(line.address) as crossbar:
        quiet = conductance(crossbar)
        line.to_device, line.to_host = garbling(seed=5), garbling(seed=6)
        for _ in range(60):
            assert crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7).sum() == 1
            assert np.abs(conductance(crossbar) - quiet).max() < 1.5 * ADC_STEP_AMPS / 0.1
        assert crossbar.counts().retransmitted > 0
        line.to_device = line.to_host = lambda data: data
        assert crossbar.status().pulses == 60


# --- safety


def test_an_emergency_stop_from_another_thread_isolates_and_latches(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.select_junction(0, 0, 0)
    thread = threading.Thread(target=crossbar.emergency_stop)
    thread.start()
    thread.join(5)
    assert lab.world.selected == (Route.NONE, None)
    with pytest.raises(EmergencyStopped, match="latched"):
        crossbar.pulse(0, ALL, 0.8, 1e-7)
    with pytest.raises(EmergencyStopped):
        crossbar.read_kernel(0, 0.1)
    crossbar.isolate()
    assert crossbar.status().state == "ESTOPPED", "making safe does not unlatch"
    crossbar.clear_emergency_stop()
    assert crossbar.pulse(0, ONE_JUNCTION, 0.1, 1e-7).sum() == 1


def test_the_safety_path_stops_a_controller_that_a_driver_holds(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.select_junction(0, 0, 0)
    with open_crossbar_for_safety(address(lab)) as line:
        line.emergency_stop()
    assert lab.world.selected == (Route.NONE, None)
    assert read_status(address(lab)).state == "ESTOPPED"
    with open_crossbar_for_safety(address(lab)) as line:
        line.clear_emergency_stop()
    assert read_status(address(lab)).state == "SAFE"


def test_isolating_from_outside_takes_the_session_from_its_owner(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.select_junction(0, 0, 0)
    with open_crossbar_for_safety(address(lab)) as line:
        line.isolate()
    assert lab.world.selected == (Route.NONE, None)
    with pytest.raises(LinkLost, match="another host"):
        crossbar.select_junction(0, 0, 0)
    assert lab.world.selected == (Route.NONE, None)


def test_on_a_device_in_use_looking_keeps_off(lab: SimulatedLab) -> None:
    with relay(address(lab), pty=True) as line, opened(line.address), pytest.raises(ConnectFailed, match="in use"):
        inspect_crossbar(line.address)


@pytest.mark.parametrize("attempt", range(10))
def test_the_safety_path_hears_its_answer_on_a_device_that_a_driver_reads(lab: SimulatedLab, attempt: int) -> None:
    with relay(address(lab), pty=True, piece=7) as line, opened(line.address) as crossbar:
        crossbar.select_junction(0, 0, 0)
        with open_crossbar_for_safety(line.address, timeout_s=1.0) as safety:
            safety.emergency_stop()
        assert lab.world.selected == (Route.NONE, None)
        assert lab.crossbar.state is DeviceState.ESTOPPED
        if crossbar._link.down:
            with pytest.raises(SessionTaken, match="stood aside"):
                crossbar.status()


@pytest.mark.parametrize("attempt", range(5))
def test_isolating_a_device_that_a_driver_reads_is_verified(lab: SimulatedLab, attempt: int) -> None:
    with relay(address(lab), pty=True, piece=7) as line, opened(line.address) as crossbar:
        crossbar.select_junction(0, 0, 0)
        with open_crossbar_for_safety(line.address, timeout_s=1.0) as safety:
            safety.isolate()
        assert lab.world.selected == (Route.NONE, None)
        with pytest.raises(SessionTaken):
            crossbar.select_junction(0, 0, 0)
        assert lab.world.selected == (Route.NONE, None)


def test_a_driver_that_stood_aside_isolates_once_the_safety_path_has_done(lab: SimulatedLab) -> None:
    with relay(address(lab), pty=True) as line, opened(line.address) as crossbar:
        crossbar.select_junction(0, 0, 0)
        with open_crossbar_for_safety(line.address) as safety:
            safety.isolate()
            threading.Timer(0.3, safety.close).start()
            crossbar.isolate()
        with pytest.raises(SessionTaken):
            crossbar.status()
        assert read_status(line.address).state == "SAFE"


def test_sixteen_zero_bytes_alone_stop_the_controller(lab: SimulatedLab, crossbar: Crossbar) -> None:
    crossbar.select_junction(0, 0, 0)
    crossbar._link._port.write(bytes(16))
    until(lambda: lab.world.selected == (Route.NONE, None))
    assert crossbar.status().safe_reason == "ESTOP"


def test_a_closed_driver_leaves_no_thread_and_no_path_open_for_long(lab: SimulatedLab) -> None:
    before = threading.active_count()
    with opened(address(lab)) as crossbar:
        crossbar.tighten_limits(Limits(dead_man_ms=100))
        crossbar.select_junction(0, 0, 0)
    assert threading.active_count() == before
    until(lambda: lab.world.selected == (Route.NONE, None))
    assert read_status(address(lab)).safe_reason == "DEAD_MAN"
