"""E, T: the emergency stop, and the dead man. With nothing driven and no path closed a stop changes nothing but the latch."""

from drivers.conformance.bench import Bench, check, name_of, said
from drivers.conformance.rule import Wants, rule
from firmware_protocol.codes import DeviceState, Opcode, Route, SafeReason, Status
from firmware_protocol.framing import DELIMITER, STOP_ZEROS
from firmware_protocol.messages import (
    Arm,
    ClearFault,
    Disarm,
    Echo,
    EmergencyStop,
    GetStatus,
    KeepAlive,
    Program,
    ReadBlock,
    Request,
    Select,
    StatusResponse,
)


def _check_stopped(status: StatusResponse, after: str) -> None:
    got = (status.state, status.safe_reason, status.route)
    expected = (DeviceState.ESTOPPED, SafeReason.ESTOP, Route.NONE)
    check(
        got == expected, f"STATUS after {after}", "ESTOPPED, reason ESTOP, route NONE", f"state {got[0]}, reason {got[1]}, route {got[2]}"
    )


@rule("E1", "ESTOP is obeyed whatever session, boot id and seq it quotes, as often as it comes", latches=True)
def anybody_may_stop(bench: Bench) -> None:
    for session, boot_id, seq in ((0, 0, 0), (bench.session ^ 0x0101, bench.boot_id ^ 0x0101, 0xFFFF)):
        bench.wire.write(bench.frame(EmergencyStop(), seq, session=session, boot_id=boot_id))
        answer = bench.answer_to(Opcode.ESTOP, seq, session)
        check(answer.status == Status.OK, f"ESTOP of session {session:#06x}", "OK", said(answer))
        _check_stopped(bench.status(), "ESTOP")


@rule("E2", "sixteen zero bytes stop like ESTOP, without an answer; fewer do not", latches=True)
def sixteen_zeros_stop(bench: Bench) -> None:
    # The delimiter of the STATUS before them is one of the zeros.
    fewer = bench.probe(DELIMITER * (STOP_ZEROS - 2))
    check(fewer.status.state == DeviceState.SAFE, f"STATUS after {STOP_ZEROS - 1} zeros", "SAFE", fewer.status.state)
    heard = bench.probe(DELIMITER * STOP_ZEROS)
    check(not heard.frames, f"{STOP_ZEROS} zeros", "no answer", [said(frame) for frame in heard.frames])
    _check_stopped(heard.status, f"{STOP_ZEROS} zeros")


@rule("E3", "while stopped nothing is armed, selected, read or pulsed; a new session and DISARM do not clear it", latches=True)
def a_stop_is_latched(bench: Bench) -> None:
    bench.granted(EmergencyStop())
    wrong_crc = bench.hello_said.limits_crc32 ^ 1
    for message in (Arm(wrong_crc), Select(Route.NONE), ReadBlock(0xFF, 0, 0), Program(1, 0, 1, b"")):
        bench.refused(message, Status.REFUSED_ESTOP)
    for harmless in (KeepAlive(), Disarm(), Echo(b"")):
        answer = bench.ask(harmless)
        check(answer.status == Status.OK, f"{name_of(harmless.opcode)} while stopped", "OK", said(answer))
    _check_stopped(bench.status(), "them")
    bench.hello()
    _check_stopped(bench.status(), "HELLO")


@rule("E4", "CLEAR_FAULT must quote the reason and the count of stops, repeated ones included; then the board is SAFE", latches=True)
def clearing_quotes_what_was_read(bench: Bench) -> None:
    bench.granted(EmergencyStop())
    read = bench.status().stops
    bench.granted(EmergencyStop())
    stops = (read + 1) & 0xFFFF
    counted = bench.status().stops
    check(counted == stops, "STATUS after a second ESTOP", f"stops {stops}", counted)
    bench.refused(ClearFault(SafeReason.DEAD_MAN, read), Status.REFUSED_CONFIG, SafeReason.DEAD_MAN, SafeReason.ESTOP)
    _check_stopped(bench.status(), "the wrong reason")
    bench.refused(ClearFault(SafeReason.ESTOP, read), Status.REFUSED_CONFIG, read, stops)
    _check_stopped(bench.status(), "the count before the last stop")
    bench.granted(ClearFault(SafeReason.ESTOP, stops))
    state = bench.status().state
    check(state == DeviceState.SAFE, "STATUS after CLEAR_FAULT", "SAFE", state)
    bench.refused(ClearFault(SafeReason.ESTOP, stops), Status.REFUSED_CONFIG)


@rule("T1", "a path stays closed while its owner is heard, and opens when it is silent", wants=Wants.PATH)
def silence_opens_a_path(bench: Bench) -> str:
    dead_man_s = bench.hello_said.limits.dead_man_ms / 1000
    bench.granted(Select(Route.CONTACT_PADS))
    kept_until_s = bench.wire.now_s() + 1.5 * dead_man_s
    while bench.wire.now_s() < kept_until_s:
        answer = bench.ask(KeepAlive())
        check(answer.status == Status.OK, "KEEPALIVE", "OK", said(answer))
        _wait(bench, dead_man_s / 3)
    state = bench.status().state
    check(state == DeviceState.SELECTED, "STATUS while the owner is heard", "SELECTED", state)
    silent_s = bench.wire.now_s()
    while (status := _asked_by_nobody(bench)).state == DeviceState.SELECTED and bench.wire.now_s() < silent_s + dead_man_s + 0.5:
        _wait(bench, 0.05)
    took_s = bench.wire.now_s() - silent_s
    got = (status.state, status.safe_reason, status.route)
    check(
        got == (DeviceState.SAFE, SafeReason.DEAD_MAN, Route.NONE), f"STATUS after {took_s:.2f} s of silence", "SAFE, reason DEAD_MAN", got
    )
    check(took_s > 0.8 * dead_man_s, "the dead man", f"{dead_man_s:g} s of patience", f"{took_s:.2f} s")
    return f"opened after {took_s:.2f} s"


def _wait(bench: Bench, seconds: float) -> None:
    frame = bench.wire.next_frame(seconds)
    if frame is not None:
        bench.strays.append(frame)


def _asked_by_nobody(bench: Bench) -> StatusResponse:
    """STATUS of session 0: heard, but not from the owner."""
    tag = bench.tag()
    question: Request = GetStatus()
    bench.wire.write(bench.frame(question, tag, session=0))
    return StatusResponse.decode(bench.answer_to(Opcode.STATUS, tag, 0).payload)
