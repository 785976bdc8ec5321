"""SCAN: junction after junction to the SMU, hand in hand over two trigger lines."""

import pytest

from firmware_protocol import messages
from firmware_protocol.codes import DeviceState, OperationState, SafeReason, Status
from firmware_protocol.messages import Request
from tests.device.test_operations import begin, done_of, operation, result
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, US, DeviceHost


def scan_steps(end: DeviceEnd, host: DeviceHost, settle_us: int, most: int = 20) -> list[int | None]:
    """The junctions connected one after the other, stepping on as the SMU would; None at the end."""
    found: list[int | None] = []
    while len(found) < most and host.status().operation:
        host.advance(settle_us * US + 10 * US)
        found.append(end.connected)
        end.trigger(host.now_ns)
        host.advance(0)
    return found


def test_a_scan_goes_hand_in_hand_with_sentinels_and_ends_isolated(end: DeviceEnd, host: DeviceHost) -> None:
    ticket, _ = begin(host, messages.Scan(2, 5, 30, 2, 100, 1000))
    assert scan_steps(end, host, 100) == [30, 2, 3, 30, 4, 5, 30, 6]
    host.advance(MS)
    assert end.isolated
    assert done_of(host) == messages.Done(OperationState.DONE, 8, 8, 0)
    assert messages.ScanResult.decode(result(host, ticket, 0)) == messages.ScanResult(8, 8, 8, 0)
    assert (host.status().state, host.status().safe_reason) == (DeviceState.SAFE, SafeReason.SCAN_ENDED)


def test_an_edge_before_its_time_moves_nothing_and_is_counted(end: DeviceEnd, host: DeviceHost) -> None:
    ticket, _ = begin(host, messages.Scan(0, 2, 0xFFFF, 0, 1000, 1000))
    host.advance(500 * US)
    end.trigger(host.now_ns)
    host.advance(100 * US)
    assert end.connected == 0
    assert scan_steps(end, host, 1000) == [0, 1]
    assert messages.ScanResult.decode(result(host, ticket, 0)) == messages.ScanResult(2, 2, 3, 1)


def test_a_scan_without_an_answer_times_out_and_ends_isolated(end: DeviceEnd, host: DeviceHost) -> None:
    ticket, _ = begin(host, messages.Scan(4, 3, 0xFFFF, 0, 100, 300))
    host.advance(MS)
    end.trigger(host.now_ns)
    host.advance(299 * MS)
    assert end.connected == 5
    host.advance(5 * MS)
    assert end.isolated
    assert done_of(host).state == OperationState.TIMED_OUT
    assert messages.ScanResult.decode(result(host, ticket, 0)) == messages.ScanResult(3, 2, 1, 0)


@pytest.mark.parametrize(
    "request_",
    [
        messages.Scan(38, 3, 0xFFFF, 0, 100, 100),
        messages.Scan(40, 1, 0xFFFF, 0, 100, 100),
        messages.Scan(0, 0, 0xFFFF, 0, 100, 100),
        messages.Scan(0, 3, 40, 1, 100, 100),
        messages.Scan(0, 3, 0xFFFF, 1, 100, 100),
        messages.Scan(0, 3, 0xFFFF, 0, 100, 0),
    ],
)
def test_a_scan_that_cannot_be_is_refused(end: DeviceEnd, host: DeviceHost, request_: Request) -> None:
    assert host.refused(request_)[0] is Status.REFUSED_RANGE
    assert (end.isolated, host.status().operation) == (True, 0)


def test_an_edge_while_nothing_scans_changes_nothing(end: DeviceEnd, host: DeviceHost) -> None:
    end.trigger(host.now_ns)
    host.advance(MS)
    ticket, _ = begin(host, messages.Scan(0, 1, 0xFFFF, 0, 100, 100))
    assert scan_steps(end, host, 100) == [0]
    assert messages.ScanResult.decode(result(host, ticket, 0)) == messages.ScanResult(1, 1, 1, 0)


@pytest.mark.parametrize("how", ["abort", "disarm", "stop", "silence", "hello"])
def test_a_scan_that_is_ended_leaves_nothing_connected(end: DeviceEnd, host: DeviceHost, how: str) -> None:
    ticket, _ = begin(host, messages.Scan(0, 30, 0xFFFF, 0, 100, 10_000))
    host.advance(MS)
    assert end.connected == 0
    if how == "silence":
        host.advance(1501 * MS)
    elif how == "hello":
        host.again()
    else:
        host.ask({"abort": messages.Abort(ticket.seq), "disarm": messages.Disarm(), "stop": messages.EmergencyStop()}[how])
    host.advance(MS)
    assert end.isolated
    over = operation(host, 0x1111, ticket.seq)
    assert over.state == {"stop": OperationState.STOPPED, "silence": OperationState.DEAD_MAN}.get(how, OperationState.ABORTED)
