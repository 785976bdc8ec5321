"""The vendor's own client, 26.2.0, meets every error code that the simulated prober can give, each for its own reason."""

import re
from pathlib import Path

import pytest

import simulator.instruments.sentio as package
from simulator.fault_plan import parse_faults
from simulator.instruments.sentio import Sentio
from simulator.instruments.sentio.codes import Code
from simulator.prober_faults import ProberFaults
from tests.simulator.worlds import world
from tests.witnesses.served_prober import served_prober, vendor_client

from sentio_prober_control.Sentio.Enumerations import RemoteCommandError  # isort: skip  (quietly, after served_prober)
from sentio_prober_control.Sentio.ProberBase import ProberException  # isort: skip

COLD = ("start_initialization", "wait_all 90")
REASONS: dict[Code, tuple[str, ...]] = {
    Code.EXECUTION_ERROR: ("frobnicate 1",),
    Code.COMMAND_HANDLER_NOT_FOUND: ("siph:fast_alignment",),
    Code.INVALID_PARAMETER: ("map:step_die a, b",),
    Code.INVALID_NUMBER_OF_PARAMETERS: ("map:step_die 0",),
    Code.ARGUMENT_OUT_OF_BOUNDS: ("map:step_die 9, 9, 0",),
    Code.FILE_NOT_FOUND: ("map:bins:load nothing.xbt",),
    Code.END_OF_ROUTE: ("map:step_die_seq 35, 0", "map:step_next_die"),
    Code.INVALID_OPERATION: ("set_stepping_contact_mode LockContact", "move_chuck_contact", "map:step_next_die"),
    Code.NOT_SUPPORTED: ("set_ink 1",),
    Code.SUBSITE_NOT_ROUTABLE: ("map:subsite:set_state 0, 0", "map:step_die 0, 0, 0"),
    Code.END_OF_LIST: ("loader:vc:start_next_step", "loader:vc:start_next_step", "wait_complete 2"),
    Code.HOME_POSITION_NOT_SET: ("@cold", "move_chuck_home "),
    Code.TIMEOUT: ("@real", "start_async_cmd", "wait_complete 1, 0"),
    Code.PATTERN_NOT_TRAINED: ("vis:find_pattern mark, 70, 0, CenterOfRoi",),
    Code.PATTERN_NOT_FOUND: ("chuck:set_home 100000,100000", "vis:find_home"),
    Code.CONTACT_HEIGHT_NOT_SET: ("clear_contact", "move_chuck_contact"),
    Code.AUTO_FOCUS_FAILED: ("@cold", *COLD, "vis:auto_focus F"),
    Code.COMMAND_PENDING: ("@real", "start_async_cmd", "query_command_status 1"),
    Code.ASYNC_COMMAND_ABORTED: ("@real", "start_async_cmd", "abort_command 1", "wait_complete 1, 0"),
    Code.UNKNOWN_COMMAND_ID: ("query_command_status 7",),
    Code.CAMERA_NOT_CALIBRATED: ("vis:get_prop calib, chuck",),
    Code.CAMERA_DOES_NOT_EXIST: ("vis:switch_camera offaxis",),
    Code.ALIGN_ACCURACY_BAD: ("set_vacuum Wafer, False", "vis:align_wafer"),
    Code.STEPPING_WITH_WRONG_Z_POSITION: ("set_stepping_contact_mode LockContact", "move_chuck_z C, -100", "map:step_next_die"),
    Code.FRONT_DOOR_OPEN: ("@front", "move_chuck_contact"),
    Code.LOADER_DOOR_OPEN: ("@loader", "loader:unload_wafer"),
    Code.FRONT_DOOR_LOCK_FAIL: ("@prober", "set_door_lock prober,1"),
    Code.LOADER_DOOR_LOCK_FAIL: ("@loader", "set_door_lock loader,1"),
    Code.SLOT_OR_STATION_OCCUPIED: ("@cold", *COLD, "loader:transfer_wafer cas1, 1, cas1, 1"),
    Code.SLOT_OR_STATION_EMPTY: ("loader:query_wafer_status cas1, 1",),
    Code.PROBE_BACK_DOOR_OPEN: ("@prober", "move_chuck_contact"),
    Code.PROBE_SIDE_DOOR_OPEN: ("@side", "move_chuck_contact"),
    Code.VACUUM_FAILED: ("set_vacuum Wafer, False", "move_chuck_contact"),
    Code.LOADER_TRAY_DOOR_OPEN: ("@tray", "loader:unload_wafer"),
    Code.LOADER_CASSETTE_DOES_NOT_EXIST: ("loader:scan_station cas2",),
    Code.LOADER_SLOT_NUMBER_ERROR: ("loader:unload_wafer cas1, 26",),
    Code.LOADER_PRE_ALIGNER_ANGLE_ERROR: ("loader:load_wafer cas1, 1, 400",),
    Code.LOADER_NO_WAFER_ON_PREALIGNER: ("loader:prealign Notch, 0",),
    Code.LOADER_NO_WAFER_ON_CHUCK: ("loader:unload_wafer", "vis:align_wafer"),
    Code.LOADER_WAFER_ON_CHUCK: ("loader:load_wafer cas1, 1, 0",),
    Code.PROBE_NOT_INITIALIZED: ("@cold", "move_chuck_center"),
    Code.OVERTRAVEL_OUT_OF_AXIS_LIMIT: ("set_chuck_overtravel_gap 5000",),
    Code.MISSING_TOPOGRAPHY_TABLE: ("vis:compensation:enable topography, True",),
    Code.INDEXER_DEVICE_IS_NOT_EXISTING: ("get_indexer_pos",),
    Code.THERMAL_SOAKING_TIME_IS_NOT_CORRECT: ("status:get_soaking_time 33.00",),
}
"""What has to be the case (@cold, a clock that is @real, an open door), what is said before, and the line that is refused."""


def the_prober(condition: str) -> Sentio:
    real = condition == "@real"
    prober = Sentio(world("clean"), cold=condition == "@cold", wall_ns=(lambda busy_ns: busy_ns) if real else (lambda busy_ns: 0))
    if condition[1:] in prober.doors.by_name:
        prober.doors.open(condition[1:])
    return prober


@pytest.mark.parametrize("code", REASONS, ids=lambda code: code.name.lower())
def test_the_client_meets_the_code_for_its_reason(code: Code) -> None:
    *before, refused = [line for line in REASONS[code] if not line.startswith("@")]
    with served_prober(the_prober(REASONS[code][0])) as port, vendor_client(port) as client:
        for line in before:
            client.send_cmd(line)
        with pytest.raises(ProberException) as error:
            client.send_cmd(refused)
        assert error.value.error() == code


def test_no_code_that_the_simulator_can_give_is_left_out() -> None:
    source = "".join(path.read_text() for path in Path(package.__path__[0]).glob("*.py"))
    assert {code.name for code in REASONS} == set(re.findall(r"Code\.([A-Z_]+)", source))


def test_the_page_on_the_prober_lists_the_same_codes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulated-prober.md").read_text(encoding="utf-8").partition("gives by itself")[2]
    listed = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE) for code in row.split(",")}
    assert listed == set(REASONS)


# --- and every other one by script
CODES = {name: code for name, code in vars(RemoteCommandError).items() if isinstance(code, int) and code}


def test_a_script_makes_the_client_meet_any_code() -> None:
    """move_chuck_contact is answered with every code there is, one after the other."""
    faults = "".join(
        f'{{ command = "move_chuck_contact", code = {code}, at = [{number}] }},' for number, code in enumerate(CODES.values(), start=1)
    )
    plan = parse_faults(f"[prober]\nerror = [{faults}]").prober
    with served_prober(Sentio(world("clean"), faults=ProberFaults(plan))) as port, vendor_client(port) as client:
        met = {}
        for name in CODES:
            with pytest.raises(ProberException) as refused:
                client.move_chuck_contact()
            met[name] = refused.value.error()
        assert met == CODES and set(CODES.values()) <= set(Code)
        assert client.move_chuck_contact() == 16_000.0
