"""O: long operations and their events. Without leave to read only what does not run can be asked for."""

from drivers.conformance.bench import Bench, Broken, Heard, Skip, about, check, check_refusal, name_of, said, status_name
from drivers.conformance.rule import Wants, rule
from firmware_protocol.codes import Capability, DeviceState, EventCode, Opcode, OperationState, SafeReason, Status
from firmware_protocol.framing import DELIMITER, Frame
from firmware_protocol.messages import (
    Abort,
    Accepted,
    Block,
    Done,
    Echo,
    Operation,
    OperationResponse,
    ReadBlock,
    ReadDie,
    Result,
)

READ_UV = 1_000
"""What junctions are biased with where reading is allowed, uV."""
_DIE_S = 5.0
_MOST_AVERAGES = 4_096
_LATE_S = 0.5
_SLICE_S = 0.05
_NOBODY = 0xBEEF


@rule("O1", "an operation that nobody began is refused, and cannot be aborted", needs=Capability.STREAMS)
def unknown_operations_are_refused(bench: Bench) -> None:
    bench.refused(Operation(_NOBODY, 1), Status.REFUSED_RANGE)
    bench.refused(Result(_NOBODY, 1, 0), Status.REFUSED_RANGE)
    bench.refused(Abort(1), Status.REFUSED_RANGE)
    running = bench.status().operation
    check(running == 0, "STATUS", "no operation", name_of(running))


@rule("O2", "READ_DIE is accepted at once, sends every kernel in order and ends with DONE", needs=Capability.STREAMS, wants=Wants.READ)
def a_die_is_streamed(bench: Bench) -> str:
    kernels, per_kernel = bench.hello_said.kernels, bench.hello_said.geometry.per_kernel
    begun_s = bench.wire.now_s()
    seq = _begin(bench)
    events = _until_done(bench, seq)
    blocks = [Block.decode(event.payload) for event in events[:-1]]
    order = [(block.index, block.kernel, len(block.codes) // 2) for block in blocks]
    check(
        order == [(index, index, per_kernel) for index in range(kernels)],
        f"events of READ_DIE seq {seq}",
        f"{kernels} kernels in order",
        order,
    )
    done = Done.decode(events[-1].payload)
    got = (done.state, done.done, done.total, done.pulses)
    check(got == (OperationState.DONE, kernels, kernels, 0), f"DONE of seq {seq}", (OperationState.DONE, kernels, kernels, 0), got)
    told = bench.granted(Operation(bench.session, seq))
    assert isinstance(told, OperationResponse)
    check((told.of_opcode, told.state, told.done) == (Opcode.READ_DIE, OperationState.DONE, kernels), "OPERATION", "READ_DIE, DONE", told)
    bench.refused(Result(bench.session, seq, 0), Status.REFUSED_RANGE)
    return f"{kernels} kernels in {bench.wire.now_s() - begun_s:.3f} s"


@rule(
    "O3",
    "while an operation runs readings are BUSY, orders that may are obeyed, and ABORT ends it",
    needs=Capability.STREAMS,
    wants=Wants.READ,
)
def a_running_operation_is_busy(bench: Bench) -> None:
    seq, busy, echo, abort = (bench.number() for _ in range(4))
    heard = bench.probe(
        bench.frame(ReadDie(0, bench.hello_said.kernels, 64, READ_UV), seq)
        + bench.frame(ReadBlock(0, 1, READ_UV), busy)
        + bench.frame(Echo(b"meanwhile"), echo)
        + bench.frame(Abort(seq), abort)
    )
    answers = {frame.seq: frame for frame in _answers(bench, heard, 4)}
    check(answers[seq].status == Status.ACCEPTED, about(answers[seq]), "ACCEPTED", said(answers[seq]))
    done = Done.decode(_until_done(bench, seq)[-1].payload)
    check(answers[echo].status == Status.OK, about(answers[echo]), "OK", said(answers[echo]))
    if done.state == OperationState.DONE:
        raise Skip("the board had read its die before the next order came")
    check_refusal(answers[busy], Status.BUSY, Opcode.READ_DIE)
    check(answers[abort].status == Status.OK, about(answers[abort]), "OK", said(answers[abort]))
    check(done.state == OperationState.ABORTED, f"DONE of seq {seq}", OperationState.ABORTED, done.state)


@rule("O4", "a repeated READ_DIE is answered again and not begun again", needs=Capability.STREAMS, wants=Wants.READ)
def a_repeated_operation_is_not_begun_again(bench: Bench) -> None:
    seq = bench.number()
    wire = bench.frame(ReadDie(0, 1, 1, READ_UV), seq)
    bench.wire.write(wire)
    first = bench.answer_to(Opcode.READ_DIE, seq, bench.session)
    check(first.status == Status.ACCEPTED, about(first), "ACCEPTED", said(first))
    _until_done(bench, seq)
    again = bench.probe(DELIMITER + wire)
    check(
        again.frames == (first,),
        f"READ_DIE seq {seq} repeated",
        "its first answer alone",
        [status_name(frame.status) for frame in again.frames],
    )
    check(again.status.operation == 0, "STATUS after it", "no operation", name_of(again.status.operation))


@rule("O5", "a new session ends an operation and isolates", needs=Capability.STREAMS, wants=Wants.READ)
def a_new_session_ends_an_operation(bench: Bench) -> None:
    seq, session = bench.number(), bench.session
    bench.wire.write(bench.frame(ReadDie(0, bench.hello_said.kernels, 64, READ_UV), seq))
    check(bench.answer_to(Opcode.READ_DIE, seq, session).status == Status.ACCEPTED, f"READ_DIE seq {seq}", "ACCEPTED", "a refusal")
    bench.hello()
    status = bench.status()
    check(status.operation == 0, "STATUS after HELLO", "no operation", name_of(status.operation))
    told = bench.granted(Operation(session, seq))
    assert isinstance(told, OperationResponse)
    if told.state != OperationState.DONE:  # a fast board may have been through
        check(told.state == OperationState.ABORTED, "OPERATION after HELLO", OperationState.ABORTED, told.state)
        check(status.safe_reason == SafeReason.NEW_SESSION, "STATUS after HELLO", SafeReason.NEW_SESSION, status.safe_reason)
    # What was on its way is nobody's now.
    bench.resynchronise()


@rule("O6", "an operation ends when its owner falls silent, although nothing is armed", needs=Capability.STREAMS, wants=Wants.READ)
def silence_ends_an_operation(bench: Bench) -> str:
    dead_man_s = bench.hello_said.limits.dead_man_ms / 1000
    answer = bench.ask(ReadDie(0, bench.hello_said.kernels, _MOST_AVERAGES, READ_UV))
    check(answer.status == Status.ACCEPTED, about(answer), "ACCEPTED", said(answer))
    silent_s = bench.wire.now_s()
    done = _done_while_silent(bench, answer.seq, silent_s + dead_man_s + _LATE_S)
    took_s = bench.wire.now_s() - silent_s
    if done is None:
        raise Broken(about(answer), f"DONE after {dead_man_s:g} s without its owner", f"nothing in {took_s:.2f} s")
    if done.state == OperationState.DONE:
        raise Skip("the board had read its die before its owner was silent for long enough")
    check(done.state == OperationState.DEAD_MAN, f"DONE of seq {answer.seq}", OperationState.DEAD_MAN, done.state)
    check(took_s > 0.8 * dead_man_s, "the dead man", f"{dead_man_s:g} s of patience", f"{took_s:.2f} s")
    status = bench.status()
    got = (status.state, status.safe_reason, status.operation)
    check(
        got == (DeviceState.SAFE, SafeReason.DEAD_MAN, 0), f"STATUS after {took_s:.2f} s of silence", "SAFE, reason DEAD_MAN, nothing", got
    )
    return f"ended after {took_s:.2f} s"


def _done_while_silent(bench: Bench, seq: int, until_s: float) -> Done | None:
    """DONE of the operation, heard without a word; None when none has come by then. What others left on the line is passed over."""
    while bench.wire.now_s() < until_s:
        frame = bench.wire.next_frame(_SLICE_S)
        if frame is not None and (frame.opcode, frame.seq, frame.session) == (EventCode.DONE, seq, bench.session):
            return Done.decode(frame.payload)
    return None


def _begin(bench: Bench) -> int:
    """Begins to read the die; the seq of the request."""
    answer = bench.ask(ReadDie(0, bench.hello_said.kernels, 1, READ_UV))
    check(answer.status == Status.ACCEPTED, about(answer), "ACCEPTED", said(answer))
    Accepted.decode(answer.payload)
    return answer.seq


def _answers(bench: Bench, heard: Heard, count: int) -> list[Frame]:
    """The answers in `heard`, and as many more as are missing; events are put back."""
    answers = [frame for frame in heard.frames if frame.opcode not in list(EventCode)]
    while len(answers) < count:
        frame = bench.wire.next_frame()
        if frame is None:
            break
        (bench.events if frame.opcode in list(EventCode) else answers).append(frame)
    check(len(answers) == count, "orders while READ_DIE runs", f"{count} answers", [said(frame) for frame in answers])
    return answers


def _until_done(bench: Bench, seq: int) -> list[Frame]:
    """Every event of the operation, DONE included. Raises Broken."""
    deadline_s = bench.wire.now_s() + _DIE_S
    while not (bench.events and bench.events[-1].opcode == EventCode.DONE):
        frame = bench.wire.next_frame(max(0.0, deadline_s - bench.wire.now_s()))
        check(frame is not None, f"events of seq {seq}", f"DONE within {_DIE_S:g} s", f"{len(bench.events)} events")
        assert frame is not None
        (bench.events if frame.opcode in list(EventCode) else bench.strays).append(frame)
    events, bench.events = bench.events, []
    for event in events:
        check(
            (event.seq, event.session) == (seq, bench.session),
            about(event),
            f"seq {seq} of {bench.session:#06x}",
            (event.seq, event.session),
        )
    return events
