"""Anything may be said in any order by anybody at any time: every line is answered once, and what LockContact promises holds."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.instruments.sentio.commands import COMMANDS
from simulator.instruments.sentio.registry import Needs
from tests.simulator.sentio_bench import Bench

SAFE = (
    "map:step_die 1,0",
    "map:step_die 3,-1",
    "map:step_first_die",
    "map:step_next_die",
    "map:step_previous_die",
    "map:subsite:step_next",
    "move_chuck_contact",
    "move_chuck_separation ",
    "chuck:move_z Contact,0",
    "move_chuck_z S, 50",
    "move_chuck_z C, -20",
    "move_chuck_lift",
    "move_chuck_home ",
    "move_chuck_xy H, 5000, 300",
    "move_chuck_xy R, 40, 0",
    "move_chuck_index Home, 1, 1",
    "move_chuck_theta R, 0.2",
    "move_chuck_xyt 10, 10, 0.1",
    "move_chuck_center",
    "move_chuck_load front",
    "move_chuck_load center",
    "move_chuck_site AuxLeft",
    "move_chuck_site Wafer",
    "aux:cleaning:start 2",
    "vis:align_wafer",
    "vis:align_wafer auto",
    "vis:find_home",
    "start_initialization",
    "loader:unload_wafer",
    "loader:load_wafer cas1, 1",
    "abort_command 1",
    "status:set_chuck_temp 30, True",
    "status:set_chuck_temp 30, False",
    "stop_chuck_xyz",
    "enable_chuck_overtravel True",
    "set_vacuum Wafer, True",
    "wait_all 1",
    "status:get_machine_status",
    "*RCS 1",
    "*LOCAL",
    "vis:start_fast_track",
    "vis:compensation:start_execute Topography",
    "vis:compensation:enable topography, True",
)
"""What a careful client may say: nothing that changes a height, the stepping mode or the vacuum."""


@given(st.lists(st.tuples(st.sampled_from(SAFE), st.integers(0, 1), st.sampled_from([0.0, 0.03, 0.1, 0.3, 3.0, 60.0])), max_size=25))
@settings(max_examples=150, deadline=None)
def test_in_locked_contact_no_order_of_commands_no_stop_and_no_second_client_drags_the_needles(said: list[tuple[str, int, float]]) -> None:
    bench = Bench(real=True, kelvin_per_s=0.5)
    bench.message("set_stepping_contact_mode LockContact")
    ports = [bench.port, bench.prober.connect()]
    asked, heard = [0, 0], [0, 0]
    for line, who, seconds in said:
        bench.send(line, ports[who])
        asked[who] += not line.startswith("*")
        bench.wait(seconds)
    bench.wait(4_000)
    for who, port in enumerate(ports):
        while bench.heard(port):
            heard[who] += 1
    assert heard == asked
    assert set(bench.kinds) <= {"thermal_in_contact"}
    assert bench.prober.chuck.stage_um == bench.needles.stage_um and bench.prober.chuck.moving is None
    assert bench.prober.work.idle and bench.prober.due_ns() is None


WORDS = sorted(COMMANDS)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_every_command_with_any_arguments_is_answered_in_one_line(seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench()
    arguments = ["", "0", "1", "-1", "1e9", "nan", "True", "Wafer", "H", "Zero", "cas1", "scope", "a", "East", "home", "ON", "execute", " "]
    for word in rng.choices(WORDS, k=40):
        line = f"{word} {','.join(rng.choices(arguments, k=rng.randrange(6)))}"
        answer = bench.say(line)
        head = answer.split(",", 2)
        assert len(head) == 3 and head[0].isdecimal() and head[1].isdecimal() and "\n" not in answer, (line, answer)
        assert bench.heard() == "", line


def test_what_changes_something_needs_remote_control_and_what_only_asks_does_not() -> None:
    asking = {word for word, command in COMMANDS.items() if command.needs is Needs.NOTHING}
    verbs = {word.rpartition(":")[2].partition("_")[0] for word in asking}
    assert verbs <= {"get", "has", "is", "query", "wait", "stop", "list"}
    assert {word for word in asking if "stop" in word} == {"stop_chuck_xyz", "stop_chuck_theta"}
