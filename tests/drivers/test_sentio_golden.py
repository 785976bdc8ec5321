"""Our bytes are the vendor's, call by call: its client at 26.2.0 says them here, at 24.4.0 it said them into golden/sentio_24_4_0.txt.

Not compared, because they are the vendor's defects: enable_chuck_site_overtravel, which sends the hover command (26.2.0), and the lift
argument of set_chuck_temp, which 26.2.0 sends to 24.x too and 24.4.0 does not know; select, which 24.4.0 sends as map:die:add.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.prober import sentio_commands as say
from drivers.prober import sentio_commands_chuck as chuck
from drivers.prober import sentio_commands_machine as machine
from drivers.prober import sentio_commands_map as wafer_map
from drivers.prober import sentio_words as words
from drivers.prober.sentio_deadlines import Command
from tests.support.probing import prober_on
from tests.support.scripted_sentio import HANDLERS, ScriptedSentio
from tests.support.scripted_server import ScriptedServer

with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner on import
    from sentio_prober_control.Sentio.Enumerations import (
        AutoAlignCmd,
        AxisOrient,
        ChuckSite,
        DieNumber,
        LoaderStation,
        LoadPosition,
        RoutingPriority,
        RoutingStartPoint,
        SoftwareFence,
        SteppingContactMode,
        ThetaReference,
        XyReference,
        ZReference,
    )
    from sentio_prober_control.Sentio.Enumerations import TestSelection as Selection
    from sentio_prober_control.Sentio.ProberBase import ProberException
    from sentio_prober_control.Sentio.ProberSentio import SentioProber

GOLDEN = Path(__file__).parent / "golden"
OLD, NEW = (24, 0, 7), (26, 2, 0)
Ours = Callable[[say.Version], Command | str]
Vendor = Callable[["SentioProber"], object]


def same(command: Command | str) -> Ours:
    """The same words for every version."""
    return lambda _: command


CALLS: dict[str, tuple[Ours, Vendor]] = {
    "version": (same(say.VERSION), lambda p: p.status.get_version()),
    "machine id": (same(say.MACHINE_ID), lambda p: p.status.get_machine_id()),
    "machine status": (same(say.MACHINE_STATUS), lambda p: p.status.get_machine_status()),
    "identity": (same(say.IDENTITY), lambda p: p.send_cmd("*IDN?")),
    "local": (same(say.LOCAL_MODE), lambda p: p.local_mode()),
    "initialise": (same(say.START_INITIALISATION), lambda p: p.start_initialization()),
    "wait complete": (same(say.wait_complete(7)), lambda p: p.wait_complete(7, 180)),
    "query command": (same(say.query_command_status(7)), lambda p: p.query_command_status(7)),
    "abort command": (same(say.abort_command(7)), lambda p: p.abort_command(7)),
    "wait all": (same(say.wait_all()), lambda p: p.wait_all()),
    # --- load, align
    "load front": (same(chuck.move_load(words.LoadPosition.FRONT)), lambda p: p.move_chuck_load(LoadPosition.Front)),
    "load side": (same(chuck.move_load(words.LoadPosition.SIDE)), lambda p: p.move_chuck_load(LoadPosition.Side)),
    "load centre": (same(chuck.move_load(words.LoadPosition.CENTRE)), lambda p: p.move_chuck_load(LoadPosition.Center)),
    "load wafer": (same(machine.load_wafer(words.Station.CASSETTE_1, 1, 0)), lambda p: p.loader.load_wafer(LoaderStation.Cassette1, 1, 0)),
    "load wafer unaligned": (
        same(machine.load_wafer(words.Station.WALLET, 3)),
        lambda p: p.loader.load_wafer(LoaderStation.WaferWallet, 3),
    ),
    "unload wafer": (same(machine.unload_wafer()), lambda p: p.loader.unload_wafer()),
    "align": (same(machine.align_wafer()), lambda p: p.vision.align_wafer()),
    "align update": (
        same(machine.align_wafer(words.Alignment.UPDATE_DIE_SIZE)),
        lambda p: p.vision.align_wafer(AutoAlignCmd.UpdateDieSize),
    ),
    "align auto": (same(machine.align_wafer(words.Alignment.AUTO_DIE_SIZE)), lambda p: p.vision.align_wafer(AutoAlignCmd.AutoDieSize)),
    "align two points": (same(machine.align_wafer(words.Alignment.TWO_POINT)), lambda p: p.vision.align_wafer(AutoAlignCmd.TwoPt)),
    "find home": (same(machine.FIND_HOME), lambda p: p.vision.find_home()),
    "home": (same(chuck.HOME), lambda p: p.move_chuck_home()),
    # --- z
    "contact": (same(chuck.CONTACT), lambda p: p.move_chuck_contact()),
    "separate": (same(chuck.SEPARATE), lambda p: p.move_chuck_separation()),
    "hover on": (same(chuck.enable_hover(True)), lambda p: p.enable_chuck_hover(True)),
    "hover": (same(chuck.HOVER), lambda p: p.move_chuck_hover()),
    "heights": (same(chuck.SITE_HEIGHTS), lambda p: p.get_chuck_site_height(ChuckSite.Wafer)),
    "set heights": (
        same(chuck.set_site_heights(16_000, 250, 20, 50)),
        lambda p: p.set_chuck_site_height(ChuckSite.Wafer, 16_000, 250, 20, 50),
    ),
    "set heights in halves": (
        same(chuck.set_site_heights(16_000.5, 250.25, 20.125, 50.0)),
        lambda p: p.set_chuck_site_height(ChuckSite.Wafer, 16_000.5, 250.25, 20.125, 50.0),
    ),
    "site status": (same(chuck.SITE_STATUS), lambda p: p.get_chuck_site_status(ChuckSite.Wafer)),
    "overtravel gap": (same(chuck.set_overtravel_gap(20)), lambda p: p.set_chuck_overtravel_gap(20)),
    "overtravel on": (same(chuck.enable_overtravel(True)), lambda p: p.enable_chuck_overtravel(True)),
    "overtravel off": (same(chuck.enable_overtravel(False)), lambda p: p.enable_chuck_overtravel(False)),
    "lock contact": (same(chuck.LOCK_CONTACT), lambda p: p.set_stepping_contact_mode(SteppingContactMode.LockContact)),
    "get z": (
        chuck.get_z,
        lambda p: p.chuck.get_z(ZReference.Zero) if hasattr(p, "chuck") else p.get_chuck_z(ZReference.Zero),
    ),
    "move z contact": (
        lambda v: chuck.move_z(v, words.ZReference.CONTACT, 0),
        lambda p: p.chuck.move_z(ZReference.Contact, 0) if hasattr(p, "chuck") else p.move_chuck_z(ZReference.Contact, 0),
    ),
    "move z separation": (
        lambda v: chuck.move_z(v, words.ZReference.SEPARATION, -10.5),
        lambda p: p.chuck.move_z(ZReference.Separation, -10.5) if hasattr(p, "chuck") else p.move_chuck_z(ZReference.Separation, -10.5),
    ),
    # --- xy
    "get xy": (
        lambda v: chuck.get_xy(v, words.XyReference.HOME),
        lambda p: p.chuck.get_xy(XyReference.Home) if hasattr(p, "chuck") else p.get_chuck_xy(ChuckSite.Wafer, XyReference.Home),
    ),
    "move xy": (
        lambda v: chuck.move_xy(v, words.XyReference.HOME, 1000, 2000),
        lambda p: p.chuck.move_xy(XyReference.Home, 1000, 2000) if hasattr(p, "chuck") else p.move_chuck_xy(XyReference.Home, 1000, 2000),
    ),
    "move xy relative": (
        lambda v: chuck.move_xy(v, words.XyReference.RELATIVE, -0.5, 1e4),
        lambda p: (
            p.chuck.move_xy(XyReference.Current, -0.5, 1e4) if hasattr(p, "chuck") else p.move_chuck_xy(XyReference.Current, -0.5, 1e4)
        ),
    ),
    "move index": (same(chuck.move_index(1, 1)), lambda p: p.move_chuck_index("Home", 1, 1)),
    "theta": (same(chuck.move_theta(words.ThetaReference.ALIGNED, 0.5)), lambda p: p.move_chuck_theta(ThetaReference.Align, 0.5)),
    # --- stepping
    "first die": (same(wafer_map.first_die()), lambda p: p.map.step_first_die()),
    "first die, site": (same(wafer_map.first_die(2)), lambda p: p.map.step_first_die(2)),
    "next die": (same(wafer_map.next_die()), lambda p: p.map.step_next_die()),
    "next die, site": (same(wafer_map.next_die(2)), lambda p: p.map.step_next_die(2)),
    "previous die": (same(wafer_map.PREVIOUS_DIE), lambda p: p.map.step_previous_die()),
    "bin and next": (same(wafer_map.bin_next_die(1)), lambda p: p.map.bin_step_next_die(1)),
    "bin and next, site": (same(wafer_map.bin_next_die(1, 0)), lambda p: p.map.bin_step_next_die(1, 0)),
    "step die": (same(wafer_map.step_die(-3, 9)), lambda p: p.map.step_die(-3, 9)),
    "step sequence": (same(wafer_map.step_sequence(1, 0)), lambda p: p.map.step_die_seq(1, 0)),
    "current index": (same(wafer_map.CURRENT_INDEX), lambda p: p.map.die.get_current_index()),
    "die of path": (same(wafer_map.die_of_route(1)), lambda p: p.map.path.get_die(1)),
    "count selected": (same(wafer_map.count_dies(words.DieCount.SELECTED)), lambda p: p.map.get_num_dies(DieNumber.Selected)),
    "count present": (same(wafer_map.count_dies(words.DieCount.PRESENT)), lambda p: p.map.get_num_dies(DieNumber.Present)),
    # --- map
    "create": (same(wafer_map.create(200)), lambda p: p.map.create(200)),
    "grid": (
        same(wafer_map.set_grid((15_000, 15_000), (0, 0), 1000)),
        lambda p: p.map.set_grid_params(15_000, 15_000, 0, 0, 1000),
    ),
    "index size": (same(wafer_map.set_index_size(10_000, 5_000)), lambda p: p.map.set_index_size(10_000, 5_000)),
    "axis": (same(wafer_map.set_axis_orient(words.AxisOrient.UP_RIGHT)), lambda p: p.map.set_axis_orient(AxisOrient.UpRight)),
    "get axis": (same(wafer_map.AXIS_ORIENT), lambda p: p.map.get_axis_orient()),
    "origin": (same(wafer_map.set_grid_origin(0, -2)), lambda p: p.map.set_grid_origin(0, -2)),
    "home die": (same(wafer_map.set_home_die(1, 1)), lambda p: p.map.set_home_die(1, 1)),
    "get home die": (same(wafer_map.HOME_DIE), lambda p: p.map.get_home_die()),
    "get index size": (same(wafer_map.INDEX_SIZE), lambda p: p.map.get_index_size()),
    "marker": (
        same(wafer_map.set_orient_marker(words.Marker.NOTCH, 270, 1000)),
        lambda p: p.map.set_orient_marker("Notch", 270, 1000),
    ),
    "select all": (same(wafer_map.select_dies(words.DieSelection.ALL)), lambda p: p.map.path.select_dies(Selection.All)),
    "select good": (same(wafer_map.select_dies(words.DieSelection.GOOD)), lambda p: p.map.path.select_dies(Selection.Good)),
    "select one": (same(wafer_map.select_die(1, 2)), lambda p: p.map.die.select(1, 2)),
    "unselect one": (same(wafer_map.unselect_die(1, 2)), lambda p: p.map.die.unselect(1, 2)),
    "routing": (
        same(wafer_map.set_routing(words.RouteStart.UPPER_LEFT, words.RouteOrder.WINDING_ROWS)),
        lambda p: p.map.path.set_routing(RoutingStartPoint.UpperLeft, RoutingPriority.RowBiDir),
    ),
    "routing columns": (
        same(wafer_map.set_routing(words.RouteStart.LOWER_RIGHT, words.RouteOrder.COLUMNS)),
        lambda p: p.map.path.set_routing(RoutingStartPoint.LowerRight, RoutingPriority.ColUniDir),
    ),
    # --- bins
    "set bin": (same(wafer_map.set_bin(1, 2, 3)), lambda p: p.map.bins.set_bin(1, 2, 3)),
    "get bin": (same(wafer_map.get_bin(2, 3)), lambda p: p.map.bins.get_bin(2, 3)),
    "set value": (same(wafer_map.set_value(0.5, 2, 3)), lambda p: p.map.bins.set_value(0.5, 2, 3)),
    "bin info": (same(wafer_map.bin_info(0)), lambda p: p.map.bins.get_bin_info(0)),
    "clear bins": (same(wafer_map.CLEAR_BINS), lambda p: p.map.bins.clear_all()),
    # --- thermal
    "temperature": (same(machine.TEMPERATURE), lambda p: p.status.get_chuck_temp()),
    "setpoint": (same(machine.SETPOINT), lambda p: p.status.get_chuck_temp_setpoint()),
    "thermo state": (same(machine.THERMO_STATE), lambda p: p.status.get_chuck_thermo_state()),
    "set temperature": (lambda v: machine.set_temperature(v, 40), lambda p: p.status.set_chuck_temp(40)),
    "soaking time": (same(machine.soaking_time(60)), lambda p: p.status.get_soaking_time(60)),
    # --- wear and safety
    "contact count": (same(machine.CONTACT_COUNT), lambda p: p.setup.contact_counter.get()),
    "reset contact count": (same(machine.RESET_CONTACT_COUNT), lambda p: p.setup.contact_counter.reset()),
    "clean": (same(machine.clean(5)), lambda p: p.aux.cleaning.start(5)),
    "clean as set up": (same(machine.clean()), lambda p: p.aux.cleaning.start()),
    "clean by itself": (same(machine.enable_auto_clean(True)), lambda p: p.aux.cleaning.enable_auto(True)),
    "new pad": (same(machine.reset_touch_count(words.Site.AUX_LEFT)), lambda p: p.aux.cleaning.reset_touch_count(ChuckSite.AuxLeft)),
    "doors": (same(machine.DOORS), lambda p: p.get_door_status("prober")),
    "lock door": (same(machine.set_door_lock(True)), lambda p: p.set_door_lock("prober", True)),
    "vacuum": (same(machine.set_vacuum(True)), lambda p: p.set_vacuum(ChuckSite.Wafer, True)),
    "fence": (same(machine.chuck_fence(words.Fence.ROUND)), lambda p: p.service.set_software_fence(SoftwareFence.Round)),
    "signal tower": (same(machine.signal_tower(0, 1, 2, -1)), lambda p: p.set_signal_tower(0, 1, 2, -1)),
}


@contextlib.contextmanager
def vendor_on(version: say.Version) -> Iterator[tuple[SentioProber, ScriptedServer]]:
    device = ScriptedSentio(version=".".join(str(part) for part in version), z_um=15_000.0, hover_on=True)
    for word in ("query_command_status", "abort_command", "wait_all"):
        device.lies[word] = b"0,7,OK\n"
    with ScriptedServer(device) as server:
        client = SentioProber.create_prober("tcpip", "127.0.0.1:" + server.address.split("::")[2])
        try:
            yield client, server
        finally:
            client.comm._CommunicatorTcpIp__reader.close()
            client.comm.disconnect()


def line(command: Command | str) -> str:
    return command if isinstance(command, str) else command.line


@pytest.fixture(scope="module", params=[OLD, (25, 1, 98), (25, 1, 99), NEW], ids=lambda v: ".".join(map(str, v)))
def vendor_lines(request: pytest.FixtureRequest) -> tuple[say.Version, dict[str, str]]:
    """What the vendor's client says for each call, to a prober of a version."""
    with vendor_on(request.param) as (client, server):
        said: dict[str, str] = {}
        for name, (_, call) in CALLS.items():
            before = len(server.lines)
            with contextlib.suppress(ProberException, ValueError, KeyError, IndexError):  # it expects a word that this one does not answer
                call(client)
            if name == "local":  # has no answer to wait for
                client.status.get_machine_id()
            said[name] = server.lines[before]
    return request.param, said


def test_our_bytes_are_those_of_the_vendors_client_at_26_2(vendor_lines: tuple[say.Version, dict[str, str]]):
    version, said = vendor_lines
    ours = {name: line(command(version)) for name, (command, _) in CALLS.items()}
    if version < (25,):
        assert said.pop("set temperature") == "status:set_chuck_temp 40.00, False"
        assert ours.pop("set temperature") == "status:set_chuck_temp 40.00"
    assert ours == said


def test_our_bytes_to_an_old_prober_are_those_of_the_vendors_client_at_24_4():
    told = [each.removesuffix("|").split("\t") for each in (GOLDEN / "sentio_24_4_0.txt").read_text().splitlines() if "\t" in each]
    golden = dict(told)
    ours = {name: line(command(OLD)) for name, (command, _) in CALLS.items()}
    assert {name: ours[name] for name in golden} == golden
    assert len(golden) > 50


def test_a_whole_session_says_nothing_that_the_vendors_client_does_not():
    """Beside SweepMe's stop, which the vendor's client lacks."""
    known = {each.removesuffix("|").split("\t")[-1] for each in (GOLDEN / "sentio_client_lines.txt").read_text().splitlines()}
    words_known = {each.split(" ")[0] for each in known} | {
        line(command(v)).split(" ")[0] for command, _ in CALLS.values() for v in (OLD, NEW)
    }
    for version in ("24.0.7", "26.2.0"):
        with prober_on(ScriptedSentio(version=version)) as (prober, server):
            prober.identify()
            prober.go_to_die(1, 0)
            prober.set_overtravel(True)
            prober.contact()
            prober.press(5.0)
            prober.separate()
            prober.placement()
            assert {each.split(" ")[0] for each in server.lines} <= words_known | {"*RCS"}


def test_the_script_knows_every_word_that_we_say():
    said = {line(command(version)).split(" ")[0] for command, _ in CALLS.values() for version in (OLD, NEW)}
    assert said - set(HANDLERS) == {"*IDN?", "*LOCAL", "query_command_status", "abort_command", "wait_all"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_never_sent(value: float):
    with pytest.raises(ValueError, match="no number to send"):
        say.number(value)


@pytest.mark.parametrize(("value", "text"), [(20, "20"), (20.0, "20.0"), (1e-7, "0.0"), (1e9, "1000000000.0"), (16_000.12345, "16000.123")])
def test_numbers_have_a_point_and_never_an_exponent(value: float, text: str):
    assert say.number(value) == text
