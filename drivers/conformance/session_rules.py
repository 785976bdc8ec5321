"""S: whose orders are obeyed. A session is opened by a nonce, ended by the next one, and bound to one start of the device."""

from collections.abc import Callable

from drivers.conformance.bench import Bench, about, check, check_refusal, name_of, said
from drivers.conformance.rule import rule
from firmware_protocol.codes import PROTOCOL_MAJOR, PROTOCOL_MINOR, DeviceState, Opcode, SafeReason, Status
from firmware_protocol.messages import (
    ClearFault,
    Echo,
    EmergencyStop,
    GetDict,
    GetStatus,
    Hello,
    KeepAlive,
    QueryPulse,
    Request,
)


@rule("S1", "HELLO with nonce 0 is refused")
def nonce_zero_is_refused(bench: Bench) -> None:
    check_refusal(bench.greet(session=0), Status.REFUSED_BAD_SESSION)


@rule("S2", "HELLO of the present session is repeated at will before the first order, and refused after it")
def a_nonce_at_work_is_not_begun_again(bench: Bench) -> None:
    session = bench.session
    again = bench.greet(session=session)
    check(again.status == Status.OK, "HELLO repeated before the first order", "OK", said(again))
    bench.granted(Echo(b"first"))
    check_refusal(bench.greet(session=session), Status.REFUSED_BAD_SESSION)
    check(bench.ask(Echo(b"second")).status == Status.OK, "ECHO seq 2 after the refused HELLO", "OK", "something else")


@rule("S3", "another major version is refused, naming both, and ends no session")
def another_major_version_is_refused(bench: Bench) -> None:
    session = bench.session
    answer = bench.greet(Hello(protocol_major=PROTOCOL_MAJOR + 1))
    check_refusal(answer, Status.REFUSED_VERSION, PROTOCOL_MAJOR + 1, PROTOCOL_MAJOR)
    still = bench.ask(Echo(b"still here"))
    check(still.status == Status.OK, f"ECHO of session {session:#06x} after it", "OK", said(still))


@rule("S4", "a later minor version of the host is welcome")
def a_later_minor_version_is_welcome(bench: Bench) -> None:
    hello = bench.hello(Hello(protocol_minor=PROTOCOL_MINOR + 9))
    check(hello.protocol_major == PROTOCOL_MAJOR, "HELLO's answer", f"protocol_major {PROTOCOL_MAJOR}", hello.protocol_major)


@rule("S5", "orders that quote another session are refused and not executed", latches=True)
def a_foreign_session_is_not_obeyed(bench: Bench) -> None:
    _not_obeyed(bench, lambda message, seq: bench.frame(message, seq, session=bench.session ^ 0x0101))


@rule("S6", "orders that quote another start of the device are refused and not executed", latches=True)
def a_foreign_boot_id_is_not_obeyed(bench: Bench) -> None:
    _not_obeyed(bench, lambda message, seq: bench.frame(message, seq, boot_id=bench.boot_id ^ 0x0101))


def _not_obeyed(bench: Bench, wrong: Callable[[Request, int], bytes]) -> None:
    """CLEAR_FAULT shows it: were it executed, the latch would be gone."""
    bench.granted(EmergencyStop())
    clear, seq = ClearFault(SafeReason.ESTOP, bench.status().stops), bench.number()
    heard = bench.probe(wrong(clear, seq))
    check(len(heard.frames) == 1, f"CLEAR_FAULT seq {seq}", "one answer", [said(frame) for frame in heard.frames])
    check_refusal(heard.frames[0], Status.REFUSED_BAD_SESSION)
    check(heard.status.state == DeviceState.ESTOPPED, f"STATUS after CLEAR_FAULT seq {seq}", "ESTOPPED", heard.status.state)
    # The refused one has taken no place in the sequence.
    right = bench.probe(bench.frame(clear, seq))
    check([frame.status for frame in right.frames] == [Status.OK], f"the right CLEAR_FAULT seq {seq}", "OK", [*map(said, right.frames)])


@rule("S7", "questions are answered whatever session and boot id they quote")
def questions_need_no_session(bench: Bench) -> None:
    for message in (GetStatus(), GetDict(0, 8), QueryPulse(0xFFFF_FFFF)):
        tag = bench.tag()
        bench.wire.write(bench.frame(message, tag, session=0, boot_id=bench.boot_id ^ 0x0101))
        answer = bench.answer_to(message.opcode, tag, 0)
        check(answer.status == Status.OK, f"{name_of(message.opcode)} of session 0", "OK", said(answer))


@rule("S8", "a new HELLO ends the session before it")
def a_new_session_ends_the_old_one(bench: Bench) -> None:
    old = bench.session
    bench.hello()
    heard = bench.probe(bench.frame(Echo(b"former"), 1, session=old))
    check(len(heard.frames) == 1, "ECHO of the old session", "one answer", [said(frame) for frame in heard.frames])
    check_refusal(heard.frames[0], Status.REFUSED_BAD_SESSION)
    check(heard.status.session == bench.session, "STATUS", f"session {bench.session:#06x}", f"{heard.status.session:#06x}")


@rule("S9", "every answer repeats opcode, seq and session and quotes one boot id that is not 0")
def answers_say_whose_they_are(bench: Bench) -> None:
    first = bench.ask(Echo(b""))
    check(first.boot_id != 0, about(first), "a boot id that is not 0", 0)
    greeted = bench.greet()
    answers = [greeted, bench.ask(Echo(b"")), bench.ask(GetStatus()), bench.ask_raw(Opcode.GET_DICT, b"")]
    for answer in answers:
        check(answer.boot_id == first.boot_id, about(answer), f"boot id {first.boot_id:#06x}", f"{answer.boot_id:#06x}")


@rule("S10", "KEEPALIVE takes no number, waits for none, and is answered OK and empty, to the owner alone")
def keep_alive_is_answered(bench: Bench) -> None:
    tag, first = bench.tag(), bench.number()
    # As often as it comes, also while an order before it is missing; the numbers go on where they were.
    data = bench.frame(KeepAlive(), tag) * 2 + bench.frame(Echo(b"ahead"), first + 1) + bench.frame(KeepAlive(), tag)
    answers = [frame for frame in bench.probe(data).frames if frame.opcode == Opcode.KEEPALIVE]
    check(len(answers) == 3, f"three KEEPALIVEs of tag {tag}", "three answers", [said(frame) for frame in answers])
    for answer in answers:
        check(answer.status == Status.OK and not answer.payload, about(answer), "OK, empty", f"{said(answer)}, {len(answer.payload)} bytes")
    then = bench.probe(bench.frame(Echo(b"first"), first)).frames
    check([frame.status for frame in then] == [Status.OK], f"ECHO seq {first} after them", "OK", [said(frame) for frame in then])
    bench.number()
    for other in ({"session": bench.session ^ 0x0101}, {"boot_id": bench.boot_id ^ 0x0101}):
        heard = bench.probe(bench.frame(KeepAlive(), tag, **other)).frames
        check(len(heard) == 1, "KEEPALIVE of another", "one answer", [said(frame) for frame in heard])
        check_refusal(heard[0], Status.REFUSED_BAD_SESSION)
