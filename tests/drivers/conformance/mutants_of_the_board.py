"""Boards that each break one promise of what a board says, refuses or does. `BOARD_MUTANTS`: the board, and the rules it must be
found out by, and no others."""

import struct
import zlib
from dataclasses import replace

from firmware_protocol import codes, dictionary, messages
from firmware_protocol.codes import ALL_CAPABILITIES, DeviceState, Opcode, OperationState, Route, SafeReason, Status
from firmware_protocol.framing import Frame, Received, StopMarker
from firmware_protocol.messages import Message, Request
from tests.drivers.conformance.mutants_of_the_link import Pieces
from tests.drivers.conformance.small_board import SmallBoard


# --- D, C
class AnnouncesAnotherDictionary(SmallBoard):
    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        answer = super().do_hello(frame, message)
        assert isinstance(answer, messages.HelloResponse)
        return replace(answer, dict_crc32=answer.dict_crc32 ^ 1)


class SendsABomb(SmallBoard):
    def describe(self) -> bytes:
        return zlib.compress(b" " * 4_000_000)


class LaysOutPulsesDifferently(SmallBoard):
    def describe(self) -> bytes:
        found = dictionary.decode(super().describe())
        table = {opcode: dict(shape) for opcode, shape in found.messages.items()}
        table[Opcode.PROGRAM]["request"] = {**table[Opcode.PROGRAM]["request"], "layout": "<IqI"}
        return dictionary.encode(replace(found, messages=table))


class DisagreesWithItself(SmallBoard):
    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        answer = super().do_hello(frame, message)
        assert isinstance(answer, messages.HelloResponse)
        return replace(answer, adc_code_pa=answer.adc_code_pa + 1)


class GrantsWhatNobodyAsked(SmallBoard):
    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        answer = super().do_hello(frame, message)
        assert isinstance(answer, messages.HelloResponse)
        return replace(answer, capabilities=int(ALL_CAPABILITIES))


class DoesWhatItsDictionaryLacks(SmallBoard):
    def describe(self) -> bytes:
        found = dictionary.decode(super().describe())
        return dictionary.encode(replace(found, messages={key: shape for key, shape in found.messages.items() if key != Opcode.VMM}))


class DoesWhatItDidNotGrant(SmallBoard):
    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        answer = super().do_hello(frame, message)
        self.endpoint.capabilities = ALL_CAPABILITIES
        return answer


class WearsBackwards(SmallBoard):
    asked = 0

    def do_counters(self, frame: Frame, message: messages.Counters) -> Message:
        answer = super().do_counters(frame, message)
        assert isinstance(answer, messages.CountersResponse)
        self.asked += 1
        return replace(answer, counts=struct.pack("<H", 1000 - self.asked) + answer.counts[2:])


class ClockRunsBackwards(SmallBoard):
    def do_status(self, frame: Frame, message: Request) -> Message:
        answer = super().do_status(frame, message)
        assert isinstance(answer, messages.StatusResponse)
        return replace(answer, uptime_ms=2**32 - 1 - self.now_ns // 1000)


class GarblesItsCalibration(SmallBoard):
    def do_get_calibration(self, frame: Frame, message: messages.GetCalibration) -> Message:
        answer = super().do_get_calibration(frame, message)
        assert isinstance(answer, messages.CalibrationResponse)
        return replace(answer, crc32=answer.crc32 ^ 1)


class ExchangesColumnsTwice(SmallBoard):
    def do_get_calibration(self, frame: Frame, message: messages.GetCalibration) -> Message:
        answer = super().do_get_calibration(frame, message)
        assert isinstance(answer, messages.CalibrationResponse)
        data = bytes([4, 4, 2, 1, 0]) if answer.data else b""
        return replace(answer, data=data, crc32=zlib.crc32(data))


class InventsCalibrations(SmallBoard):
    def do_get_calibration(self, frame: Frame, message: messages.GetCalibration) -> Message:
        return super().do_get_calibration(frame, message) if message.table <= 1 else messages.CalibrationResponse(message.table, 0, 0, b"")


# --- L, R, P
class ShowsOtherLimits(SmallBoard):
    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        answer = super().do_hello(frame, message)
        assert isinstance(answer, messages.HelloResponse)
        return replace(answer, limits_crc32=answer.limits_crc32 ^ 2)


class WidensLimits(SmallBoard):
    def do_set_limits(self, frame: Frame, message: messages.SetLimits) -> Message:
        super().do_set_limits(frame, message)
        self.limits = message.limits
        return messages.LimitsResponse(self.limits.encode())


class TakesUselessLimits(SmallBoard):
    def do_set_limits(self, frame: Frame, message: messages.SetLimits) -> Message:
        self.limits = self.limits.tightened(message.limits)
        return messages.LimitsResponse(self.limits.encode())


class ArmsForAnybody(SmallBoard):
    def do_arm(self, _frame: Frame, _message: messages.Arm) -> Message:
        self.state = DeviceState.ARMED
        return messages.Empty()


class ReadsAboveItsLimit(SmallBoard):
    def do_read_block(self, _frame: Frame, message: messages.ReadBlock) -> Message:
        return super().do_read_block(_frame, replace(message, read_uv=min(message.read_uv, self.limits.read_uv)))


class LimitsOnlyPositiveVoltages(SmallBoard):
    def check_read(self, kernel: int, averages: int, read_uv: int) -> None:
        super().check_read(kernel, averages, max(read_uv, 0))


class ReadsKernelsThatAreNotThere(SmallBoard):
    def do_read_block(self, _frame: Frame, message: messages.ReadBlock) -> Message:
        return super().do_read_block(_frame, replace(message, kernel=message.kernel % 2))


class ReadsBeyondTheDie(SmallBoard):
    def read_die(self, frame: Frame, message: messages.ReadDie) -> Message:
        return super().read_die(frame, replace(message, first_kernel=0, kernels=min(message.kernels, 2)))


class ConnectsAnything(SmallBoard):
    def do_select(self, frame: Frame, message: messages.Select) -> Message:
        return super().do_select(frame, replace(message, route=message.route % len(Route)))


class PulsesUnarmed(SmallBoard):
    def check_state(self, message: Request) -> None:
        if not (isinstance(message, messages.Program) and self.state is DeviceState.SAFE):
            super().check_state(message)


class ClaimsEveryPulse(SmallBoard):
    def do_query_pulse(self, _frame: Frame, message: messages.QueryPulse) -> Message:
        return messages.QueryPulseResponse(message.pulse_id, codes.PulseOutcome.EXECUTED, 0)


class NamesASessionForNothing(SmallBoard):
    def do_query_pulse(self, _frame: Frame, message: messages.QueryPulse) -> Message:
        return messages.QueryPulseResponse(message.pulse_id, codes.PulseOutcome.NEVER_SEEN, self.endpoint.session)


# --- O
class AbortsNothing(SmallBoard):
    def do_abort(self, _frame: Frame, message: messages.Abort) -> Message:
        return messages.Empty() if self.running is None else super().do_abort(_frame, message)


class SkipsAKernel(SmallBoard):
    def read_die(self, frame: Frame, message: messages.ReadDie) -> Message:
        answer = super().read_die(frame, message)
        self.kernels_sent = 1 if message.kernels > 1 else 0
        return answer


class ReadsTwoThingsAtOnce(SmallBoard):
    def answer(self, frame: Frame, message: Request) -> tuple[Status, Message]:
        if isinstance(message, messages.ReadBlock) and self.state is DeviceState.SAFE:
            return Status.OK, self.do_read_block(frame, message)
        return super().answer(frame, message)


class BeginsAgain(SmallBoard):
    seen = frozenset[tuple[int, int]]()

    def hear(self, frame: Frame) -> None:
        if frame.opcode == Opcode.READ_DIE and (frame.session, frame.seq) in self.seen and self.endpoint.owns(frame):
            super().hear(frame)
            self.running, self.over, self.kernels_sent = frame, None, 0
            return
        self.seen |= {(frame.session, frame.seq)} if frame.opcode == Opcode.READ_DIE else set()
        super().hear(frame)


class ReadsOnForNobody(SmallBoard):
    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        running, self.running = self.running, None
        answer = super().do_hello(frame, message)
        self.running = running
        return answer


class ReadsOnForASilentHost(SmallBoard):
    def tick(self) -> None:
        if self.running is None:
            super().tick()


# --- E, T
class StopsForItsHostOnly(SmallBoard):
    def hear(self, frame: Frame) -> None:
        if frame.opcode == Opcode.ESTOP and not self.endpoint.owns(frame):
            self.out.append(self.endpoint.respond(frame, Status.REFUSED_BAD_SESSION))
        else:
            super().hear(frame)


class IgnoresZeros(SmallBoard):
    def receive(self, received: Received) -> None:
        if not isinstance(received, StopMarker):
            super().receive(received)


class StopsAtFewerZeros(Pieces):
    zeros = 0

    def seen(self, piece: bytes) -> bytes:
        self.zeros = 0 if piece else self.zeros + 1
        if self.zeros == 8:
            self.stop()
        return piece


class LatchEndsWithTheSession(SmallBoard):
    def do_hello(self, frame: Frame, message: messages.Hello) -> Message:
        if self.state is DeviceState.ESTOPPED:
            self.isolate(SafeReason.HOST)
        return super().do_hello(frame, message)


class DisarmClearsTheLatch(SmallBoard):
    def do_disarm(self, _frame: Frame, _message: Request) -> Message:
        self.isolate(SafeReason.HOST)
        return messages.Empty()


class SelectsWhileStopped(SmallBoard):
    def check_state(self, message: Request) -> None:
        if not isinstance(message, messages.Select):
            super().check_state(message)

    def do_select(self, frame: Frame, message: messages.Select) -> Message:
        return messages.Empty() if self.state is DeviceState.ESTOPPED else super().do_select(frame, message)


class ClearsForAnyReason(SmallBoard):
    def do_clear_fault(self, frame: Frame, message: messages.ClearFault) -> Message:
        return super().do_clear_fault(frame, replace(message, reason=self.reason))


class ClearsWhatNobodyHasSeen(SmallBoard):
    def do_clear_fault(self, frame: Frame, message: messages.ClearFault) -> Message:
        return super().do_clear_fault(frame, replace(message, stops=self.stops))


class CountsNoRepeatedStops(SmallBoard):
    def stop(self) -> None:
        self.stops -= self.state is DeviceState.ESTOPPED
        super().stop()


class NeverDies(SmallBoard):
    def tick(self) -> None: ...


class IsKeptAliveByAnybody(SmallBoard):
    def hear(self, frame: Frame) -> None:
        self.endpoint.heard_ns = self.now_ns
        super().hear(frame)


class DiesAlthoughKeptAlive(SmallBoard):
    def tick(self) -> None:
        if self.state is DeviceState.SELECTED:
            self.isolate(SafeReason.DEAD_MAN)


class HasNoTime(SmallBoard):
    """A dead man of a third of what it says."""

    def tick(self) -> None:
        limits, self.limits = self.limits, replace(self.limits, dead_man_ms=self.limits.dead_man_ms // 3)
        super().tick()
        self.limits = limits


class KeepsOperationsSecret(SmallBoard):
    def finish(self, state: OperationState) -> None:
        super().finish(state)
        self.over = None
        self.running = None


BOARD_MUTANTS: dict[type[SmallBoard], set[str]] = {
    AnnouncesAnotherDictionary: {"D1"},
    SendsABomb: {"D2"},
    LaysOutPulsesDifferently: {"D2"},
    DisagreesWithItself: {"D3"},
    GrantsWhatNobodyAsked: {"D4"},
    DoesWhatItsDictionaryLacks: {"D6"},
    DoesWhatItDidNotGrant: {"D5"},
    ClockRunsBackwards: {"D7"},
    GarblesItsCalibration: {"C1"},
    ExchangesColumnsTwice: {"C1"},
    InventsCalibrations: {"C2"},
    WearsBackwards: {"C3"},
    ShowsOtherLimits: {"L1"},
    WidensLimits: {"L2"},
    TakesUselessLimits: {"L3"},
    ArmsForAnybody: {"L4"},
    ReadsAboveItsLimit: {"R1"},
    LimitsOnlyPositiveVoltages: {"R1"},
    ReadsKernelsThatAreNotThere: {"R2"},
    ReadsBeyondTheDie: {"R3"},
    ConnectsAnything: {"R4"},
    PulsesUnarmed: {"P1"},
    ClaimsEveryPulse: {"P2"},
    NamesASessionForNothing: {"P2"},
    AbortsNothing: {"O1"},
    SkipsAKernel: {"O2"},
    KeepsOperationsSecret: {"O2", "O5"},
    ReadsTwoThingsAtOnce: {"O3"},
    BeginsAgain: {"O4"},
    ReadsOnForNobody: {"O5"},
    ReadsOnForASilentHost: {"O6"},
    StopsForItsHostOnly: {"E1"},
    IgnoresZeros: {"E2"},
    StopsAtFewerZeros: {"E2"},
    LatchEndsWithTheSession: {"E3"},
    DisarmClearsTheLatch: {"E3"},
    SelectsWhileStopped: {"E3"},
    ClearsForAnyReason: {"E4"},
    ClearsWhatNobodyHasSeen: {"W3", "E4"},
    CountsNoRepeatedStops: {"W3", "E4"},
    NeverDies: {"T1", "O6"},
    IsKeptAliveByAnybody: {"T1"},
    DiesAlthoughKeptAlive: {"T1", "O6"},
    HasNoTime: {"T1", "O6"},
}
