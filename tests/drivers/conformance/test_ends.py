"""Both device ends keep every rule, and so does the simulated controller over a socket, a device path and a slow line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from drivers.conformance.report import Report, Verdict
from drivers.conformance.rule import Wants
from drivers.conformance.runner import Wishes, run
from drivers.links.serial import open_byte_link
from firmware_protocol.geometry import Geometry
from simulator.clock import Clock
from simulator.instruments.controller import Controller
from simulator.line import LineSettings
from simulator.server import Host
from tests.support.device_end import ENDS, DeviceEnd, RecordingWorld, device_end
from tests.support.simulated_lab import running_loop

GEOMETRY = Geometry(4, 4, 5)


class EndLine:
    """drivers.links.serial.ByteLink to a device end on virtual time."""

    address = "memory"

    def __init__(self, end: DeviceEnd) -> None:
        self.end = end
        self.now_ns = 1_000_000_000

    def clock(self) -> int:
        return self.now_ns

    def read(self, timeout_s: float) -> bytes:
        self.now_ns += 20_000
        until_ns = self.now_ns + round(timeout_s * 1e9)
        while not (data := self.end.take(self.now_ns)) and self.now_ns < until_ns:
            due_ns = self.end.due_ns(self.now_ns)
            self.now_ns = until_ns if due_ns is None else min(max(due_ns, self.now_ns + 1_000), until_ns)
        return data

    def write(self, data: bytes) -> None:
        self.now_ns += 20_000
        self.end.feed(data, self.now_ns)

    def discard_output(self) -> None: ...
    def close(self) -> None: ...


def check(report: Report, skipped: set[str]) -> None:
    faults = {
        result.id: result.remark
        for result in report.results
        if result.verdict not in (Verdict.PASSED, Verdict.INFORMATION, Verdict.SKIPPED)
    }
    assert not faults and report.passed, (faults, report.ended)
    assert {result.id for result in report.results if result.verdict is Verdict.SKIPPED} <= skipped
    assert report.left == "SAFE"


@pytest.mark.parametrize("name", ENDS)
def test_a_device_end_keeps_every_rule_and_gives_no_pulse(name: str) -> None:
    with device_end(name, GEOMETRY) as end:
        line = EndLine(end)
        check(run(line, Wishes(frozenset(Wants), seed=9), line.clock), set())
        assert end.isolated and not end.pulses()


@contextmanager
def served(clock: str, line: LineSettings | None = None, *, pty: bool = False) -> Iterator[tuple[str, RecordingWorld]]:
    """Address of a simulated controller in a loop of its own, and its world."""
    from simulator.physics.fab import PRESETS
    from simulator.physics.wafer import Wafer

    world = RecordingWorld(Wafer(3, PRESETS["clean"], ((0, 0),), GEOMETRY))
    ticking = Clock(clock)
    controller = Controller(world, boot_id=9, now_ns=ticking.now_ns(), wall_ns=ticking.wall_ns)
    with running_loop() as wait_for:
        host = Host(ticking)
        wait_for(host.__aenter__())
        try:
            if pty:
                yield wait_for(host.serve_pty(controller, line)), world
            else:
                yield f"socket://127.0.0.1:{wait_for(host.serve(controller, 0, line))}", world
        finally:
            wait_for(host.__aexit__(None, None, None))


def proven(address: str, *wanted: Wants) -> Report:
    link = open_byte_link(address, 115_200)
    try:
        return run(link, Wishes(frozenset(wanted), seed=10))
    finally:
        link.close()


def test_the_simulated_controller_keeps_the_rules_over_a_socket() -> None:
    with served("real") as (address, world):
        report = proven(address, Wants.READ)
    check(report, {"T1"})
    assert report.figures.keys() == {"latency_ms_median", "latency_ms_p99", "round_trips_per_s"}
    assert not world.given


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")
def test_the_simulated_controller_keeps_the_rules_over_a_device_path() -> None:
    with served("real", pty=True) as (address, world):
        check(proven(address, Wants.READ), {"T1"})
        assert not world.given


def test_a_board_on_a_slow_line_is_proven_within_the_time_allowed() -> None:
    with served("fast", LineSettings(baud=460_800)) as (address, _):
        report = proven(address)
    check(report, {"T1", "O2", "O3", "O4", "O5", "O6"})
    assert report.seconds < 10
