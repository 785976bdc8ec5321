"""Two hosts and one board, and lines that are lost between them: whose pulse was it, and who may go on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import numpy as np
import pytest

from drivers.board_link import SessionTaken
from drivers.board_values import WriteVerifySettings
from drivers.crossbar import Crossbar, open_crossbar, open_crossbar_for_safety
from drivers.crossbar_writing import ProgramCommand, Waveform
from drivers.errors import EmergencyStopped, OutcomeUnknown
from firmware_protocol.codes import Opcode, PulseOutcome, Route
from firmware_protocol.framing import Deframer, Frame, Kind
from firmware_protocol.limits import Limits
from firmware_protocol.messages import ProgramResponse
from tests.support.relay import Relay, relay
from tests.support.simulated_lab import SMALL, CountedPulseIds, SimulatedLab, simulated_lab

BAUD = 921_600
ALL = np.ones((SMALL.rows, SMALL.columns), dtype=np.bool_)
FIRST = np.zeros_like(ALL)
FIRST[0, 0] = True
LAST = np.zeros_like(ALL)
LAST[3, 4] = True


@pytest.fixture
def lab() -> Iterator[SimulatedLab]:
    with simulated_lab() as made:
        made.world.touch((0, 0))
        yield made


@contextmanager
def opened(where: str, ids: CountedPulseIds | None = None) -> Iterator[Crossbar]:
    with closing(open_crossbar(where, BAUD, ids or CountedPulseIds(), 2.0)) as crossbar:
        yield crossbar


@contextmanager
def over_a_line(lab: SimulatedLab, ids: CountedPulseIds | None = None) -> Iterator[tuple[Relay, Crossbar]]:
    with relay(lab.lab.crossbar.address) as line, opened(line.address, ids) as crossbar:
        yield line, crossbar


def at_the(number: int, opcode: Opcode, then: Callable[[], object], *, passed_on: bool = False) -> Callable[[bytes], bytes]:
    """Passes one direction's bytes; with the frame of this opcode and number (from 1) `then` happens, and it is lost or passed on."""
    deframer, seen = Deframer(), [0]

    def passing(data: bytes) -> bytes:
        for found in deframer.feed(data):
            if isinstance(found, Frame) and found.opcode == opcode:
                seen[0] += 1
                if seen[0] == number:
                    then()
                    return data if passed_on else b""
        return data

    return passing


def test_another_hosts_pulse_of_the_same_number_is_not_taken_for_ours(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with over_a_line(lab, ids) as (line, crossbar):

        def another_host() -> None:
            with opened(lab.lab.crossbar.address) as other:
                other.pulse(1, FIRST, 0.1, 1e-7)
            line.cut()

        line.to_device = at_the(1, Opcode.PROGRAM, another_host)
        with pytest.raises(SessionTaken):
            crossbar.pulse(1, LAST, 0.1, 1e-7)
        assert ids.settled == [(1, ("refused",))]
    assert lab.crossbar._board.pulses.total == 1


def test_a_board_that_another_host_took_while_the_line_was_away_is_left_to_him(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with ExitStack() as ending, over_a_line(lab, ids) as (line, crossbar):
        crossbar.tighten_limits(Limits(pulses_per_command=5))
        others: list[Crossbar] = []

        def another_host() -> None:
            others.append(ending.enter_context(opened(lab.lab.crossbar.address)))
            others[0].pulse(0, FIRST, 0.1, 1e-7)
            line.cut()

        line.to_device = at_the(2, Opcode.PROGRAM, another_host)
        with pytest.raises(SessionTaken, match="5 pulses of the same call had been given") as caught:
            crossbar.pulse(1, ALL, 0.1, 1e-7)
        assert caught.value.executed == 5
        assert ids.settled == [(1, ("executed",) * 5), (6, ("refused",) * 5)]
        assert others[0].pulse(0, ALL, 0.1, 1e-7).all(), "his session is still his"
        with pytest.raises(SessionTaken):
            crossbar.pulse(1, ALL, 0.1, 1e-7)
        with pytest.raises(SessionTaken):
            crossbar.reconnect(1.0)
        crossbar.isolate()
        assert lab.world.selected == (Route.NONE, None), "but anybody may make it safe"


def test_what_ours_gave_is_known_although_another_host_has_the_board(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with ExitStack() as ending, over_a_line(lab, ids) as (line, crossbar):

        def another_host() -> None:
            ending.enter_context(opened(lab.lab.crossbar.address))
            line.cut()

        line.to_host = at_the(1, Opcode.PROGRAM, another_host)
        with pytest.raises(SessionTaken) as caught:
            crossbar.pulse(1, ALL, 0.1, 1e-7)
        assert (caught.value.executed, ids.settled) == (20, [(1, ("executed",) * 20)])


def test_an_opening_that_failed_half_way_is_not_another_host(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        line.to_host = at_the(1, Opcode.HELLO, line.cut)
        line.cut()
        crossbar.reconnect(5.0)
        assert crossbar.pulse(0, ALL, 0.1, 1e-7).all()


def test_ids_are_told_of_every_session_before_one_is_reserved(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    with over_a_line(lab, ids) as (line, crossbar):
        first = crossbar._link.endpoint.session
        line.to_host = at_the(1, Opcode.PROGRAM, line.cut)
        crossbar.pulse(0, ALL, 0.1, 1e-7)
        second = crossbar._link.endpoint.session
        serial = crossbar.identify().serial
        assert ids.sessions == [(serial, first), (serial, second)]


def test_a_later_process_tells_its_own_pulses_from_another_hosts(lab: SimulatedLab) -> None:
    with opened(lab.lab.crossbar.address) as earlier:
        earlier.pulse(0, ALL, 0.1, 1e-7)
        session = earlier._link.endpoint.session
    with opened(lab.lab.crossbar.address) as later:
        assert later.pulse_outcomes(1, 20, session) == ["executed"] * 20
        assert later.pulse_outcomes(1, 20, session ^ 1) == ["refused"] * 20
        assert later.pulse_outcomes(1, 20) == ["executed"] * 20
        assert later.pulse_outcomes(21, 20, session) == ["refused"] * 20
    lab.crossbar.reboot(61_000, 10**18)
    with opened(lab.lab.crossbar.address) as after:
        assert after.pulse_outcomes(1, 20, session) == ["unknown"] * 20


def test_a_verified_write_that_another_hosts_operation_followed_is_told_by_its_pulses(lab: SimulatedLab) -> None:
    ids = CountedPulseIds()
    settings = WriteVerifySettings(0.1, 0.9, -0.9, 1e-7, 1e-7, 2e-7, 2)
    with over_a_line(lab, ids) as (line, crossbar):
        targets = crossbar.read_kernel(0, 0.1).amps * 1.8

        def another_host() -> None:
            with opened(lab.lab.crossbar.address) as other:
                other.read_die(0.1)

        line.to_device = at_the(1, Opcode.RESULT, another_host, passed_on=True)
        with pytest.raises(OutcomeUnknown, match="its results are lost") as caught:
            crossbar.write_verify(0, targets, settings)
        given = lab.crossbar._board.pulses.total
        assert caught.value.executed == ids.settled[-1][1].count("executed") == given > 0


@pytest.mark.parametrize(
    ("outcomes", "executed"),
    [
        ([PulseOutcome.EXECUTED] * 3, 3),
        ([PulseOutcome.EXECUTED, PulseOutcome.REFUSED, PulseOutcome.REFUSED], 1),
        ([PulseOutcome.EXECUTED, PulseOutcome.LOST, PulseOutcome.LOST], None),
        ([PulseOutcome.NEVER_SEEN] * 3, None),
        ([PulseOutcome.REFUSED, PulseOutcome.EXECUTED, PulseOutcome.REFUSED], None),
        ([PulseOutcome.EXECUTED] * 2, None),
    ],
)
def test_an_answer_is_believed_only_if_the_first_so_many_were_given_and_the_rest_refused(
    outcomes: list[PulseOutcome], executed: int | None
) -> None:
    command = ProgramCommand(b"\1\0\2\0\3\0", Waveform(1, 1, 1e-6, 1e-9))
    command.message(10)
    assert command.executed(ProgramResponse(10, 12, bytes(outcomes))) == executed


def test_a_refusal_in_the_middle_of_a_mask_says_what_had_been_given(lab: SimulatedLab) -> None:
    with over_a_line(lab) as (line, crossbar):
        crossbar.tighten_limits(Limits(pulses_per_command=5))

        def stop() -> None:
            with open_crossbar_for_safety(lab.lab.crossbar.address) as safety:
                safety.emergency_stop()

        line.to_device = at_the(3, Opcode.PROGRAM, stop, passed_on=True)
        with pytest.raises(EmergencyStopped, match="10 pulses of the same call had been given") as caught:
            crossbar.pulse(0, ALL, 0.1, 1e-7)
        assert caught.value.executed == lab.crossbar._board.pulses.total == 10


def test_looking_on_does_not_open_a_session(lab: SimulatedLab) -> None:
    """Asking after pulses of a board that somebody else has says nothing but questions."""
    said: list[int] = []
    with ExitStack() as ending, over_a_line(lab) as (line, crossbar):
        deframer = Deframer()

        def note(data: bytes) -> bytes:
            said.extend(found.opcode for found in deframer.feed(data) if isinstance(found, Frame) and found.kind is Kind.REQUEST)
            return data

        crossbar.pulse(0, FIRST, 0.1, 1e-7)
        ending.enter_context(opened(lab.lab.crossbar.address))
        line.to_device = note
        with pytest.raises(SessionTaken):
            crossbar.pulse(0, FIRST, 0.1, 1e-7)
    assert set(said) == {Opcode.PROGRAM, Opcode.QUERY_PULSE}
