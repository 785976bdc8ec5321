"""The generated parts of docs/wire-protocol.md: numbers, rules and message layouts, from the code that both ends run.

Rule: between `<!-- made: NAME -->` and `<!-- end -->` nothing is written by hand; `python -m firmware_protocol.tables` writes it anew
and a test says whether that was forgotten.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from enum import IntEnum, IntFlag
from pathlib import Path

from firmware_protocol import codes, messages, vectors
from firmware_protocol.codes import Capability, DeviceState
from firmware_protocol.framing import CRC, DELIMITER, HEADER, Frame, Kind
from firmware_protocol.limits import LIMITS_SIZE, Limits
from firmware_protocol.messages import EVENTS, REQUESTS, Empty, Message, Refusal
from firmware_protocol.questions import MILLISECOND_NS, Timing
from firmware_protocol.rules import RULES
from firmware_protocol.schema import fields_of, reserved_bytes

PATH = Path(__file__).parents[1] / "docs" / "wire-protocol.md"
_PART = re.compile(r"<!-- made: (?P<name>[\w -]+) -->\n.*?<!-- end -->", re.DOTALL)
_TYPES = {"uint8_t": "u8", "int8_t": "i8", "uint16_t": "u16", "int16_t": "i16", "uint32_t": "u32", "int32_t": "i32", "int64_t": "i64"}
_ENUMS: tuple[type[IntEnum], ...] = (
    codes.Status,
    codes.DeviceState,
    codes.SafeReason,
    codes.Route,
    codes.Direction,
    codes.PulseOutcome,
    codes.OperationState,
    codes.JunctionResult,
    codes.Wear,
    codes.CalibrationTable,
)


def table(heads: Sequence[str], rows: Iterator[Sequence[object]] | Sequence[Sequence[object]]) -> str:
    """A markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def rewritten(text: str) -> str:
    """The document with every made part made anew. Raises KeyError for a part that nobody makes."""
    return _PART.sub(lambda found: f"<!-- made: {found['name']} -->\n{PARTS[found['name']]()}\n<!-- end -->", text)


# --- numbers
def _numbers() -> str:
    return "\n\n".join([_capabilities(), *(_enum(each) for each in _ENUMS)])


def _enum(numbers: type[IntEnum]) -> str:
    return f"**{numbers.__name__}**. {_doc(numbers)}\n\n" + table(("value", "name"), [(int(each), each.name) for each in numbers])


def _capabilities() -> str:
    needing = {each: [opcode for opcode, rule in RULES.items() if each in rule.needs] for each in Capability}
    rows = [(f"{int(each):#x}", each.name, ", ".join(codes.Opcode(opcode).name for opcode in needing[each])) for each in Capability]
    return f"**Capability** (bits). {_doc(Capability)}\n\n" + table(("bit", "name", "requests that need it"), rows)


def _limits() -> str:
    docs = dict(re.findall(r"^(\w+): (.+)$", _doc(Limits), re.MULTILINE))
    floors = {field.name: _floor(field.name) for field in fields(Limits)}
    rows: list[tuple[object, ...]] = []
    offset = 0
    for field, width in zip(fields(Limits), (4, 4, 4, 2, 2), strict=True):
        rows.append((offset, f"u{8 * width}", f"`{field.name}`", field.default, floors[field.name], docs[field.name]))
        offset += width
    assert offset == LIMITS_SIZE
    return table(("offset", "type", "limit", "board as built", "lowest", "meaning"), rows)


def _floor(name: str) -> int:
    found = replace(Limits(), **{name: 0}).below_floor()
    assert found is not None
    return found[1]


def _timing() -> str:
    timing = Timing()
    rows = [(f"`{field.name}`", f"{getattr(timing, field.name) // MILLISECOND_NS} ms") for field in fields(Timing)]
    return table(("constant", "value"), rows)


# --- rules and messages
def _rules() -> str:
    rows = [
        (
            int(opcode),
            f"[{codes.Opcode(opcode).name}](#{codes.Opcode(opcode).name.lower()})",
            "order" if rule.ordered else "question" if codes.Opcode(opcode) is not codes.Opcode.ESTOP else "at once",
            "any" if rule.any_session else "owner",
            "every" if rule.legal_in == frozenset(DeviceState) else ", ".join(state.name for state in sorted(rule.legal_in)),
            "yes" if rule.while_running else "BUSY",
            _flags(rule.needs),
        )
        for opcode, rule in sorted(RULES.items())
    ]
    return table(("opcode", "request", "kind", "session", "legal in", "while an operation runs", "needs"), rows)


def _flags(flags: IntFlag) -> str:
    return (flags.name or "").replace("|", ", ")


def _messages() -> str:
    parts = [
        f"### {request.opcode.name}\n\nRequest, opcode {int(request.opcode)}.{_text(request)}\n\n{layout(request)}\n\n"
        for request in REQUESTS
    ]
    answers = [_answer(request) for request in REQUESTS]
    events = [f"### Event {event.opcode.name}\n\nEvent, opcode {int(event.opcode)}.{_text(event)}\n\n{layout(event)}\n" for event in EVENTS]
    asked = "\n".join(part + answer for part, answer in zip(parts, answers, strict=True))
    return asked + "\n" + "\n".join(events).rstrip("\n")


def _answer(request: type[messages.Request]) -> str:
    response = request.response
    if response is Empty:
        return "Answer: empty.\n"
    if response is messages.Accepted:
        return "Answer: [Accepted](#accepted), status ACCEPTED.\n"
    return f"Answer.{_text(response)}\n\n{layout(response)}\n"


def _common() -> str:
    shared = (Refusal, messages.Accepted)
    return "\n\n".join(f"### {each.__name__}\n\n{_doc(each)}\n\n{layout(each)}" for each in shared)


def layout(message: type[Message]) -> str:
    """Offset, type and name of every field, reserved bytes included; a sentence where there is none."""
    rows: list[tuple[int, str, str]] = [(offset, "u8", "reserved, 0") for offset in reserved_bytes(message)]
    for field in fields_of(message):
        kind = f"u8[{field.width}]" if field.c_type.endswith("]") else _TYPES.get(field.c_type, field.c_type)
        if field.is_tail:
            kind = f"tail of {message.tail_unit}-byte items" if message.tail_unit > 1 else "tail of bytes"
        rows.append((field.offset, kind, f"`{field.name}`"))
    return table(("offset", "type", "field"), sorted(rows)) if rows else "No payload."


def _text(message: type[Message]) -> str:
    text = _doc(message)
    return f" {text}" if text else ""


def _doc(thing: type) -> str:
    """A docstring as the author wrote it; "" for the one that dataclasses make up."""
    text = inspect.cleandoc(thing.__doc__ or "")
    return "" if text.startswith(f"{thing.__name__}(") else text


# --- bytes
def _header() -> str:
    names = ("version and kind", "opcode", "seq", "session", "boot_id", "status", "credit", "length")
    widths = {"B": 1, "H": 2}
    rows: list[tuple[object, ...]] = []
    offset = 0
    for name, code in zip(names, HEADER.format.removeprefix("<"), strict=True):
        rows.append((offset, f"u{8 * widths[code]}", name))
        offset += widths[code]
    rows += [
        (HEADER.size, "bytes", "payload, `length` of them"),
        (f"{HEADER.size} + length", f"u{8 * CRC.size}", "CRC-32 of everything before it"),
    ]
    return table(("offset", "type", "field"), rows)


def _example() -> str:
    frame = Frame(Kind.REQUEST, codes.Opcode.ECHO, 5, 0xBEEF, 0x0102, payload=b"hi\x00")
    raw, wire = frame.raw(), frame.encode()
    body, crc = raw[: -CRC.size], raw[-CRC.size :]
    assert wire.endswith(DELIMITER)
    rows = [
        (
            "header",
            body[: HEADER.size].hex(" "),
            "major 1 and kind 1; ECHO; seq 5; session 0xBEEF; boot id 0x0102; status 0; credit 0; length 3",
        ),
        ("payload", frame.payload.hex(" "), '"hi" and a zero'),
        ("CRC-32", crc.hex(" "), f"0x{int.from_bytes(crc, 'little'):08X} of the 15 bytes before"),
        ("on the wire", wire.hex(" "), "COBS of these 19 bytes, then the delimiter"),
    ]
    return table(("part", "bytes", "meaning"), [(name, f"`{data}`", meaning) for name, data, meaning in rows])


def _vector_count() -> str:
    made = list(vectors.golden())
    rejected = sum(vector["verdicts"] != ["accept"] for vector in made)
    return f"`firmware_protocol/vectors.jsonl` holds {len(made)} frames, {rejected} of them to be rejected, one JSON object a line."


PARTS: Mapping[str, Callable[[], str]] = {
    "header": _header,
    "example": _example,
    "vectors": _vector_count,
    "numbers": _numbers,
    "limits": _limits,
    "timing": _timing,
    "rules": _rules,
    "common": _common,
    "messages": _messages,
}


if __name__ == "__main__":
    PATH.write_text(rewritten(PATH.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PATH}\n")
