"""What goes wrong in the prober on a script, and the file that says so."""

from collections.abc import Callable

import pytest

from simulator.fault_plan import FaultPlanError, parse_faults
from simulator.prober_faults import PlannedFault, ProberFault, ProberFaults
from tests.simulator.sentio_bench import SECOND, Bench


def planned(text: str) -> tuple[PlannedFault, ...]:
    return parse_faults(f"[prober]\n{text}").prober


def benched(text: str, **more: bool) -> Bench:
    return Bench(*planned(text), **more)


# --- in the prober
def test_a_silent_step_says_the_new_die_lifts_the_chuck_and_stays() -> None:
    bench = benched("silent_step = { at = [2] }")
    bench.message("map:step_die 1,0")
    bench.message("move_chuck_contact")
    assert bench.say("map:step_die 2,0") == "0,0,2,0,0"
    assert bench.message("map:die:get_current_index").endswith("1,0")
    assert bench.numbers("get_chuck_xy Wafer, H") == (10_000, 0)
    assert bench.world.die_in_contact == (1, 0) and bench.needles.touchdowns == 2, "it lifted, and came back"
    assert bench.message("map:step_die 2,0") == "2,0,0" and bench.message("map:die:get_current_index").endswith("2,0")


def test_a_lost_step_has_the_new_dies_index_and_the_old_ones_place() -> None:
    bench = benched("lost_step = { at = [1] }")
    assert bench.say("map:step_die 1,0") == "0,0,1,0,0"
    assert bench.message("map:die:get_current_index").endswith("1,0")
    assert bench.numbers("get_chuck_xy Wafer, H") == (0, 0)
    bench.message("move_chuck_contact")
    assert bench.world.die_in_contact == (0, 0)


def test_an_error_is_answered_and_nothing_is_done() -> None:
    bench = benched('error = { command = "move_chuck_contact", code = 68, at = [2] }')
    assert [bench.code("move_chuck_contact") for _ in range(3)] == [0, 68, 0]
    bench = benched('error = [{ command = "MAP:STEP_DIE", code = 19, at = [1] }, { code = 500, at = [3] }]')
    assert [bench.say("map:step_die 1,0"), bench.code("map:step_die 1,0")] == ["19,0,Timeout", 0]
    assert bench.say("status:get_version") == "500,0,Error 500"
    assert bench.message("map:die:get_current_index").endswith("1,0")


def test_a_late_answer_comes_late_and_what_it_answers_was_done_in_time() -> None:
    bench = benched('late = { command = "move_chuck_separation", seconds = 3.0, at = [1] }', real=True)
    bench.message("move_chuck_contact")
    bench.send("move_chuck_separation ")
    bench.wait(1)
    assert not bench.needles.touching and bench.heard() == ""
    bench.wait(3)
    assert bench.heard() == "0,0,15750.0"
    assert bench.takes_s("move_chuck_contact") < 1


def test_the_vacuum_fails_by_itself_and_can_be_switched_on_when_the_pump_runs_again() -> None:
    bench = benched("vacuum_loss = { after_s = 5.0, seconds = 2.0 }")
    bench.message("move_chuck_contact")
    bench.wait(6)
    assert bench.message("get_chuck_site_status Wafer") == "1,1,0,0" and bench.world.die_in_contact == (0, 0)
    assert bench.code("set_vacuum Wafer, True") == 68
    bench.message("move_chuck_separation ")
    assert bench.code("move_chuck_contact") == 68
    bench.wait(2)
    bench.message("set_vacuum Wafer, True")
    assert bench.code("move_chuck_contact") == 0 and bench.kinds == []


def test_a_door_opens_by_itself_or_before_a_command() -> None:
    bench = benched('door_open = { command = "map:step_die", at = [2], seconds = 3.0 }')
    bench.message("map:step_die 1,0")
    bench.message("map:step_die 0,0")
    assert bench.message("get_door_status prober") == "0,0" and bench.code("move_chuck_contact") == 66
    bench.wait(4)
    assert bench.message("get_door_status prober") == "1,1" and bench.code("move_chuck_contact") == 0
    side = benched('door_open = { after_s = 1.0, door = "side" }')
    side.wait(2)
    assert side.code("move_chuck_contact") == 67


def test_chance_strikes_the_same_commands_for_the_same_seed_and_about_as_often_as_asked() -> None:
    def struck(seed: int) -> list[bool]:
        faults = ProberFaults(planned("error = { probability = 0.3, code = 19 }"), seed)
        return [bool(faults.struck("get_chuck_z", 0)) for _ in range(1_000)]

    assert struck(1) == struck(1) != struck(2)
    assert 220 < sum(struck(1)) < 380


def test_what_strikes_after_a_time_strikes_once() -> None:
    faults = ProberFaults(planned('late = { command = "map:step_die", after_s = 5.0, seconds = 1.0 }'), 0, begun_ns=10 * SECOND)
    struck = [bool(faults.struck("map:step_die", when * SECOND)) for when in (11, 14, 15, 16)]
    assert struck == [False, False, True, False]


# --- the file
def test_a_plan_holds_what_the_file_says() -> None:
    assert planned('late = { command = "map:step_die", at = [3], seconds = 2.5 }') == (
        PlannedFault(ProberFault.LATE, command="map:step_die", at=frozenset({3}), hold_ns=2_500_000_000),
    )
    assert planned("") == () and parse_faults("[prober.to_host]\nlose = { at = [1] }").prober == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("silent_step = {}", "prober.silent_step has no time to strike"),
        ("silent_step = { at = [1], after_s = 1.0 }", "has at and after_s"),
        ("silent_step = { at = [1], seconds = 1.0 }", "unknown key prober.silent_step.seconds"),
        ("error = { at = [1] }", "prober.error has no code"),
        ("error = { at = [1], code = 1024 }", "prober.error.code is 1024; it must be a whole number from 1 to 1023"),
        ("late = { at = [1] }", "prober.late has no seconds"),
        ("door_open = { at = [1], door = 'barn' }", "prober.door_open.door is 'barn'; it must be prober, front"),
        ("error = { at = [1], code = 2, command = 3 }", "prober.error.command is 3; it must be a text"),
        ("error = 5", "prober.error is 5; it must be a table"),
        ("interlock_open = {}", "unknown key prober.interlock_open"),
    ],
)
def test_a_file_that_says_nonsense_is_refused_with_what_would_be_right(text: str, says: str) -> None:
    refuse: Callable[[], object] = lambda: planned(text)  # noqa: E731
    with pytest.raises(FaultPlanError) as refused:
        refuse()
    assert says in str(refused.value)
