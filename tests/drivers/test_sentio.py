"""SENTIO: the vendor's own bytes, a strict reply grammar, and no move without a state just read back."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentio_prober_control.Sentio.Enumerations import RemoteCommandError

from drivers.errors import (
    DriverError,
    LinkError,
    LinkTimeout,
    MotionRefused,
    OverLimit,
    PositionNotVerified,
    ProtocolError,
    WrongInstrument,
)
from drivers.links.visa import VisaLink
from drivers.prober import sentio_commands as say
from drivers.prober.sentio import Sentio, open_sentio
from drivers.prober.sentio_codes import CODES, ProberBug, ProberError, ProberFatal, ProberNeedsOperator, ProberRetryable
from drivers.prober.sentio_replies import StatusBits, parse_reply
from drivers.prober.sentio_session import SentioSession
from drivers.prober.sentio_state import WaferFrame
from drivers.protocols import Prober
from drivers.values import Placement
from tests.support.scripted_sentio import CONTACT_UM, PITCH_UM, ScriptedSentio
from tests.support.scripted_server import HANG_UP, Answer, Late, ScriptedServer
from tests.support.waiting import until

GOLDEN = Path(__file__).parent / "golden" / "sentio_client_lines.txt"
VENDOR_LINES = {line.removesuffix("|") for line in GOLDEN.read_text().splitlines() if not line.startswith("#")}
SWEEPME_LINES = {"stop_chuck_xyz"}
"""The vendor's client has no stop; SweepMe's has."""


@contextmanager
def prober_on(device: ScriptedSentio, deadlines: say.Deadlines | None = None) -> Iterator[tuple[Sentio, ScriptedServer]]:
    with ScriptedServer(device) as server:

        def connect() -> VisaLink:
            return VisaLink(server.address, 5.0, unit="prober commands")

        prober = Sentio(SentioSession(connect(), connect, deadlines or say.Deadlines()), WaferFrame(), overtravel_limit_um=60.0)
        yield prober, server
        prober.close()


# --- what is said
@pytest.mark.parametrize("version", ["24.0.7", "26.2.0"])
def test_every_line_is_one_the_vendors_client_sends(version: str):
    with prober_on(ScriptedSentio(version=version)) as (prober, server):
        prober.identify()
        prober.go_to_die(1, 0)
        prober.set_overtravel(True)
        prober.contact()
        prober.chuck_temperature_c()
        prober.contact_count()
        prober.separate()
        sent = set(server.lines)
    assert sent <= VENDOR_LINES | SWEEPME_LINES
    assert ("get_chuck_z Z" in sent) == (version < "25.2")
    assert "move_chuck_separation " in sent


@pytest.mark.parametrize(
    ("die", "line"), [((1, 0), "map:step_die 1, 0, 0"), ((9, 9), "map:step_die 9, 9, 0"), ((-3, 0), "map:step_die -3, 0, 0")]
)
def test_a_die_is_named_as_the_vendor_names_it_and_may_be_negative(die: tuple[int, int], line: str):
    assert say.step_die(*die) == line


def test_identifying_and_looking_change_nothing_and_take_no_control():
    with prober_on(ScriptedSentio()) as (prober, server):
        as_prober: Prober = prober
        identity = as_prober.identify()
        state = prober.state()
        assert (identity.vendor, identity.serial, identity.firmware, identity.simulated) == ("MPI", "TS2000-4711", "26.2.0", False)
        assert (state.die, state.z_um, state.in_contact) == ((0, 0), CONTACT_UM - 250.0, False)
        assert all(line.startswith(("status:get", "get_", "map:die:get")) for line in server.lines)


def test_the_first_motion_takes_control_and_forbids_stepping_in_contact():
    device = ScriptedSentio()
    with prober_on(device) as (prober, server):
        prober.go_to_die(1, 1)
        assert device.remote
        assert device.lock_contact
        assert server.lines[:2] == ["*RCS 1", "set_stepping_contact_mode LockContact"]
        prober.go_to_die(0, 1)
        assert server.lines.count("*RCS 1") == 1


@pytest.mark.parametrize(("machine_id", "origin"), [("SIM0001", (True, 1)), ("SIM", (True, None)), ("TS2000-4711", (False, None))])
def test_the_machine_itself_says_whether_it_is_simulated(machine_id: str, origin: tuple[bool, int | None]):
    with prober_on(ScriptedSentio(machine_id=machine_id)) as (prober, _):
        identity = prober.identify()
    assert (identity.simulated, identity.seed) == origin


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\n", b"KEITHLEY INSTRUMENTS,MODEL 2450,1,1\n", b"0,0,hello\n", b"\n"])
def test_another_instrument_is_named_with_what_to_do(answer: bytes):
    with ScriptedServer(lambda line: answer) as server:
        prober = open_sentio(server.address, 5.0)
        with pytest.raises(WrongInstrument, match=r"prober at TCPIP0::127.*lab\.toml"):
            prober.identify()
        prober.close()


def test_a_machine_that_says_nothing_is_named_and_not_waited_for():
    with ScriptedServer(lambda line: None) as server:
        prober = open_sentio(server.address, 0.05)
        with pytest.raises(LinkTimeout, match=r"TCPIP0::127.*lab\.toml"):
            prober.identify()
        prober.close()


# --- what is understood
@pytest.mark.parametrize(
    ("line", "status", "fields"),
    [
        ("0,0,16020.0", StatusBits.NONE, ("16020.0",)),
        ("1024,0,0,1,0", StatusBits.END_OF_ROUTE, ("0", "1", "0")),
        ("2048,0,OK", StatusBits.LAST_SITE, ("OK",)),
        ("1035,0,End of route reached!", StatusBits.END_OF_ROUTE, ("End of route reached!",)),
        ("11,0,End of route reached!", StatusBits.END_OF_ROUTE, ("End of route reached!",)),
        ("0,7,Version: 26.2.0\r", StatusBits.NONE, ("Version: 26.2.0",)),
        ("0,0,", StatusBits.NONE, ("",)),
    ],
)
def test_status_bits_and_fields_are_read(line: str, status: StatusBits, fields: tuple[str, ...]):
    reply = parse_reply(line, "x", "prober")
    assert (reply.status, reply.fields) == (status, fields)


@pytest.mark.parametrize("line", ["", "ERR busy", "0,0", "-1,0,OK", "a,0,OK", "0;0;OK", "0,,OK"])
def test_what_is_no_reply_is_refused(line: str):
    with pytest.raises(ProtocolError, match=r"'x' was answered .*lab\.toml"):
        parse_reply(line, "x", "prober")


@given(st.text(max_size=40))
def test_no_reply_whatever_crashes_the_parser(line: str):
    try:
        parse_reply(line, "x", "prober")
    except DriverError as error:
        assert "prober" in str(error)


@pytest.mark.parametrize("message", ["nan", "inf", "16000,5", "", "OK", "1,2,3"])
def test_a_height_is_one_finite_number_with_a_point(message: str):
    with pytest.raises(ProtocolError, match="expected 1 finite number"):
        parse_reply(f"0,0,{message}", "get_chuck_z Z", "prober").floats(1)


@pytest.mark.parametrize("message", ["1,1,0", "1,1,0,2", "1,1,0,True", "1,1,0,1,1"])
def test_flags_are_four_times_0_or_1(message: str):
    with pytest.raises(ProtocolError, match="expected 4 flags"):
        parse_reply(f"0,0,{message}", "x", "prober").flags(4)


@pytest.mark.parametrize("message", ["0,1.5,0", "0,1", "0,x,0"])
def test_an_index_is_three_integers(message: str):
    with pytest.raises(ProtocolError, match="expected 3 integers"):
        parse_reply(f"0,0,{message}", "x", "prober").ints(3)


WHOSE_MOVE = {
    ProberRetryable: (19, 21, 30),
    ProberNeedsOperator: (18, 20, 23, 60, 61, 66, 67, 68, 69),
    ProberFatal: (1, 100, 120, 999),
    ProberBug: (3, 6, 7),
}


@pytest.mark.parametrize(("code", "kind"), [(code, kind) for kind, codes in WHOSE_MOVE.items() for code in codes])
def test_an_error_code_becomes_whose_move_it_is(code: int, kind: type[ProberError]):
    with pytest.raises(kind, match=f"'x' failed with {code} .*: told you so; {kind.what_to_do}") as failure:
        parse_reply(f"{code},0,told you so", "x", "prober")
    assert failure.value.code == code


def test_codes_carry_the_vendors_names():
    vendor = {value: name for name, value in vars(RemoteCommandError).items() if isinstance(value, int)}
    assert {code: name for code, (name, _) in CODES.items()} == {code: vendor[code] for code in CODES}


# --- moving
def test_a_die_is_reached_and_read_back():
    with prober_on(ScriptedSentio()) as (prober, _):
        state = prober.go_to_die(-2, 3)
    assert (state.die, state.in_contact) == ((-2, 3), False)


@pytest.mark.parametrize(
    "lies",
    [
        {"map:step_die": b"0,0,1,1,0\n"},
        {"map:die:get_current_index": b"0,0,3,1,2\n"},
        {"map:die:get_current_index": b"2,0,No die active\n"},
        {"get_chuck_xy": b"0,0,20000.0,10011.0\n"},
        {"get_chuck_xy": b"0,0,-20000.0,10000.0\n"},
        {"map:step_die": b"1035,0,2,2,0\n"},
    ],
)
def test_a_step_that_reads_back_elsewhere_is_not_believed(lies: dict[str, Answer]):
    with prober_on(ScriptedSentio(lies=lies)) as (prober, _), pytest.raises(PositionNotVerified, match=r"sent to die \(2, 1\).*lab\.toml"):
        prober.go_to_die(2, 1)


def test_a_die_whose_position_disagrees_has_no_name():
    with prober_on(ScriptedSentio(offset_um=(0.0, 500.0))) as (prober, _):
        assert prober.state().die is None


@pytest.mark.parametrize("z_um", [CONTACT_UM, CONTACT_UM + 20, CONTACT_UM - 100, math.nan])
def test_no_step_is_sent_unless_the_chuck_reads_back_separated(z_um: float):
    device = ScriptedSentio(z_um=z_um)
    with prober_on(device) as (prober, _):
        with pytest.raises((MotionRefused, ProtocolError)):
            prober.go_to_die(1, 0)
        assert device.moves == []


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"home_set": False}, "home position is not set"),
        ({"contact_set": False}, "unknown"),
        ({"vacuum_on": False}, "vacuum is off"),
        ({"doors_closed": False}, "door is open"),
        ({"ready": False}, "not ready"),
        ({"offset_um": (50.0, 0.0)}, "not verified on a die"),
        ({"z_um": CONTACT_UM}, "in contact"),
    ],
)
def test_no_contact_without_every_precondition(broken: dict[str, object], told: str):
    device = ScriptedSentio(**broken)  # type: ignore[arg-type]
    with prober_on(device) as (prober, _):
        with pytest.raises(MotionRefused, match=told):
            prober.contact()
        assert device.moves == []


def test_everything_missing_for_contact_is_told_at_once():
    with prober_on(ScriptedSentio(vacuum_on=False, doors_closed=False)) as (prober, _), pytest.raises(MotionRefused, match=r"vacuum.*door"):
        prober.contact()


def test_contact_goes_to_contact_height_and_is_read_back():
    with prober_on(ScriptedSentio()) as (prober, _):
        state = prober.contact()
    assert (state.z_um, state.in_contact, state.die) == (CONTACT_UM, True, (0, 0))


def test_a_contact_that_reads_back_elsewhere_is_not_believed():
    device = ScriptedSentio(lies={"move_chuck_contact": b"0,0,16000.0\n"})
    with prober_on(device) as (prober, _), pytest.raises(PositionNotVerified, match="16000 um, it reads back 15750 um"):
        prober.contact()


def test_overtravel_beyond_the_labs_limit_is_refused_before_anything_moves():
    device = ScriptedSentio(overtravel_on=True, overtravel_gap_um=80.0)
    with prober_on(device) as (prober, _):
        with pytest.raises(OverLimit, match=r"80 um is beyond limits\.overtravel_um 60 um"):
            prober.contact()
        with pytest.raises(OverLimit):
            prober.set_overtravel(True)
        assert device.moves == []


def test_overtravel_is_switched_only_while_separated_and_adds_to_contact():
    with prober_on(ScriptedSentio()) as (prober, _):
        assert prober.set_overtravel(True) == 20.0
        assert prober.contact().z_um == CONTACT_UM + 20.0
        with pytest.raises(MotionRefused):
            prober.set_overtravel(False)


@pytest.mark.parametrize("z_um", [CONTACT_UM - 250.0, CONTACT_UM - 100.0, CONTACT_UM, CONTACT_UM + 20.0])
def test_separating_works_from_every_height_and_again(z_um: float):
    with prober_on(ScriptedSentio(z_um=z_um)) as (prober, _):
        for _repeat in range(2):
            assert not prober.separate().in_contact


def test_separating_asks_nothing_first():
    with prober_on(ScriptedSentio(z_um=CONTACT_UM)) as (prober, server):
        prober.separate()
        assert server.lines[:2] == ["*RCS 1", "move_chuck_separation "]


def test_control_is_taken_before_every_separation_whoever_took_it_in_between():
    with prober_on(ScriptedSentio()) as (prober, server):
        prober.contact()
        prober.separate()
        down = server.lines.index("move_chuck_separation ")
        assert server.lines[down - 1] == "*RCS 1"


@pytest.mark.parametrize(("refusals", "separated"), [(1, True), (2, False)])
def test_separating_is_repeated_once_when_another_client_took_the_prober(refusals: int, separated: bool):
    device = ScriptedSentio(z_um=CONTACT_UM)
    left = [b"12,0,Another client has remote control\n"] * refusals

    def script(line: str) -> Answer:
        return left.pop() if line == say.SEPARATE and left else device(line)

    with ScriptedServer(script) as server:
        prober = open_sentio(server.address)
        with nullcontext() if separated else pytest.raises(ProberNeedsOperator, match="12 InvalidOperation"):
            prober.separate()
        prober.close()
    assert server.lines[:4] == ["*RCS 1", "move_chuck_separation "] * 2
    assert (device.z_um < CONTACT_UM) is separated


def test_an_error_of_the_prober_itself_is_not_met_by_separating_again():
    device = ScriptedSentio(lies={"move_chuck_separation": b"23,0,Contact height not set!\n"})
    with prober_on(device) as (prober, server):
        with pytest.raises(ProberNeedsOperator, match="ContactHeightNotSet"):
            prober.separate()
        assert server.lines == ["*RCS 1", "move_chuck_separation "]


def test_those_in_a_hurry_wait_for_both_tries_of_separating_together():
    with ScriptedServer(lambda line: None) as server:
        prober = open_sentio(server.address, 0.1, separate_within_s=0.2)
        with pytest.raises(LinkTimeout, match=r"within 0\.1 s"):
            prober.separate()
        prober.close()
    assert server.lines == ["*RCS 1", "move_chuck_separation "] * 2
    assert say.Deadlines().z_s <= 10


def test_a_placement_is_two_questions():
    with prober_on(ScriptedSentio()) as (prober, server):
        prober.identify()
        asked = len(server.lines)
        assert prober.placement() == Placement(CONTACT_UM - 250.0, 42)
        assert len(server.lines) == asked + 2


@pytest.mark.parametrize(
    ("now", "unmoved"), [((16_003.0, 7), True), ((15_990.0, 7), False), ((16_000.0, 8), False), ((math.nan, 7), False)]
)
def test_needles_are_where_they_were_if_height_and_count_of_contacts_are(now: tuple[float, int], unmoved: bool):
    assert Placement(*now).unmoved_since(Placement(16_000.0, 7), tolerance_um=5.0) is unmoved


def test_a_separation_that_did_not_happen_is_told():
    device = ScriptedSentio(z_um=CONTACT_UM, lies={"move_chuck_separation": b"0,0,15750.0\n"})
    with prober_on(device) as (prober, _), pytest.raises(PositionNotVerified, match="treat it as in contact"):
        prober.separate()


# --- faults of the wire
def test_a_late_reply_is_never_read_as_the_answer_to_the_next_command():
    late = Late(b"0,0,15750.0\n")
    device = ScriptedSentio()
    quick = say.Deadlines(query_s=5.0, step_s=0.1, z_s=0.1, stop_s=5.0)
    with prober_on(device, quick) as (prober, server):
        device.lies["move_chuck_contact"] = late
        with pytest.raises(LinkTimeout, match="the chuck was stopped"):
            prober.contact()
        late.gate.set()
        assert prober.chuck_temperature_c() == 25.0
        assert server.connections[1] == ["stop_chuck_xyz"], "stopped over a connection of its own"


def test_a_chuck_that_cannot_be_stopped_either_is_told_loudly():
    device = ScriptedSentio(lies={"move_chuck_contact": None, "stop_chuck_xyz": None})
    with (
        prober_on(device, say.Deadlines(z_s=0.1, stop_s=0.1)) as (prober, _),
        pytest.raises(LinkTimeout, match=r"stopping it failed too.*use its emergency stop"),
    ):
        prober.contact()


@pytest.mark.parametrize("fault", [None, HANG_UP, b"0,0", b"15"], ids=["silence", "hang-up", "truncated", "half"])
def test_separating_gets_through_a_fault_of_the_wire(fault: Answer):
    device = ScriptedSentio(z_um=CONTACT_UM)
    faults = [fault]

    def script(line: str) -> Answer:
        if line == say.SEPARATE and faults:
            return faults.pop()
        return device(line)

    with ScriptedServer(script) as server:

        def connect() -> VisaLink:
            return VisaLink(server.address, 5.0)

        prober = Sentio(SentioSession(connect(), connect, say.Deadlines(z_s=0.1)), WaferFrame(), 60.0)
        assert not prober.separate().in_contact
        prober.close()
    assert device.z_um == CONTACT_UM - 250.0


def test_a_machine_that_hangs_up_is_seen_at_once():
    device = ScriptedSentio(lies={"get_chuck_site_status": HANG_UP})
    with prober_on(device) as (prober, _), pytest.raises(LinkError, match="closed the connection"):
        prober.state()


def test_control_is_taken_again_after_another_client_took_it():
    device = ScriptedSentio()
    with prober_on(device) as (prober, server):
        prober.go_to_die(1, 0)
        device.lies["map:step_die"] = b"12,0,Remote control is held by another client\n"
        with pytest.raises(ProberNeedsOperator):
            prober.go_to_die(2, 0)
        del device.lies["map:step_die"]
        prober.go_to_die(2, 0)
        assert server.lines.count("*RCS 1") == 2


def test_control_is_handed_back_at_the_end_only_if_it_was_taken():
    for moves, handed_back in ((False, 0), (True, 1)):
        with prober_on(ScriptedSentio()) as (prober, server):
            prober.identify()
            if moves:
                prober.go_to_die(1, 0)
            prober.close()
            until(lambda: server.ended)
            assert server.lines.count("*LOCAL") == handed_back


def test_dies_are_a_pitch_apart_from_the_home_die():
    frame = WaferFrame(pitch_um=(PITCH_UM, 5_000.0), home=(1, 1))
    assert frame.centre_um((3, 0)) == (20_000.0, -5_000.0)
    assert frame.is_at((3, 0), (20_004.0, -5_003.0))
    assert not frame.is_at((3, 0), (20_011.0, -5_000.0))
