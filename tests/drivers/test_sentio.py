"""SENTIO: who it is, where it stands, no move without a state just read back, and every fault of the wire."""

import math
from contextlib import nullcontext

import pytest

from drivers.errors import (
    LinkError,
    LinkLost,
    LinkTimeout,
    MotionRefused,
    OverLimit,
    PositionNotVerified,
    ProberFatal,
    ProberNeedsOperator,
    ProtocolError,
    WrongInstrument,
)
from drivers.prober import sentio_commands_chuck as chuck
from drivers.prober.die_grid import DieGrid
from drivers.prober.sentio import open_sentio
from drivers.prober.sentio_deadlines import Deadlines, Kind
from drivers.prober.soft_limits import SoftLimits
from drivers.protocols import WaferProber
from drivers.values import Placement
from tests.support.probing import prober_on
from tests.support.scripted_sentio import CONTACT_UM, ScriptedSentio
from tests.support.scripted_server import HANG_UP, Answer, Late, Pieces, ScriptedServer
from tests.support.waiting import until

SEPARATE = chuck.SEPARATE.line
OLD, NEW = "24.0.7", "26.2.0"


# --- who and where
def test_identifying_and_looking_change_nothing_and_take_no_control():
    with prober_on(ScriptedSentio()) as (prober, server):
        as_prober: WaferProber = prober
        identity = as_prober.identify()
        state = prober.state()
        assert (identity.vendor, identity.serial, identity.firmware, identity.simulated) == ("MPI", "TS2000-4711", "26.2.0", False)
        assert (state.die, state.z_um, state.in_contact) == ((0, 0), CONTACT_UM - 250.0, False)
        assert all(line.startswith(("status:get", "get_", "chuck:get", "map:die:get", "map:get")) for line in server.lines)


@pytest.mark.parametrize("version", [OLD, "25.1.98", "25.1.99", NEW])
def test_a_prober_of_any_age_says_where_it_stands(version: str):
    with prober_on(ScriptedSentio(version=version, die=(3, -2))) as (prober, server):
        state = prober.state()
        assert (state.die, state.z_um) == ((3, -2), CONTACT_UM - 250.0)
        assert ("chuck:get_z Zero" in server.lines) == (version in ("25.1.99", NEW))
        assert ("get_chuck_z Z" in server.lines) == (version in (OLD, "25.1.98"))


def test_a_prober_too_old_to_be_asked_for_its_version_is_asked_who_it_is():
    unknown = b"2,0,Unsupported remote command: status:get\n"
    device = ScriptedSentio(version="23.2.99.0", lies={"status:get_version": unknown, "status:get_machine_id": unknown})
    with prober_on(device) as (prober, server):
        identity = prober.identify()
        assert (identity.serial, identity.firmware) == ("TS2000-4711", "23.2.99.0")
        assert prober.contact().z_um == CONTACT_UM
        assert server.lines.count("status:get_version") == 1


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


def test_a_die_whose_position_disagrees_has_no_name():
    with prober_on(ScriptedSentio(offset_um=(0.0, 500.0))) as (prober, _):
        assert prober.state().die is None


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


# --- control
def test_the_first_change_takes_control_and_forbids_stepping_in_contact():
    device = ScriptedSentio()
    with prober_on(device) as (prober, server):
        prober.go_to_die(1, 1)
        assert device.remote
        assert device.lock_contact
        taken = server.lines.index("*RCS 1")
        assert server.lines[taken + 1] == "set_stepping_contact_mode LockContact"
        assert all("get" in line for line in server.lines[:taken])
        prober.go_to_die(0, 1)
        assert server.lines.count("*RCS 1") == 1


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


@pytest.mark.parametrize(("act", "handed_back"), [("identify", 0), ("separate", 0), ("contact", 1)])
def test_control_is_handed_back_at_the_end_only_if_more_than_separating_was_done(act: str, handed_back: int):
    with prober_on(ScriptedSentio()) as (prober, server):
        getattr(prober, act)()
        prober.close()
        until(lambda: server.ended)
        assert server.lines.count("*LOCAL") == handed_back


# --- contact
def test_contact_goes_to_contact_height_and_is_read_back():
    for version in (OLD, NEW):
        with prober_on(ScriptedSentio(version=version)) as (prober, _):
            state = prober.contact()
        assert (state.z_um, state.in_contact, state.die) == (CONTACT_UM, True, (0, 0))


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"home_set": False}, "home position is not set"),
        ({"contact_set": False}, "unknown"),
        ({"vacuum_on": False}, "vacuum is off"),
        ({"doors_closed": False}, "door is open"),
        ({"ready": False}, "not ready"),
        ({"offset_um": (50.0, 0.0)}, "not verified on a die"),
        ({"die": None}, "not verified on a die"),
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


def test_no_touchdown_while_the_smu_may_be_on():
    for says in (False, LinkLost("the SMU is gone")):

        def interlock(says: bool | LinkLost = says) -> bool:
            if isinstance(says, LinkLost):
                raise says
            return says

        device = ScriptedSentio()
        with prober_on(device, output_is_off=interlock) as (prober, _):
            for move in (prober.contact, prober.hover):
                with pytest.raises(MotionRefused, match="output is not verified off"):
                    move()
            assert device.moves == []
            assert not prober.separate().in_contact, "down whatever the SMU does"


def test_the_interlock_is_asked_before_pressing_too():
    on = False
    device = ScriptedSentio()
    with prober_on(device, output_is_off=lambda: not on) as (prober, _):
        prober.contact()
        on = True
        with pytest.raises(MotionRefused, match="output is not verified off"):
            prober.press(10.0)
        assert device.z_um == CONTACT_UM


@pytest.mark.parametrize("version", [OLD, NEW])
def test_overtravel_is_reached_in_steps_each_read_back(version: str):
    device = ScriptedSentio(version=version, overtravel_on=True, heights=(CONTACT_UM, 250.0, 35.0, 50.0))
    with prober_on(device) as (prober, server):
        assert prober.contact().z_um == CONTACT_UM + 35.0
        went = [line for line in server.lines if "move" in line]
    if version == NEW:
        assert went == [f"chuck:move_z Contact,{depth}" for depth in ("0", "10.0", "20.0", "30.0", "35.0")]
    else:
        assert went == [f"move_chuck_z C, {depth}" for depth in ("0", "10.0", "20.0", "30.0", "35.0")]


def test_a_prober_that_adds_its_overtravel_by_itself_is_believed_where_it_stands():
    device = ScriptedSentio(overtravel_on=True)

    def answer(line: str) -> Answer:
        return device("chuck:move_z Contact,20.0" if line.startswith("chuck:move_z Contact") else line)

    with prober_on(answer) as (prober, _):
        assert prober.contact().z_um == CONTACT_UM + 20.0


def test_overtravel_beyond_the_labs_limit_is_refused_before_anything_moves():
    device = ScriptedSentio(overtravel_on=True, heights=(CONTACT_UM, 250.0, 80.0, 50.0))
    with prober_on(device) as (prober, _):
        with pytest.raises(OverLimit, match=r"80 um is beyond limits\.overtravel_um 60 um"):
            prober.contact()
        device.overtravel_on = False
        with pytest.raises(OverLimit):
            prober.set_overtravel(True)
        assert not device.overtravel_on
        assert device.moves == []


def test_overtravel_is_switched_only_while_separated_and_adds_to_contact():
    with prober_on(ScriptedSentio()) as (prober, _):
        assert prober.set_overtravel(True) == 20.0
        assert prober.contact().z_um == CONTACT_UM + 20.0
        with pytest.raises(MotionRefused):
            prober.set_overtravel(False)


def test_in_contact_the_chuck_is_pressed_further_and_relieved_within_the_limit():
    device = ScriptedSentio()
    with prober_on(device, limits=SoftLimits(overtravel_um=40.0)) as (prober, server):
        with pytest.raises(MotionRefused, match="may not change the overtravel in contact while the chuck is separated"):
            prober.press(10.0)
        prober.contact()
        for wanted_um in (25.0, 40.0, 5.0, 0.0):
            assert prober.press(wanted_um).z_um == CONTACT_UM + wanted_um
        for beyond_um in (41.0, -1.0, math.nan, math.inf):
            with pytest.raises(OverLimit, match=r"limits\.overtravel_um 40"):
                prober.press(beyond_um)
        assert device.z_um == CONTACT_UM
        depths = [float(line.split(",")[1]) for line in server.lines if line.startswith("chuck:move_z Contact")]
    assert depths == [0, 10, 20, 25, 35, 40, 5, 0]


@pytest.mark.parametrize(("on", "gap_um"), [(False, 20.0), (True, 20.0), (False, 60.0)])
def test_pressing_widens_the_overtravel_no_further_than_asked_and_separating_puts_it_back(on: bool, gap_um: float):
    device = ScriptedSentio(overtravel_on=on, heights=(CONTACT_UM, 250.0, gap_um, 50.0))
    with prober_on(device) as (prober, _):
        prober.contact()
        prober.press(30.0)
        assert (device.overtravel_on, device.heights[2]) == (True, max(gap_um, 30.0))
        prober.press(45.0)
        assert device.heights[2] == max(gap_um, 45.0)
        prober.separate()
        assert (device.overtravel_on, device.heights[2]) == (on, gap_um)


def test_an_overtravel_that_could_not_be_put_back_is_put_back_before_the_next_contact():
    device = ScriptedSentio()
    with prober_on(device) as (prober, _):
        prober.contact()
        prober.press(30.0)
        device.lies["enable_chuck_overtravel"] = b"1,0,Internal error\n"
        assert not prober.separate().in_contact, "separated is separated"
        with pytest.raises(ProberFatal):
            prober.contact()
        del device.lies["enable_chuck_overtravel"]
        assert prober.contact().z_um == CONTACT_UM
        assert (device.overtravel_on, device.heights[2]) == (False, 20.0)


def test_a_prober_that_moves_when_its_overtravel_is_widened_is_separated():
    device = ScriptedSentio()

    def script(line: str) -> Answer:
        reply = device(line)
        if line == "enable_chuck_overtravel True":
            device.z_um = CONTACT_UM + 59.0
        return reply

    with prober_on(script) as (prober, _):
        prober.contact()
        with pytest.raises(PositionNotVerified, match="reads back 16059 um"):
            prober.press(30.0)
    assert device.z_um == CONTACT_UM - 250.0


def test_a_chuck_found_above_the_overtravel_limit_may_only_come_down():
    device = ScriptedSentio(z_um=CONTACT_UM + 66.0)
    with prober_on(device) as (prober, _):
        for move in (prober.contact, lambda: prober.press(10.0), lambda: prober.go_to_die(1, 0)):
            with pytest.raises(MotionRefused, match="beyond the overtravel limit"):
                move()
        assert not prober.separate().in_contact


# --- whatever goes wrong on the way up, the needles come off
@pytest.mark.parametrize("where_um", [CONTACT_UM - 250.0, CONTACT_UM - 30.0, CONTACT_UM + 300.0])
def test_a_contact_that_reads_back_elsewhere_is_not_believed_and_separated(where_um: float):
    device = ScriptedSentio()

    def answer(line: str) -> Answer:
        reply = device(line)
        if line.startswith("chuck:move_z Contact"):
            device.z_um = where_um
        return reply

    with prober_on(answer) as (prober, _), pytest.raises(PositionNotVerified, match=f"16000 um, it reads back {where_um:g} um") as failure:
        prober.contact()
    assert device.z_um == CONTACT_UM - 250.0
    assert failure.value.__notes__ == ["the chuck was separated"]


@pytest.mark.parametrize("fault", [b"120,0,Overtravel out of axis limit\n", b"1,0,Internal error\n", b"garbage\n", HANG_UP])
def test_an_error_half_way_up_the_overtravel_brings_the_needles_down(fault: Answer):
    device = ScriptedSentio(overtravel_on=True)

    def answer(line: str) -> Answer:
        return fault if line == "chuck:move_z Contact,10.0" else device(line)

    with prober_on(answer) as (prober, _), pytest.raises((ProberFatal, ProtocolError, LinkLost)):
        prober.contact()
    assert device.z_um == CONTACT_UM - 250.0


def test_a_separation_that_fails_as_well_is_told_beside_what_failed():
    device = ScriptedSentio(lies={"chuck:move_z": b"1,0,Internal error\n", "move_chuck_separation": b"1,0,Internal error\n"})
    with prober_on(device) as (prober, _), pytest.raises(ProberFatal, match="chuck:move_z Contact") as failure:
        prober.contact()
    assert "separating failed too" in failure.value.__notes__[0]


# --- hover
def test_hovering_is_below_contact_and_no_place_to_step_from():
    device = ScriptedSentio()
    with prober_on(device) as (prober, _):
        state = prober.hover()
        assert (state.z_um, state.in_contact) == (CONTACT_UM - 50.0, True), "surely separated is something else"
        with pytest.raises(MotionRefused, match="between separation and contact"):
            prober.go_to_die(1, 0)
        assert prober.contact().z_um == CONTACT_UM


@pytest.mark.parametrize("gap_um", [0.0, 250.0, -10.0])
def test_a_hover_height_that_is_none_is_refused(gap_um: float):
    device = ScriptedSentio(heights=(CONTACT_UM, 250.0, 20.0, gap_um))
    with prober_on(device) as (prober, _), pytest.raises(OverLimit, match="not between contact and separation"):
        prober.hover()
    assert device.moves == []


# --- down
@pytest.mark.parametrize("z_um", [0.0, CONTACT_UM - 250.0, CONTACT_UM - 100.0, CONTACT_UM, CONTACT_UM + 20.0, CONTACT_UM + 500.0])
def test_separating_works_from_every_height_and_again(z_um: float):
    with prober_on(ScriptedSentio(z_um=z_um)) as (prober, _):
        for _repeat in range(2):
            assert not prober.separate().in_contact


@pytest.mark.parametrize("contact_um", [CONTACT_UM, 900.0])
def test_without_a_contact_height_separating_lowers_the_chuck_to_the_bottom(contact_um: float):
    for version in (OLD, NEW):
        device = ScriptedSentio(version=version, contact_set=False, z_um=contact_um)
        with prober_on(device) as (prober, _):
            assert not prober.separate().in_contact
        assert device.z_um == 0.0


@pytest.mark.parametrize("answer", [b"3,0,No handler\n", b"2,0,Unsupported remote command: move_chuck_separation\n", b"13,0,Gone\n"])
def test_a_version_without_the_old_separation_is_separated_by_the_new_one(answer: bytes):
    device = ScriptedSentio(z_um=CONTACT_UM, lies={"move_chuck_separation": answer})
    with prober_on(device) as (prober, server):
        assert not prober.separate().in_contact
        assert "chuck:move_z Separation,0" in server.lines


def test_separating_asks_nothing_first():
    with prober_on(ScriptedSentio(z_um=CONTACT_UM)) as (prober, server):
        prober.separate()
        assert server.lines[:2] == ["*RCS 1", SEPARATE]


def test_control_is_taken_before_every_separation_whoever_took_it_in_between():
    with prober_on(ScriptedSentio()) as (prober, server):
        prober.contact()
        prober.separate()
        down = server.lines.index(SEPARATE)
        assert server.lines[down - 1] == "*RCS 1"


@pytest.mark.parametrize(("refusals", "separated"), [(1, True), (2, False)])
def test_separating_is_repeated_once_when_another_client_took_the_prober(refusals: int, separated: bool):
    device = ScriptedSentio(z_um=CONTACT_UM)
    left = [b"12,0,Another client has remote control\n"] * refusals

    def script(line: str) -> Answer:
        return left.pop() if line == SEPARATE and left else device(line)

    with prober_on(script) as (prober, server), nullcontext() if separated else pytest.raises(ProberNeedsOperator, match="12 InvalidOp"):
        prober.separate()
    assert server.lines[:4] == ["*RCS 1", SEPARATE] * 2
    assert (device.z_um < CONTACT_UM) is separated


def test_an_error_of_the_prober_itself_is_not_met_by_separating_again():
    device = ScriptedSentio(lies={"move_chuck_separation": b"1,0,Internal error\n"})
    with prober_on(device) as (prober, server):
        with pytest.raises(ProberFatal, match="InternalError"):
            prober.separate()
        assert server.lines == ["*RCS 1", SEPARATE]


def test_those_in_a_hurry_wait_for_both_tries_of_separating_together():
    with ScriptedServer(lambda line: None) as server:
        prober = open_sentio(server.address, 0.1, separate_within_s=0.2)
        with pytest.raises(LinkTimeout, match=r"within 0\.1 s"):
            prober.separate()
        prober.close()
    assert server.lines == ["*RCS 1", SEPARATE] * 2
    assert Deadlines().of(chuck.SEPARATE) <= 10


def test_a_separation_that_did_not_happen_is_told():
    device = ScriptedSentio(z_um=CONTACT_UM, lies={"move_chuck_separation": b"0,0,15750.0\n"})
    with prober_on(device) as (prober, _), pytest.raises(PositionNotVerified, match="treat it as in contact"):
        prober.separate()


def test_a_wafer_map_of_another_wafer_keeps_nobody_from_separating():
    with prober_on(ScriptedSentio(z_um=CONTACT_UM), grid=DieGrid((5_000.0, 5_000.0))) as (prober, _):
        state = prober.separate()
    assert (state.in_contact, state.die) == (False, None)


# --- faults of the wire
def test_a_late_reply_is_never_read_as_the_answer_to_the_next_command():
    late = Late(b"0,0,15750.0,Contact\n")
    device = ScriptedSentio()
    with prober_on(device, Deadlines({Kind.Z: 0.1})) as (prober, server):
        device.lies["chuck:move_z"] = late
        with pytest.raises(LinkTimeout, match="the chuck was stopped, it reads back separated at z = 15750 um"):
            prober.contact()
        late.gate.set()
        assert prober.chuck_temperature_c() == 25.0
        assert server.connections[1] == ["stop_chuck_xyz"], "stopped over a connection of its own"
        assert server.connections[2][:2] == ["*RCS 1", "set_stepping_contact_mode LockContact"], "then anew, and read"
        assert SEPARATE in server.connections[2]


@pytest.mark.parametrize("fault", [None, HANG_UP, b"0,0", b"nonsense\n"], ids=["silence", "hang-up", "half", "nonsense"])
def test_a_question_that_was_not_answered_costs_the_connection_and_nothing_else(fault: Answer):
    device = ScriptedSentio()
    faults = [fault]

    def script(line: str) -> Answer:
        return faults.pop() if line == "status:get_chuck_temp" and faults else device(line)

    with prober_on(script, Deadlines({Kind.QUESTION: 0.3})) as (prober, server):
        with pytest.raises((LinkError, ProtocolError)):
            prober.chuck_temperature_c()
        assert prober.chuck_temperature_c() == 25.0
        assert len(server.connections) == 2
        assert "stop_chuck_xyz" not in server.lines, "nothing was moving"


def test_a_well_formed_answer_to_another_question_costs_the_connection_too():
    """It may be the answer to the question before: then every later one would be off by one."""
    device = ScriptedSentio()
    wrong = [b"0,0,15750.0,Zero\n", b"0,0,At temperature\n", b"0,0,15750.0\n"]
    with prober_on(lambda line: wrong.pop() if line.startswith("setup") and wrong else device(line)) as (prober, server):
        for connections in (2, 3, 4):
            with pytest.raises(ProtocolError, match="expected 1 integers"):
                prober.contact_count()
            assert prober.chuck_temperature_c() == 25.0
            assert len(server.connections) == connections
        assert prober.contact_count() == 42


def test_a_step_that_nobody_answered_is_stopped_and_control_is_taken_anew():
    device = ScriptedSentio()
    with prober_on(device, Deadlines({Kind.STEP: 0.1})) as (prober, server):
        device.lies["map:step_die"] = None
        with pytest.raises(LinkTimeout, match="the chuck was stopped"):
            prober.go_to_die(1, 0)
        del device.lies["map:step_die"]
        assert prober.go_to_die(1, 0).die == (1, 0)
        assert server.lines.count("stop_chuck_xyz") == 1


def test_a_peer_lost_in_a_move_is_told_apart_from_one_that_is_late():
    with prober_on(ScriptedSentio(lies={"map:step_die": HANG_UP})) as (prober, _), pytest.raises(LinkLost, match="the chuck was stopped"):
        prober.go_to_die(1, 0)


def test_a_chuck_that_cannot_be_stopped_either_is_told_loudly():
    device = ScriptedSentio(lies={"map:step_die": None, "stop_chuck_xyz": None})
    with (
        prober_on(device, Deadlines({Kind.STEP: 0.1, Kind.STOP: 0.1})) as (prober, _),
        pytest.raises(LinkTimeout, match=r"stopping it failed too.*use its emergency stop"),
    ):
        prober.go_to_die(1, 0)


@pytest.mark.parametrize("fault", [None, HANG_UP, b"0,0", b"15", b"0,0\n"], ids=["silence", "hang-up", "half", "number", "cut"])
def test_separating_gets_through_a_fault_of_the_wire(fault: Answer):
    device = ScriptedSentio(z_um=CONTACT_UM)
    faults = [fault]

    def script(line: str) -> Answer:
        return faults.pop() if line == SEPARATE and faults else device(line)

    with prober_on(script, Deadlines({Kind.Z: 0.1})) as (prober, _):
        assert not prober.separate().in_contact
    assert device.z_um == CONTACT_UM - 250.0


def test_a_machine_that_hangs_up_is_seen_at_once():
    device = ScriptedSentio(lies={"get_chuck_site_status": HANG_UP})
    with prober_on(device) as (prober, _), pytest.raises(LinkError, match="closed the connection"):
        prober.state()


def test_anybody_may_stop_the_chuck_while_a_step_is_waited_for():
    device = ScriptedSentio()
    with prober_on(device) as (prober, server):
        prober.stop()
        assert server.connections == [[], ["stop_chuck_xyz"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n", "  \t\r\n"])
def test_replies_parse_however_they_arrive_and_end(end: str):
    device = ScriptedSentio()

    def script(line: str) -> Answer:
        reply = device(line)
        if not isinstance(reply, bytes):
            return reply
        whole = reply.rstrip(b"\n") + end.encode()
        return Pieces(tuple(whole[at : at + 1] for at in range(len(whole))))

    with prober_on(script) as (prober, _):
        assert prober.identify().firmware == "26.2.0"
        assert prober.go_to_die(-1, 2).die == (-1, 2)
        assert prober.contact().z_um == CONTACT_UM
        assert not prober.separate().in_contact
