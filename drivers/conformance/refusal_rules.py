"""L, R, P: limits, readings and pulses that a board must refuse. Nothing here pulses, arms, or reads where it is obeyed.

A board that does not look at its limits is found out by readings barely above them; one that pulses unarmed by commands that
hold no pulse.
"""

import struct
from collections.abc import Iterator
from dataclasses import fields, replace

from drivers.conformance.bench import Bench, check, check_refusal, name_of, said
from drivers.conformance.rule import rule
from firmware_protocol.codes import (
    NO_DEVICE,
    VMM_INPUT_UV,
    Capability,
    DeviceState,
    Direction,
    PulseOutcome,
    Route,
    Status,
)
from firmware_protocol.limits import Limits
from firmware_protocol.messages import (
    Arm,
    LimitsResponse,
    OuterProduct,
    Program,
    QueryPulse,
    QueryPulseResponse,
    ReadBlock,
    ReadDie,
    ReadList,
    Request,
    Select,
    SetLimits,
    Vmm,
    WriteVerify,
)
from firmware_protocol.rules import rule_for

_WIDEST = Limits(2**32 - 1, 2**32 - 1, 2**32 - 1, 2**16 - 1, 2**16 - 1)
_MAX_AVERAGES = 4096
_I16_MAX = 0x7FFF


# --- L: limits
def _in_force(bench: Bench) -> Limits:
    return bench.hello_said.limits


def _set(bench: Bench, limits: Limits) -> Limits:
    answer = bench.granted(SetLimits(limits.encode()))
    assert isinstance(answer, LimitsResponse)
    return answer.limits


@rule("L1", "HELLO, STATUS and SET_LIMITS speak of the same limits; setting those in force changes nothing")
def everybody_means_the_same_limits(bench: Bench) -> None:
    limits = _in_force(bench)
    check(
        bench.hello_said.limits_crc32 == limits.crc32,
        "HELLO",
        f"limits_crc32 {limits.crc32:#010x}",
        f"{bench.hello_said.limits_crc32:#010x}",
    )
    check(_set(bench, limits) == limits, "SET_LIMITS of those in force", limits, "other limits")
    told = bench.status().limits_crc32
    check(told == limits.crc32, "STATUS", f"limits_crc32 {limits.crc32:#010x}", f"{told:#010x}")


@rule("L2", "limits cannot be widened")
def limits_are_not_widened(bench: Bench) -> None:
    limits = _in_force(bench)
    got = _set(bench, _WIDEST)
    told = bench.status().limits_crc32
    if got != limits or told != limits.crc32:
        _set(bench, limits)
    check(got == limits, "SET_LIMITS of the widest there are", limits, got)
    check(told == limits.crc32, "STATUS after it", f"limits_crc32 {limits.crc32:#010x}", f"{told:#010x}")


@rule("L3", "limits too tight to work under are refused and change nothing")
def useless_limits_are_refused(bench: Bench) -> None:
    limits = _in_force(bench)
    for field in fields(Limits):
        floor = _floor(field.name)
        useless = replace(limits, **{field.name: floor - 1})
        bench.refused(SetLimits(useless.encode()), Status.REFUSED_LIMIT, floor - 1, floor)
    told = bench.status().limits_crc32
    check(told == limits.crc32, "STATUS after them", f"limits_crc32 {limits.crc32:#010x}", f"{told:#010x}")


def _floor(name: str) -> int:
    """The lowest value of a limit that is not refused."""
    found = replace(Limits(), **{name: 0}).below_floor()
    assert found is not None
    return found[1]


@rule("L4", "ARM is refused unless it quotes the limits in force")
def arming_quotes_the_limits(bench: Bench) -> None:
    limits = _in_force(bench)
    wrong = limits.crc32 ^ 1
    bench.refused(Arm(wrong), Status.REFUSED_CONFIG, wrong, limits.crc32)
    state = bench.status().state
    check(state == DeviceState.SAFE, "STATUS after the refused ARM", "SAFE", state)


# --- R: readings and paths
def _over(bench: Bench) -> Iterator[tuple[Request, int]]:
    """Readings just over the limit, with the voltage in them."""
    limit = _in_force(bench).read_uv
    geometry = bench.hello_said.geometry
    for read_uv in (limit + 1, -limit - 1):
        yield ReadBlock(0, 1, read_uv), read_uv
        yield ReadList(1, read_uv, struct.pack("<H", 0)), read_uv
        yield ReadDie(0, 1, 1, read_uv), read_uv
        step = read_uv // VMM_INPUT_UV + (read_uv > 0)
        if abs(step) <= _I16_MAX:
            inputs = [step, *[0] * (geometry.rows - 1)]
            yield Vmm(0, 1, Direction.ROWS, 1, struct.pack(f"<{geometry.rows}h", *inputs)), step * VMM_INPUT_UV


@rule("R1", "readings above the limit are refused")
def readings_above_the_limit_are_refused(bench: Bench) -> None:
    before = bench.status().reads
    limit = _in_force(bench).read_uv
    for message, volts in _granted(bench, _over(bench)):
        answer = bench.ask(message)
        what = f"{name_of(message.opcode)} at {volts} uV"
        check(answer.status == Status.REFUSED_LIMIT, what, f"REFUSED_LIMIT, limit {limit}", said(answer))
        check_refusal(answer, Status.REFUSED_LIMIT, None, limit)
    _nothing_read(bench, before)


def _granted(bench: Bench, messages: Iterator[tuple[Request, int]]) -> Iterator[tuple[Request, int]]:
    capabilities = Capability(bench.hello_said.capabilities)
    yield from ((message, volts) for message, volts in messages if rule_for(message.opcode).needs in capabilities)


def _nothing_read(bench: Bench, before: int) -> None:
    after = bench.status().reads
    check(after == before, "STATUS after refusals", f"reads {before}", after)


@rule("R2", "kernels, junctions, averages and directions that do not exist are refused")
def what_does_not_exist_is_not_read(bench: Bench) -> None:
    before = bench.status().reads
    geometry = bench.hello_said.geometry
    inputs = bytes(2 * geometry.rows)
    for message in (
        ReadBlock(geometry.kernels, 1, 0),
        ReadBlock(0, 0, 0),
        ReadBlock(0, _MAX_AVERAGES + 1, 0),
        ReadList(0, 0, struct.pack("<H", 0)),
        ReadList(1, 0, struct.pack("<H", geometry.devices)),
        Vmm(geometry.kernels, 1, Direction.ROWS, 1, inputs),
        Vmm(0, 0, Direction.ROWS, 1, b""),
        Vmm(0, geometry.kernels + 1, Direction.ROWS, 1, inputs * (geometry.kernels + 1)),
        Vmm(0, 1, len(Direction), 1, inputs),
        Vmm(0, 1, Direction.ROWS, 2, inputs),
    ):
        bench.refused(message, Status.REFUSED_RANGE)
    _nothing_read(bench, before)


@rule("R3", "a die is not read beyond its last kernel", needs=Capability.STREAMS)
def a_die_ends_at_its_last_kernel(bench: Bench) -> None:
    kernels = bench.hello_said.kernels
    for first, count in ((kernels, 1), (0, kernels + 1), (kernels - 1, 2)):
        if count <= 0xFF:
            bench.refused(ReadDie(first, count, 1, 0), Status.REFUSED_RANGE)
    running = bench.status().operation
    check(running == 0, "STATUS after refused READ_DIEs", "no operation", name_of(running))


@rule("R4", "a route that does not exist is refused; selecting nothing isolates")
def routes_are_checked(bench: Bench) -> None:
    bench.refused(Select(len(Route), NO_DEVICE), Status.REFUSED_RANGE)
    bench.granted(Select(Route.NONE))
    status = bench.status()
    got = (status.state, status.route, status.device)
    check(got == (DeviceState.SAFE, Route.NONE, NO_DEVICE), "STATUS after SELECT NONE", "SAFE, NONE, no device", got)


# --- P: pulses
@rule("P1", "pulses are refused while not armed, and use up no id")
def pulses_need_arming(bench: Bench) -> None:
    before = bench.status()
    capabilities = Capability(bench.hello_said.capabilities)
    first = min(before.last_pulse_id + 1, 0xFFFF_FFFF)
    nowhere = 0xFF
    for message in (
        Program(first, 0, 1, b""),
        WriteVerify(nowhere, 0, 0, 0, first, 0, 0, 0, 0, 0, b""),
        OuterProduct(nowhere, first, 0, 0, b""),
    ):
        if rule_for(message.opcode).needs in capabilities:
            bench.refused(message, Status.REFUSED_NOT_ARMED)
    after = bench.status()
    got = (after.last_pulse_id, after.pulses)
    check(got == (before.last_pulse_id, before.pulses), "STATUS after them", (before.last_pulse_id, before.pulses), got)


@rule("P2", "an id above the last one was never seen, and is of no session")
def an_id_above_the_last_was_never_seen(bench: Bench) -> None:
    last = bench.status().last_pulse_id
    check(bench.hello_said.last_pulse_id == last, "HELLO and STATUS", f"last_pulse_id {last} in both", bench.hello_said.last_pulse_id)
    for pulse_id in {min(last + 1, 0xFFFF_FFFF), 0xFFFF_FFFF} - {last}:
        answer = bench.granted(QueryPulse(pulse_id))
        assert isinstance(answer, QueryPulseResponse)
        got, expected = (answer.pulse_id, answer.outcome, answer.of_session), (pulse_id, PulseOutcome.NEVER_SEEN, 0)
        check(got == expected, f"QUERY_PULSE {pulse_id}", expected, got)
