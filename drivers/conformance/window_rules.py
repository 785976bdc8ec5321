"""W: at most once, in order. Sequence, window, the cache of answers, and the one refusal per gap."""

from collections.abc import Callable

from drivers.conformance.bench import Bench, check, check_refusal, said
from drivers.conformance.framing_rules import check_echoed
from drivers.conformance.rule import rule
from firmware_protocol.codes import DeviceState, SafeReason, Status
from firmware_protocol.framing import DELIMITER
from firmware_protocol.messages import ClearFault, Echo, EmergencyStop, Hello

NEVER_SENT = 0xC000
"""A sequence number a quarter of the circle behind: executed long ago, or never, and in nobody's cache."""


@rule("W1", "as many orders as the window grants may be under way, and are answered in order; no more are granted than asked for")
def the_window_is_as_granted(bench: Bench) -> str:
    window = bench.window
    check(1 <= window <= 8, "HELLO's answer to window 8", "1 to 8", window)
    numbers = [bench.number() for _ in range(window)]
    flight = b"".join(bench.frame(Echo(bytes([seq])), seq) for seq in numbers)
    check_echoed(bench.probe(flight), [(seq, bytes([seq])) for seq in numbers], f"{window} ECHOs at once")
    smaller = bench.hello(Hello(window=2)).window
    check(1 <= smaller <= 2, "HELLO's answer to window 2", "1 or 2", smaller)
    return f"{window}"


@rule("W2", "a gap is refused once, naming the number expected; then everything goes on from there")
def a_gap_is_refused_once(bench: Bench) -> None:
    for _ in range(2):
        expected = bench.number()
        heard = bench.probe(bench.frame(Echo(b"ahead"), expected + 1) + bench.frame(Echo(b"ahead"), expected + 2))
        answers = [said(frame) for frame in heard.frames]
        check(len(heard.frames) == 1, f"two ECHOs after a missing seq {expected}", "one refusal", answers)
        check_refusal(heard.frames[0], Status.REFUSED_SEQUENCE, expected + 1, expected)
        then = bench.probe(bench.frame(Echo(b"missing"), expected))
        check_echoed(then, [(expected, b"missing")], f"the missing ECHO seq {expected}")


@rule("W3", "a repeated order is answered from memory, byte for byte, and not executed again", latches=True)
def a_repeated_order_is_not_executed_again(bench: Bench) -> None:
    """CLEAR_FAULT shows it: one that quotes a stop too many is refused, and would be right, were it executed after the next stop."""
    bench.granted(EmergencyStop())
    one_more = (bench.status().stops + 1) & 0xFFFF
    early = bench.frame(ClearFault(SafeReason.ESTOP, one_more), bench.number())
    _answered_again(bench, early, Status.REFUSED_CONFIG, lambda: bench.granted(EmergencyStop()))
    state = bench.status().state
    check(state == DeviceState.ESTOPPED, "STATUS after CLEAR_FAULT repeated", "ESTOPPED", state)
    _answered_again(bench, bench.frame(ClearFault(SafeReason.ESTOP, one_more), bench.number()), Status.OK, lambda: None)


def _answered_again(bench: Bench, wire: bytes, status: Status, meanwhile: Callable[[], object]) -> None:
    first = bench.probe(wire)
    check([frame.status for frame in first.frames] == [status], "CLEAR_FAULT", status.name, [said(frame) for frame in first.frames])
    meanwhile()
    again = bench.probe(DELIMITER + wire)
    check(again.frames == first.frames, "CLEAR_FAULT repeated", "the same answer", [said(frame) for frame in again.frames])


@rule("W4", "the answers to a whole window can be had again")
def the_cache_holds_a_window(bench: Bench) -> None:
    flight = [bench.frame(Echo(bytes([index])), bench.number()) for index in range(bench.window)]
    first = bench.probe(b"".join(flight))
    for index, wire in enumerate(flight):
        again = bench.probe(DELIMITER + wire)
        expected = first.frames[index : index + 1]
        check(again.frames == expected, f"ECHO seq {index + 1} repeated", "its first answer", [said(frame) for frame in again.frames])


@rule("W5", "an order from long ago is not answered")
def a_stale_order_is_not_answered(bench: Bench) -> None:
    bench.granted(Echo(b"one"))
    heard = bench.probe(bench.frame(Echo(b"stale"), NEVER_SENT))
    check(not heard.frames, f"ECHO seq {NEVER_SENT}", "no answer", [said(frame) for frame in heard.frames])
    bench.granted(Echo(b"two"))


@rule("W6", "a refusal is remembered like any answer")
def a_refusal_is_remembered(bench: Bench) -> None:
    wire = bench.frame(ClearFault(SafeReason.ESTOP, 0), bench.number())
    first = bench.probe(wire)
    check(len(first.frames) == 1, "CLEAR_FAULT while nothing is latched", "one answer", [said(frame) for frame in first.frames])
    check_refusal(first.frames[0], Status.REFUSED_CONFIG)
    again = bench.probe(DELIMITER + wire)
    check(again.frames == first.frames, "CLEAR_FAULT repeated", "the same refusal", [said(frame) for frame in again.frames])
