"""From die to die: never one under the wrong name. A step that was silently not taken is found out every time."""

import random
from dataclasses import replace

import pytest

from drivers.errors import LinkLost, MotionRefused, OverLimit, PositionNotVerified, ProberBug
from drivers.prober.die_grid import DieGrid
from drivers.prober.sentio import Sentio
from drivers.prober.soft_limits import SoftLimits
from drivers.values import Moving
from tests.support.probing import prober_on
from tests.support.scripted_sentio import AXES_UM, CONTACT_UM, PITCH_UM, ScriptedSentio
from tests.support.scripted_server import HANG_UP, Answer

ROUTE = tuple((column, 0) for column in range(5))


# --- a named die
def test_a_die_is_reached_and_read_back():
    with prober_on(ScriptedSentio()) as (prober, server):
        state = prober.go_to_die(-2, 3)
        assert "map:step_die -2, 3, 0" in server.lines
    assert (state.die, state.in_contact) == ((-2, 3), False)


@pytest.mark.parametrize(
    "lies",
    [
        {"map:step_die": b"0,0,1,1,0\n"},
        {"map:die:get_current_index": b"0,0,3,1,2\n"},
        {"map:die:get_current_index": b"2,0,No die active\n"},
        {"chuck:get_xy": b"0,0,20000.0,10011.0,Home\n"},
        {"chuck:get_xy": b"0,0,-20000.0,10000.0,Home\n"},
        {"map:step_die": b"1035,0,2,2,0\n"},
        {"map:step_die": b"11,0,End of route\n"},
    ],
)
def test_a_step_that_reads_back_elsewhere_is_not_believed(lies: dict[str, Answer]):
    with prober_on(ScriptedSentio(lies=lies)) as (prober, _), pytest.raises(PositionNotVerified, match=r"sent to die \(2, 1\)"):
        prober.go_to_die(2, 1)


def test_a_step_that_was_taken_and_answered_with_another_die_is_not_believed_either():
    device = ScriptedSentio()

    def script(line: str) -> Answer:
        reply = device(line)
        return b"0,0,1,1,0\n" if line.startswith("map:step_die") else reply

    with prober_on(script) as (prober, _), pytest.raises(PositionNotVerified, match=r"it answers \(1, 1\) and reads back \(2, 1\)"):
        prober.go_to_die(2, 1)


def test_the_text_of_a_step_not_believed_says_all_it_takes_to_find_out_why():
    told = r"its \(2, 1\) at \(20000.0, 10000.0\) um from home; it answers \(2, 1\) and reads back \(0, 0\) at \(0.0, 0.0\) um.*lab\.toml"
    with prober_on(ScriptedSentio(on_step=lambda _: True)) as (prober, _), pytest.raises(PositionNotVerified, match=told):
        prober.go_to_die(2, 1)


@pytest.mark.parametrize("z_um", [CONTACT_UM, CONTACT_UM + 20, CONTACT_UM - 100, CONTACT_UM + 500])
def test_no_step_is_sent_unless_the_chuck_reads_back_separated(z_um: float):
    device = ScriptedSentio(z_um=z_um, route=ROUTE)
    with prober_on(device) as (prober, _):
        for step in (lambda: prober.go_to_die(1, 0), prober.stepping.first, prober.stepping.next, lambda: prober.stepping.bin_and_next(1)):
            with pytest.raises(MotionRefused, match="separate first"):
                step()
        assert device.moves == []


def test_the_height_is_read_right_before_every_step():
    with prober_on(ScriptedSentio(route=ROUTE)) as (prober, server):
        prober.stepping.first()
        prober.stepping.next()
        prober.go_to_die(3, 0)
        for at, line in enumerate(server.lines):
            if "step" in line and not line.startswith("set_stepping"):
                since = server.lines[:at]
                last_z = max(index for index, each in enumerate(since) if each == "chuck:get_z Zero")
                assert not any("move" in each or "map:step" in each for each in since[last_z:])


# --- names
@pytest.mark.parametrize("orient", ["UR", "UL", "DR", "DL"])
@pytest.mark.parametrize("notch", ["down", "left", "up", "right"])
def test_a_die_keeps_its_name_whichever_way_the_prober_counts_and_the_wafer_lies(orient: str, notch: str):
    device = ScriptedSentio(orient=orient, home_die=(10, -4), die=(10, -4))
    grid = DieGrid(notch=notch)  # type: ignore[arg-type]
    with prober_on(device, grid=grid) as (prober, _):
        assert prober.state().die == (0, 0)
        for die in ((2, 1), (-1, 3), (0, 0)):
            assert prober.go_to_die(*die).die == die
            x_um, y_um = device.xy_um()
            assert (x_um, y_um) == pytest.approx(grid.centre_um(die))


def test_a_prober_too_old_to_tell_of_its_map_is_taken_by_its_word_and_by_its_position():
    unknown = b"2,0,Unsupported remote command: map:get\n"
    device = ScriptedSentio(version="24.0.7", lies=dict.fromkeys(("map:get_axis_orient", "map:get_home_die"), unknown))
    with prober_on(device) as (prober, _):
        assert prober.go_to_die(2, 1).die == (2, 1)
        device.orient = "UL"
        with pytest.raises(PositionNotVerified):
            prober.go_to_die(3, 1)


def test_after_a_lost_line_the_map_is_read_anew_before_anything_is_named():
    device = ScriptedSentio()
    with prober_on(device) as (prober, _):
        prober.go_to_die(1, 1)
        device.lies["status:get_chuck_temp"] = HANG_UP
        with pytest.raises(LinkLost):
            prober.chuck_temperature_c()
        device.orient, device.die = "DL", (-1, -1)
        assert prober.state().die == (1, 1)
        assert prober.go_to_die(2, 1).die == (2, 1)
    assert device.die == (-2, -1)


def test_a_prober_with_the_map_of_another_wafer_is_not_stepped():
    device = ScriptedSentio(pitch_um=(9_900.0, 10_000.0))
    with prober_on(device) as (prober, _):
        with pytest.raises(PositionNotVerified, match=r"pitch of lab\.toml.*another wafer's"):
            prober.go_to_die(1, 0)
        assert prober.state().die is None
        assert device.moves == []


def test_a_pitch_measured_by_the_alignment_is_where_the_dies_are():
    device = ScriptedSentio(pitch_um=(10_004.0, 10_000.0))
    with prober_on(device) as (prober, _):
        assert prober.go_to_die(20, 0).die == (20, 0)
    assert device.xy_um() == (200_080.0, 0.0)


# --- soft limits
def test_a_die_that_is_not_the_labs_is_refused_before_anything_is_told():
    device = ScriptedSentio(route=((0, 0), (7, 7)))
    with prober_on(device, limits=SoftLimits(dies=frozenset({(0, 0), (1, 0)}))) as (prober, server):
        for step in (lambda: prober.go_to_die(9, 9), prober.stepping.next, lambda: prober.stepping.to_place(1)):
            with pytest.raises(OverLimit, match=r"is not one of the 2 dies"):
                step()
        assert "*RCS 1" not in server.lines
        assert prober.go_to_die(1, 0).die == (1, 0)


def test_a_die_beyond_the_chucks_axes_is_refused():
    limits = SoftLimits(chuck_x_um=(AXES_UM[0] - 2 * PITCH_UM, AXES_UM[0] + 2 * PITCH_UM))
    device = ScriptedSentio()
    with prober_on(device, limits=limits) as (prober, _):
        assert prober.go_to_die(2, 30).die == (2, 30)
        assert prober.go_to_die(-2, 0).die == (-2, 0)
        with pytest.raises(OverLimit, match=r"chuck x = 180000 um is outside 130000 to 170000 um \(limits\.chuck_x_um\)"):
            prober.go_to_die(3, 0)
    assert device.die == (-2, 0)


# --- along the route
def test_a_route_is_walked_to_its_end_and_back_and_its_ends_are_no_errors():
    device = ScriptedSentio(route=ROUTE, die=(3, 3))
    with prober_on(device) as (prober, _):
        walked = [prober.stepping.first()]
        while (step := prober.stepping.next()) is not None:
            walked.append(step)
        assert [step.die for step in walked] == list(ROUTE) == prober.stepping.route()
        assert [step.last_die for step in walked] == [False] * 4 + [True]
        assert all(step.state.die == step.die and step.site == 0 and not step.last_site for step in walked)
        back = []
        while (step := prober.stepping.previous()) is not None:
            back.append(step.die)
        assert back == list(ROUTE[-2::-1])
        assert prober.stepping.to_place(2).die == (2, 0)


def test_the_answer_on_the_last_die_is_a_status_with_the_die_in_it():
    lies: dict[str, Answer] = {"map:step_next_die": b"3072,0,1,0,2\n"}
    device = ScriptedSentio(route=ROUTE, lies=lies)

    def script(line: str) -> Answer:
        if line == "map:step_next_die":
            device.die = (1, 0)
        return device(line)

    with prober_on(script) as (prober, _):
        step = prober.stepping.next()
    assert step is not None
    assert (step.last_die, step.last_site, step.site) == (True, True, 2)


def test_a_route_that_ended_while_we_looked_away_is_an_end():
    device = ScriptedSentio(route=ROUTE, lies={"map:step_next_die": b"1035,0,End of route reached!\n"})
    with prober_on(device) as (prober, _):
        assert prober.stepping.next() is None
    assert device.die == (0, 0)


def test_dies_are_binned_on_the_way_the_last_one_too():
    device = ScriptedSentio(route=ROUTE[:2])
    with prober_on(device) as (prober, server):
        assert prober.stepping.bin_and_next(3) is not None
        assert prober.stepping.bin_and_next(4) is None
        assert "map:bin_step_next_die 3" in server.lines
        assert prober.map.bin_of((1, 0)) == 4
    assert device.bins == {(0, 0): 3, (1, 0): 4}


def test_a_chuck_beside_the_route_does_not_step_along_it():
    with prober_on(ScriptedSentio(route=ROUTE, die=(0, 7))) as (prober, _):
        for step in (prober.stepping.next, prober.stepping.previous, lambda: prober.stepping.bin_and_next(1)):
            with pytest.raises(MotionRefused, match="not part of the route; go to its first die"):
                step()


def test_a_place_behind_the_end_of_the_route_is_refused_and_so_is_an_empty_route():
    with prober_on(ScriptedSentio(route=ROUTE)) as (prober, _), pytest.raises(MotionRefused, match="no place 5; it has 5"):
        prober.stepping.to_place(5)
    with prober_on(ScriptedSentio(lies={"map:get_num_dies": b"0,0,0\n"})) as (prober, _):
        assert prober.stepping.route() == []
        with pytest.raises(MotionRefused, match="no die is selected"):
            prober.stepping.first()


def test_a_die_the_prober_does_not_know_is_its_error():
    device = ScriptedSentio(lies={"map:step_die": b"8,0,Die does not exist!\n"})
    with prober_on(device) as (prober, _), pytest.raises(ProberBug, match="8 ArgumentOutOfBounds: Die does not exist!"):
        prober.go_to_die(9, 9)


# --- 100 steps silently not taken
def _not_taken(device: ScriptedSentio, to: tuple[int, int]) -> Answer:
    """The answer is right, the chuck and the prober's mind stay where they are."""
    return f"0,0,{to[0]},{to[1]},0\n".encode()


def _index_alone(device: ScriptedSentio, to: tuple[int, int]) -> Answer:
    """The prober believes itself there; the chuck did not move."""
    device.from_home_um = device.xy_um()
    device.die = to
    return _not_taken(device, to)


def _chuck_alone(device: ScriptedSentio, to: tuple[int, int]) -> Answer:
    """The chuck went, the prober's mind did not."""
    device.from_home_um = replace(device, die=to, from_home_um=None).xy_um()
    return _not_taken(device, to)


def _honest(device: ScriptedSentio, to: tuple[int, int]) -> Answer:
    """Nothing moved, and the answer even says so."""
    assert device.die is not None
    return f"0,0,{device.die[0]},{device.die[1]},0\n".encode()


def _too_far(device: ScriptedSentio, to: tuple[int, int]) -> Answer:
    """Everything agrees, on the die behind."""
    device.die, device.from_home_um = (to[0] + 1, to[1]), None
    return f"0,0,{to[0] + 1},{to[1]},0\n".encode()


SKIPS = (_not_taken, _index_alone, _chuck_alone, _honest, _too_far)


def _steps(prober: Sentio, device: ScriptedSentio, dice: random.Random) -> None:
    """One step of any kind to another die."""
    way = dice.randrange(4)
    if way == 0:
        prober.stepping.next()
    elif way == 1:
        prober.stepping.previous()
    elif way == 2:
        prober.stepping.bin_and_next(1)
    else:
        others = [die for die in device.route if die != device.die]
        prober.go_to_die(*dice.choice(others))


def test_a_hundred_steps_silently_not_taken_are_a_hundred_refusals():
    dice = random.Random(20_261_122)
    route = tuple((column, row) for row in range(4) for column in range(5))
    device = ScriptedSentio(route=route)
    skip = SKIPS[0]

    def script(line: str) -> Answer:
        word, _, rest = line.strip().partition(" ")
        if not word.startswith(("map:step", "map:bin_step")):
            return device(line)
        assert device.die is not None
        place = route.index(device.die)
        named = [int(each) for each in rest.split(",")[:2]] if word == "map:step_die" else route[place + (-1 if "previous" in word else 1)]
        return skip(device, (named[0], named[1]))

    refused = 0
    with prober_on(script) as (prober, _):
        for count in range(100):
            skip = SKIPS[count % len(SKIPS)]
            device.die, device.from_home_um = dice.choice(route[1:-1]), None
            with pytest.raises(PositionNotVerified):
                _steps(prober, device, dice)
            refused += 1
            named = prober.state().die
            assert named is None or device.xy_um() == (named[0] * PITCH_UM, named[1] * PITCH_UM), "no other name than the right one"
    assert refused == 100


def test_while_the_chuck_moves_it_says_so_and_how_long_that_may_take():
    seen: list[Moving | None] = []

    def look(_: tuple[int, int]) -> bool:
        seen.append(prober.moving)
        return False

    with prober_on(ScriptedSentio(on_step=look)) as (prober, _):
        prober.go_to_die(1, 0)
        prober.go_to_die(2, 0)
        assert prober.moving is None
    assert [each and each.longest_s for each in seen] == [60.0, 60.0]
    assert seen[0] != seen[1], "one move is not taken for another"
