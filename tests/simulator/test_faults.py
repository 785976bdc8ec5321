"""The faulty cable in virtual time, and the file that scripts it: what it may say, and one line for what it may not."""

import random
import re
from pathlib import Path

import pytest

from simulator.fault_plan import FaultPlanError, load_faults, parse_faults
from simulator.faults import LONGEST_FRAME_BYTES, Carried, DirectionPlan, Fault, FaultName, FaultyDirection, Incident

DOCS = Path(__file__).parents[2] / "docs" / "faults.md"
FRAME = b"frame with nine words in it and a tail\0"
SECOND_NS = 1_000_000_000
MILLI_NS = 1_000_000


def once(name: FaultName, number: int = 1, **settings: int) -> DirectionPlan:
    return DirectionPlan((Fault(name, at=frozenset({number}), **settings),))


def data_of(carried: list[Carried]) -> bytes:
    return b"".join(what for _, what in carried if isinstance(what, bytes))


def struck(name: FaultName, seed: int = 5, **settings: int) -> bytes:
    return data_of(FaultyDirection(once(name, **settings), seed).carry(FRAME, 0))


def test_each_fault_does_what_its_name_says() -> None:
    flipped = struck(FaultName.FLIP)
    assert sum((a ^ b).bit_count() for a, b in zip(flipped, FRAME, strict=True)) == 1
    assert len(struck(FaultName.DROP)) == len(FRAME) - 1
    doubled = struck(FaultName.DOUBLE)
    assert len(doubled) == len(FRAME) + 1 and any(doubled == FRAME[: i + 1] + FRAME[i:] for i in range(len(FRAME)))
    swapped = struck(FaultName.SWAP)
    changed = [place for place, (a, b) in enumerate(zip(swapped, FRAME, strict=True)) if a != b]
    assert sorted(swapped) == sorted(FRAME) and len(changed) == 2 and changed[1] == changed[0] + 1
    assert 0 < len(struck(FaultName.CUT)) < len(FRAME) and FRAME.startswith(struck(FaultName.CUT))
    assert struck(FaultName.REPEAT) == FRAME * 2
    assert struck(FaultName.SPLIT, hold_ns=5) == FRAME
    assert struck(FaultName.LOSE) == b""
    noisy = struck(FaultName.NOISE, noise_bytes=30)
    assert len(noisy) == len(FRAME) + 30 and noisy.endswith(FRAME)


@pytest.mark.parametrize("name", list(FaultName))
def test_only_the_frame_that_is_named_is_struck(name: FaultName) -> None:
    way = FaultyDirection(once(name, number=3, hold_ns=SECOND_NS), 1)
    carried = [way.carry(FRAME, number * MILLI_NS) for number in range(1, 6)]
    assert [each == [(number * MILLI_NS, FRAME)] for number, each in enumerate(carried, 1)][:3] == [True, True, False]
    assert [data_of(each) for each in carried[3:]] == [FRAME, FRAME]


def test_how_the_bytes_are_cut_makes_no_difference() -> None:
    plan = DirectionPlan(tuple(Fault(name, probability=0.2, hold_ns=5) for name in FaultName))
    rng, sent = random.Random(2), FRAME * 300
    whole = FaultyDirection(plan, 4).carry(sent, 0)
    pieces, way, start = [], FaultyDirection(plan, 4), 0
    while start < len(sent):
        size = rng.randrange(1, 90)
        pieces += way.carry(sent[start : start + size], 0)
        start += size
    assert pieces == whole


def test_the_same_seed_fails_alike_and_another_one_does_not() -> None:
    plan = DirectionPlan((Fault(FaultName.FLIP, probability=0.5), Fault(FaultName.LOSE, probability=0.1)), jitter_ns=1000)
    first, same, other = (FaultyDirection(plan, seed).carry(FRAME * 50, 0) for seed in (1, 1, 2))
    assert first == same != other


def test_a_probability_is_kept_for_each_fault_by_itself() -> None:
    plan = DirectionPlan((Fault(FaultName.LOSE, probability=0.1), Fault(FaultName.NOISE, probability=0.05, noise_bytes=1)))
    way = FaultyDirection(plan, 8)
    arrived = [data_of(way.carry(FRAME, 0)) for _ in range(20_000)]
    assert sum(not each for each in arrived) / 20_000 == pytest.approx(0.1, abs=0.01)
    assert sum(len(each) > len(FRAME) for each in arrived) / 20_000 == pytest.approx(0.9 * 0.05, abs=0.006)
    assert way.frames == 20_000


def test_latency_and_jitter_keep_the_order() -> None:
    way = FaultyDirection(DirectionPlan(latency_ns=MILLI_NS, jitter_ns=MILLI_NS), 3)
    times = [way.carry(FRAME, number * 10_000)[0][0] for number in range(1000)]
    assert times == sorted(times) and len(set(times)) > 20
    assert all(MILLI_NS <= at_ns - number * 10_000 <= 2 * MILLI_NS for number, at_ns in enumerate(times))


def test_a_late_frame_makes_only_its_own_connection_late_and_a_stall_all_of_them() -> None:
    for name, other_ns in ((FaultName.DELAY, 7), (FaultName.STALL, SECOND_NS)):
        way = FaultyDirection(once(name, hold_ns=SECOND_NS), 1)
        beside = way.beside()
        assert way.carry(FRAME * 2, 0) == [(SECOND_NS, FRAME)] * 2
        assert beside.carry(FRAME, 7) == [(other_ns, FRAME)]
        assert way.carry(FRAME, 2 * SECOND_NS) == [(2 * SECOND_NS, FRAME)], "it is over"


def test_a_split_frame_comes_in_two_parts_with_a_pause_and_holds_up_what_follows() -> None:
    (first_at, first), (second_at, second), following = FaultyDirection(once(FaultName.SPLIT, hold_ns=70), 1).carry(FRAME * 2, 10)
    assert (first_at, second_at, following) == (10, 80, (80, FRAME))
    assert isinstance(first, bytes) and isinstance(second, bytes) and first and first + second == FRAME


def test_after_s_strikes_the_first_frame_after_it_once() -> None:
    plan = DirectionPlan((Fault(FaultName.LOSE, after_ns=5 * SECOND_NS),))
    way = FaultyDirection(plan, 1, begun_ns=100 * SECOND_NS)
    lost = [not way.carry(FRAME, at * SECOND_NS) for at in (100, 104, 106, 107, 200)]
    assert lost == [False, False, True, False, False]


@pytest.mark.parametrize("name", [FaultName.DISCONNECT, FaultName.RESET, FaultName.REBOOT])
def test_an_incident_comes_in_place_of_the_frame_at_its_time(name: FaultName) -> None:
    plan = DirectionPlan((Fault(name, at=frozenset({2})),), latency_ns=50)
    assert FaultyDirection(plan, 1).carry(FRAME * 3, 0) == [(50, FRAME), (50, Incident(name.value)), (50, FRAME)]


def test_the_zeros_of_an_emergency_stop_always_arrive() -> None:
    way = FaultyDirection(DirectionPlan(tuple(Fault(name, probability=1.0) for name in FaultName)), 1)
    assert data_of(way.carry(bytes(16), 0)) == bytes(16)
    assert way.frames == 0


def test_babble_without_a_delimiter_is_passed_on_and_not_kept() -> None:
    way, arrived = FaultyDirection(DirectionPlan((Fault(FaultName.LOSE, at=frozenset({99})),)), 1), b""
    for _ in range(40):
        arrived += data_of(way.carry(b"\xff" * 10_000, 0))
    assert 400_000 - LONGEST_FRAME_BYTES <= len(arrived) <= 400_000


def test_lines_of_text_are_frames_where_the_instrument_speaks_text() -> None:
    way = FaultyDirection(once(FaultName.LOSE, number=2), 1, delimiter=b"\n")
    assert data_of(way.carry(b"1.0\n2.0\n3.0\n", 0)) == b"1.0\n3.0\n"


# --- the file


def test_the_example_of_the_documentation_is_a_good_file(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert example
    file = tmp_path / "faults.toml"
    file.write_text(example[1])
    plan = load_faults(file)
    assert plan.seed == 7 and set(plan.lines) == {"crossbar", "smu", "prober"}
    to_device, to_host = plan.lines["crossbar"].to_device, plan.lines["crossbar"].to_host
    assert (to_device.latency_ns, to_device.jitter_ns) == (1_000_000, 200_000)
    assert Fault(FaultName.NOISE, probability=0.001, noise_bytes=20) in to_device.faults
    assert Fault(FaultName.STALL, after_ns=5 * SECOND_NS, hold_ns=1_500_000_000) in to_device.faults
    assert Fault(FaultName.REBOOT, at=frozenset({200, 450})) in to_device.faults
    assert [fault.name for fault in to_host.faults] == [FaultName.FLIP, FaultName.LOSE, FaultName.LOSE, FaultName.DISCONNECT]
    assert plan.lines["prober"].to_device == DirectionPlan()
    assert plan.interlock_open == ((5 * SECOND_NS, SECOND_NS),)


def test_every_fault_is_explained_in_the_documentation() -> None:
    text = DOCS.read_text()
    assert [name for name in FaultName if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("speed = 3", "unknown key speed; here may be seed, crossbar, smu, prober"),
        ("seed = -1", "seed is -1; it must be a whole number from 0"),
        ("seed = 1.5", "seed is 1.5; it must be a whole number"),
        ("crossbar = 3", "crossbar is 3; it must be a table"),
        ("[crossbar.both]", "unknown key crossbar.both; here may be to_device, to_host"),
        ("[crossbar.to_host]\nflop = {}", "unknown key crossbar.to_host.flop; here may be latency_s, jitter_s, cut"),
        ("[prober.to_host]\nflip = { probability = 0.1 }", "unknown key prober.to_host.flip; here may be latency_s, jitter_s, cut"),
        ("[prober.to_device]\nreboot = { at = [1] }", "unknown key prober.to_device.reboot"),
        ("[crossbar.to_host]\nflip = 0.01", "crossbar.to_host.flip is 0.01; it must be a table, as in { probability = 0.01 }"),
        ("[crossbar.to_host]\nflip = {}", "crossbar.to_host.flip has no time to strike; give one of probability, at, after_s"),
        ("[crossbar.to_host]\nflip = { probability = 1, at = [1] }", "crossbar.to_host.flip has probability and at; give one of"),
        ("[crossbar.to_host]\nflip = { probability = 1.5 }", "crossbar.to_host.flip.probability is 1.5; it must be a number from 0 to 1"),
        ("[crossbar.to_host]\nflip = { probability = nan }", "crossbar.to_host.flip.probability is nan; it must be a number from 0 to 1"),
        ("[crossbar.to_host]\nflip = { probability = true }", "crossbar.to_host.flip.probability is True; it must be a number"),
        ("[crossbar.to_host]\nflip = [{ at = 3 }]", "crossbar.to_host.flip[0].at is 3; it must be a list of frame numbers"),
        ("[crossbar.to_host]\nflip = { at = [0] }", "crossbar.to_host.flip.at is 0; it must be a whole number from 1"),
        ("[crossbar.to_host]\nstall = { at = [1] }", "crossbar.to_host.stall has no seconds; a stall needs how long it holds"),
        ("[crossbar.to_host]\nlose = { at = [1], seconds = 2 }", "unknown key crossbar.to_host.lose.seconds"),
        ("[crossbar.to_host]\ndelay = { at = [1], seconds = -1 }", "crossbar.to_host.delay.seconds is -1; it must be a number from 0"),
        ("[crossbar.to_host]\nnoise = { at = [1], bytes = 0 }", "crossbar.to_host.noise.bytes is 0; it must be a whole number from 1"),
        ("[crossbar.to_host]\nlatency_s = inf", "crossbar.to_host.latency_s is inf; it must be a number from 0"),
        ("seed = ", "Invalid value"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_says_what_would_be_right(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(text)
    with pytest.raises(FaultPlanError) as refused:
        load_faults(file)
    assert str(refused.value).startswith(f"{file}: {said}") and "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FaultPlanError, match=r"none\.toml: cannot be read: No such file"):
        load_faults(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe4\n")
    with pytest.raises(FaultPlanError, match=r"latin\.toml: .*utf-8"):
        load_faults(tmp_path / "latin.toml")


def test_an_empty_file_fails_nothing() -> None:
    assert parse_faults("").lines == {}
