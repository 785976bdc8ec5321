"""Moves take their time, and everything about the chuck is true on the way: where it is, what it touches, what stops it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.physics.travel import Travel
from simulator.prober_faults import PlannedFault, ProberFault
from tests.simulator.sentio_bench import SECOND, Bench


def moving(line: str, after_s: float, **more: bool) -> tuple[Bench, str]:
    """A bench whose first client sent a line so long ago; and what it has heard."""
    bench = Bench(real=True, **more)
    bench.send(line)
    bench.wait(after_s)
    return bench, bench.heard()


# --- how long
def test_moves_take_their_time_and_none_takes_none() -> None:
    bench = Bench(real=True)
    assert 0.2 < bench.takes_s("map:step_die 1,0") < 2.0
    assert 0.05 < bench.takes_s("move_chuck_contact") < 1.0
    assert bench.takes_s("move_chuck_contact") < 0.01
    assert bench.takes_s("move_chuck_separation ") < 1.0
    assert bench.takes_s("move_chuck_theta R, 1") > 0.5
    assert bench.takes_s("vis:align_wafer") > 10


def test_slow_and_soft_moves_take_longer() -> None:
    bench = Bench(real=True)
    usual = bench.takes_s("map:step_die 1,0")
    bench.message("set_chuck_speed Slow")
    assert bench.takes_s("map:step_die 0,0") > 2 * usual
    bench.message("set_chuck_speed Normal")
    plain = bench.takes_s("move_chuck_contact")
    bench.message("move_chuck_separation ")
    bench.message("set_soft_contact 1")
    assert bench.takes_s("move_chuck_contact") > 1.5 * plain


def test_a_fast_clock_takes_no_time_at_all() -> None:
    bench = Bench()
    for line in ("map:step_die 1,0", "move_chuck_contact", "vis:align_wafer", "start_initialization", "wait_all 90"):
        assert bench.takes_s(line) == 0.0


@given(st.floats(0, 1e5), st.floats(0, 1e5))
@settings(max_examples=50, deadline=None)
def test_a_longer_way_never_takes_less_time(one: float, other: float) -> None:
    near, far = sorted((one, other))
    assert Travel(near, 6e4, 4e5).seconds <= Travel(far, 6e4, 4e5).seconds


@given(st.floats(1.0, 1e5), st.floats(0.0, 1.0))
@settings(max_examples=100, deadline=None)
def test_a_way_is_covered_steadily_and_when_is_the_inverse_of_where(distance: float, share: float) -> None:
    way = Travel(distance, 6e4, 4e5)
    assert way.at(0.0) == 0.0 and way.at(way.seconds) == distance
    assert way.at(way.when(share * distance)) == pytest.approx(share * distance, abs=1e-6 * distance)
    assert way.at(share * way.seconds) <= way.at(min(1.0, share + 0.1) * way.seconds)


# --- on the way
def test_a_move_is_answered_when_it_is_over_and_its_client_is_not_served_before() -> None:
    bench, heard = moving("map:step_die 1,0", 0.1)
    assert heard == ""
    bench.send("status:get_version")
    assert bench.heard() == ""
    bench.wait(5)
    assert [bench.heard(), bench.heard()] == ["0,0,1,0,0", "0,0,Version: 26.2.0"]


def test_other_clients_see_the_chuck_on_its_way() -> None:
    bench, _ = moving("map:step_die 2,0", 0.2)
    other = bench.prober.connect()
    seen = []
    for _ in range(3):
        seen.append(float(bench.message("get_chuck_xy Wafer, H", other).split(",")[0]))
        assert bench.message("status:get_machine_status", other) == "Ready,Running,"
        assert bench.code("map:die:get_current_index", other) == 12
        bench.wait(0.05)
    assert 0.0 < seen[0] < seen[1] < seen[2] < 20_000.0
    bench.wait(5)
    assert bench.message("get_chuck_xy Wafer, H", other) == "20000.0,0.0"
    assert bench.message("status:get_machine_status", other) == "Ready,,"
    assert bench.message("map:die:get_current_index", other).endswith("2,0")


def test_what_moves_waits_for_the_chuck_whoever_sent_it() -> None:
    bench, _ = moving("map:step_die 2,0", 0.1)
    other = bench.prober.connect()
    bench.send("*RCS 1", other)
    bench.send("move_chuck_contact", other)
    assert bench.heard(other) == ""
    bench.wait(5)
    assert (bench.heard(), bench.heard(other)) == ("0,0,2,0,0", "0,0,16000.0")
    assert bench.world.die_in_contact == (2, 0) and bench.kinds == []


def test_what_waited_is_refused_when_another_client_has_taken_over_meanwhile() -> None:
    bench, _ = moving("map:step_die 2,0\nmove_chuck_contact", 0.1)
    other = bench.prober.connect()
    bench.send("*RCS 1", other)
    bench.wait(5)
    assert bench.heard() == "0,0,2,0,0"
    assert bench.heard().startswith("12,")
    assert bench.world.die_in_contact is None


def test_a_second_client_stops_the_chuck_where_it_is() -> None:
    bench, _ = moving("map:step_die 2,0", 0.2)
    other = bench.prober.connect()
    assert bench.message("stop_chuck_xyz", other) == "OK"
    stopped = bench.message("get_chuck_xy Wafer, H", other)
    assert 0.0 < float(stopped.split(",")[0]) < 20_000.0
    assert bench.heard() == "2,0,Chuck motion was stopped"
    bench.wait(5)
    assert bench.message("get_chuck_xy Wafer, H", other) == stopped
    assert bench.code("map:die:get_current_index") == 12
    assert bench.message("map:step_die 2,0") == "2,0,0" and bench.needles.die_below == (2, 0)


def test_a_stop_on_the_way_up_leaves_the_needles_off_the_wafer_or_on_it_as_they_are_by_then() -> None:
    for after_s, touching in ((0.02, False), (0.1, False), (0.2, True)):
        bench, _ = moving("move_chuck_contact", after_s)
        other = bench.prober.connect()
        bench.message("stop_chuck_xyz", other)
        assert bench.needles.touching is touching, after_s
        assert float(bench.message("get_chuck_z Zero", other)) == pytest.approx(bench.needles.z_um, abs=1e-3)


def test_stopping_a_chuck_that_stands_changes_nothing() -> None:
    bench = Bench(real=True)
    before = bench.message("get_chuck_xy")
    assert bench.message("stop_chuck_xyz") == "OK" and bench.message("get_chuck_xy") == before
    assert bench.message("map:die:get_current_index").endswith("0,0")


def test_the_needles_touch_when_the_chuck_passes_the_height_and_not_when_it_sets_out() -> None:
    bench = Bench(real=True)
    bench.send("move_chuck_contact")
    touched = [False]
    while not bench.heard():
        bench.wait(0.005)
        touched.append(bench.needles.touching)
    first = touched.index(True)
    assert first > 5 and all(touched[first:])
    assert bench.needles.touchdowns == 1


def test_an_output_that_comes_on_after_the_move_began_makes_the_touchdown_hot() -> None:
    bench = Bench(real=True)
    bench.send("move_chuck_contact")
    bench.wait(0.01)
    bench.world.set_output(True, 0.1)
    bench.wait(2)
    assert bench.kinds == ["hot_touchdown"]
    bench.heard()
    bench.send("move_chuck_separation ")
    bench.wait(0.001)
    bench.world.set_output(False, 0.0)
    bench.wait(2)
    assert bench.kinds == ["hot_touchdown"], "off before the needles let go"


def test_a_lost_connection_in_mid_move_stops_nothing_and_separates_nothing() -> None:
    bench, _ = moving("move_chuck_contact\nstatus:get_version", 0.01)
    bench.port.close()
    bench.wait(5)
    assert bench.world.die_in_contact == (0, 0)
    newcomer = bench.prober.connect()
    assert bench.message("move_chuck_separation ", newcomer) == "15750.0", "control went with the connection"


# --- what stops it besides
def test_a_door_that_opens_stops_the_chuck_sideways_but_not_on_its_way_down() -> None:
    opens = PlannedFault(ProberFault.DOOR_OPEN, after_ns=200_000_000)
    bench = Bench(opens, real=True)
    bench.send("map:step_die 2,0")
    bench.wait(1)
    assert bench.heard() == "66,0,Prober door was opened"
    assert 0.0 < bench.numbers("get_chuck_xy Wafer, H")[0] < 20_000.0
    assert bench.message("get_door_status prober") == "0,0"
    down = Bench(PlannedFault(ProberFault.DOOR_OPEN, after_ns=400_000_000), real=True)
    down.message("move_chuck_contact")
    down.now_ns = 390_000_000
    assert down.message("move_chuck_separation ") == "15750.0"
    assert down.code("move_chuck_contact") == 66


def test_asynchronous_commands_run_while_others_are_answered() -> None:
    bench = Bench(cold=True, real=True)
    assert bench.say("start_initialization") == "0,1,OK"
    assert bench.say("query_command_status 1").startswith("30,1,")
    assert bench.message("status:get_machine_status") == "Ready,Running,"
    assert bench.say("wait_complete 1, 1").startswith("19,1,")
    begun_ns = bench.now_ns
    assert bench.say("wait_complete 1, 180") == "0,1,OK"
    assert (bench.now_ns - begun_ns) / SECOND > 10
    assert bench.code("query_command_status 1") == 32


def test_an_asynchronous_command_can_be_aborted_and_then_says_so() -> None:
    bench = Bench(real=True)
    bench.say("start_initialization")
    assert bench.say("abort_command 1") == "0,1,OK"
    assert bench.say("query_command_status 1") == "31,1,Command was aborted"
    assert bench.say("map:step_first_die").startswith("100,"), "an initialisation that was aborted has not initialised"


def test_waiting_for_all_waits_for_all() -> None:
    bench = Bench(real=True)
    bench.say("start_async_cmd")
    bench.say("start_async_cmd")
    assert bench.code("wait_all 1") == 19
    assert bench.message("wait_all 90") == "OK" and 5 < bench.now_ns / SECOND < 6
    assert bench.code("query_command_status 2") == 32
