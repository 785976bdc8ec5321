"""The same bytes at the same times to two device ends, and whatever differs. Readings are of each end's own analog and masked."""

from dataclasses import replace

from firmware_protocol import messages
from firmware_protocol.codes import EventCode, Opcode, Status, Wear
from firmware_protocol.framing import Deframer, Frame, Kind
from firmware_protocol.rules import REQUEST_BY_OPCODE, rule_for
from tests.support.device_dice import SESSIONS, Dice
from tests.support.device_end import DeviceEnd
from tests.support.device_host import MS, US

Heard = list[tuple[int, Frame]]
MOST_TURNS = 100_000


def masked(frame: Frame) -> Frame:
    """Without what each end has of its own: readings, the dictionary, the converter's scale, and how many junctions a reading that is
    under way or was cut has read: the firmware goes from one to the next, the simulated board reads them at the end."""
    payload = frame.payload
    if (frame.opcode, frame.status) == (Opcode.GET_DICT, Status.REFUSED_RANGE):
        return frame._replace(payload=payload[:8])  # the dictionary's length is each end's own
    if frame.status not in (Status.OK, Status.ACCEPTED):
        return frame
    fixed = {
        (Kind.RESPONSE, Opcode.READ_BLOCK): messages.ReadBlockResponse.layout.size,
        (Kind.RESPONSE, Opcode.VMM): messages.VmmResponse.layout.size,
        (Kind.EVENT, EventCode.BLOCK): messages.Block.layout.size,
        (Kind.RESPONSE, Opcode.GET_DICT): messages.DictChunk.layout.size,
    }.get((frame.kind, frame.opcode))
    if fixed is not None:
        payload = payload[:fixed] + (b"" if frame.opcode == Opcode.GET_DICT else bytes(len(payload) - fixed))
    elif frame.opcode == Opcode.READ_LIST:
        head = messages.ReadListResponse.layout.size
        payload = payload[:head] + b"".join(payload[at : at + 2] for at in range(head, len(payload), 4))
    elif frame.opcode == Opcode.RESULT and messages.ResultResponse.decode(payload).part == 1:
        payload = payload[: messages.ResultResponse.layout.size] + bytes(len(payload))
    elif frame.opcode == Opcode.STATUS:
        payload = replace(messages.StatusResponse.decode(payload), reads=0).encode()
    elif frame.opcode == Opcode.COUNTERS and messages.CountersResponse.decode(payload).wear == Wear.READINGS:
        payload = payload[: messages.CountersResponse.layout.size] + bytes(len(payload) - messages.CountersResponse.layout.size)
    elif frame.opcode == Opcode.HELLO:
        hello = messages.HelloResponse.decode(payload)
        # adc_zero_code, adc_code_pa, dict_size and dict_crc32 lie side by side.
        payload = payload[:10] + payload[26:] if len(payload) == hello.layout.size else payload
    return Frame(frame.kind, frame.opcode, frame.seq, frame.session, frame.boot_id, frame.status, frame.credit, payload)


class Lane:
    """One end with what it said."""

    def __init__(self, end: DeviceEnd) -> None:
        self.end = end
        self.heard: Heard = []
        self._deframer = Deframer()

    def until(self, from_ns: int, to_ns: int) -> None:
        now_ns = from_ns
        for _ in range(MOST_TURNS):
            while data := self.end.take(now_ns):
                for found in self._deframer.feed(data):
                    assert isinstance(found, Frame), found
                    self.heard.append((now_ns, masked(found)))
            due_ns = self.end.due_ns(now_ns)
            if due_ns is not None and due_ns <= now_ns:
                continue
            if now_ns >= to_ns:
                return
            now_ns = to_ns if due_ns is None else min(due_ns, to_ns)
        raise AssertionError(f"due for ever at {now_ns}")


def compare(ends: tuple[DeviceEnd, DeviceEnd], seed: int, steps: int, tolerance_ns: int = US) -> dict[Opcode, set[int]]:
    """Statuses seen by opcode. Raises AssertionError naming seed, step, bytes and both answers at the first difference."""
    lanes, dice = tuple(Lane(end) for end in ends), Dice(seed)
    seen: dict[Opcode, set[int]] = {}
    now_ns, history = 0, list[str]()
    for step in range(steps):
        begun = [len(lane.heard) for lane in lanes]
        what = _act(dice, lanes, now_ns, step)
        history = [*history, what][-8:]
        later_ns = now_ns + dice.rng.choice([0, 0, 1 * US, 40 * US, 300 * US, 3 * MS, 40 * MS] + [1_600 * MS] * (dice.rng.random() < 0.1))
        for lane in lanes:
            lane.until(now_ns, later_ns)
        now_ns = later_ns
        new = [lane.heard[start:] for lane, start in zip(lanes, begun, strict=True)]
        _same(new, lanes, f"seed {seed}, step {step} at {now_ns} ns, after " + "; ".join(history), tolerance_ns)
        dice.learn(new[0])
        for _, frame in new[0]:
            if frame.kind is Kind.RESPONSE and frame.opcode in set(Opcode):
                seen.setdefault(Opcode(frame.opcode), set()).add(frame.status)
    return seen


def _act(dice: Dice, lanes: tuple[Lane, ...], now_ns: int, step: int) -> str:
    roll = dice.rng.random()
    if step > 0 and roll < 0.005:
        for lane in lanes:
            lane.end.restart(now_ns)
        return "restart"
    if roll < 0.05:
        for lane in lanes:
            lane.end.trigger(now_ns)
        return "edge"
    data = dice.hello(SESSIONS[0]) if step == 0 else dice.data()
    for lane in lanes:
        lane.end.feed(data, now_ns)
    return _said(data)


def _said(data: bytes) -> str:
    found = [frame for frame in Deframer().feed(data) if isinstance(frame, Frame)]
    texts = [f"{REQUEST_BY_OPCODE[each.opcode].__name__ if each.opcode in REQUEST_BY_OPCODE else each.opcode}#{each.seq}" for each in found]
    return " ".join(texts) + ("" if len(data) > 60 or not found else f" {data.hex()}") if found else data.hex()


def _same(new: list[Heard], lanes: tuple[Lane, ...], where: str, tolerance_ns: int) -> None:
    for kind in (_of_ordered, _of_unordered, _events):
        # What is answered at the same moment may leave in any order: an emergency stop's answer, those of the commands that it cut.
        of_kind = [sorted((each for each in heard if kind(each[1])), key=_moment) for heard in new]
        _same_frames(of_kind, where, tolerance_ns)
    pulses = [lane.end.pulses() for lane in lanes]
    assert len(pulses[0]) == len(pulses[1]), f"{where}: {len(pulses[0])} pulses given, {len(pulses[1])} by the other"
    assert list(pulses[0][-700:]) == list(pulses[1][-700:]), f"{where}: other pulses were given"
    switches = [(lane.end.isolated, lane.end.connected) for lane in lanes]
    assert switches[0] == switches[1], f"{where}: switches {switches}"


def _moment(heard: tuple[int, Frame]) -> tuple[int, int]:
    at_ns, frame = heard
    return at_ns, frame.seq if frame.kind is Kind.RESPONSE and rule_for(frame.opcode).ordered else 0


def _events(frame: Frame) -> bool:
    return frame.kind is Kind.EVENT


def _of_ordered(frame: Frame) -> bool:
    return frame.kind is Kind.RESPONSE and rule_for(frame.opcode).ordered


def _of_unordered(frame: Frame) -> bool:
    return frame.kind is Kind.RESPONSE and not rule_for(frame.opcode).ordered


def _same_frames(new: list[Heard], where: str, tolerance_ns: int) -> None:
    one, other = new
    frames = [[frame for _, frame in each] for each in new]
    for left, right in zip(*frames, strict=False):
        assert left == right, f"{where}:\n  one   {_told(left)}\n  other {_told(right)}"
    told = [[_told(frame) for frame in each] for each in frames]
    assert len(one) == len(other), f"{where}: one said {len(one)} frames {told[0]}, the other {len(other)} {told[1]}"
    times = [(left_ns, right_ns) for (left_ns, _), (right_ns, _) in zip(one, other, strict=True)]
    apart = [(left_ns, right_ns) for left_ns, right_ns in times if abs(left_ns - right_ns) > tolerance_ns]
    assert not apart, f"{where}: answered at different times {apart}"


def _told(frame: Frame) -> str:
    head = f"{frame.kind.name} opcode {frame.opcode} seq {frame.seq} session {frame.session:#x} status {frame.status}"
    return f"{head} {frame.payload[:48].hex()}"
