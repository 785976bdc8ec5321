"""What a device says of itself beyond HELLO: zlib-compressed JSON made from the messages, so that it cannot disagree with them.

Rule: text from a device is hostile until checked: sizes are capped before anything is unpacked, strings are short and printable.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from firmware_protocol.codes import MAX_PAYLOAD, PROTOCOL_MAJOR, PROTOCOL_MINOR, VMM_INPUT_UV
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import EVENTS, REQUESTS, EventMessage, Message, Request

MAX_COMPRESSED = 65_536
MAX_TEXT = 262_144
MAX_STRING = 128


class DictionaryError(ValueError):
    """The device's dictionary is damaged or no dictionary of this protocol; the text says what is wrong."""


@dataclass(frozen=True)
class Origin:
    """Whether the device is a simulation, and from which seed."""

    simulated: bool
    seed: int | None


@dataclass(frozen=True)
class Dictionary:
    """messages: layout of each request with its answer, and of each event, by opcode, as `message_table` makes it."""

    vendor: str
    model: str
    serial: str
    firmware: str
    protocol: tuple[int, int]
    geometry: Geometry
    limits: Limits
    adc_zero_code: int
    adc_code_pa: int
    origin: Origin
    messages: Mapping[int, Mapping[str, Any]]


def message_table(requests: Sequence[type[Request]] = REQUESTS, events: Sequence[type[EventMessage]] = EVENTS) -> dict[int, dict[str, Any]]:
    """Name, layout and fields of each request with its answer, and of each event, by opcode."""
    asked = {int(request.opcode): {"request": _shape(request), "response": _shape(request.response)} for request in requests}
    return asked | {int(event.opcode): {"event": _shape(event)} for event in events}


def _shape(message: type[Message]) -> dict[str, Any]:
    return {
        "name": message.__name__,
        "layout": message.layout.format,
        "tail_unit": message.tail_unit,
        "fields": [field.name for field in fields(message)],
    }


def encode(dictionary: Dictionary) -> bytes:
    """Compressed bytes, the same for the same dictionary."""
    value = {
        "vendor": dictionary.vendor,
        "model": dictionary.model,
        "serial": dictionary.serial,
        "firmware": dictionary.firmware,
        "protocol": list(dictionary.protocol),
        "max_payload": MAX_PAYLOAD,
        "geometry": asdict(dictionary.geometry),
        "limits": asdict(dictionary.limits),
        "adc": {"zero_code": dictionary.adc_zero_code, "code_pa": dictionary.adc_code_pa, "vmm_input_uv": VMM_INPUT_UV},
        "origin": asdict(dictionary.origin),
        "messages": {str(opcode): shape for opcode, shape in dictionary.messages.items()},
    }
    return zlib.compress(json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), 9)


def decode(compressed: bytes) -> Dictionary:
    """Raises DictionaryError. Fields that this version does not know are ignored."""
    value = _unpack(compressed)
    try:
        return Dictionary(
            vendor=_text(value, "vendor"),
            model=_text(value, "model"),
            serial=_text(value, "serial"),
            firmware=_text(value, "firmware"),
            protocol=(int(value["protocol"][0]), int(value["protocol"][1])),
            geometry=Geometry(**{name: int(value["geometry"][name]) for name in ("kernels", "rows", "columns")}),
            limits=Limits(**{field.name: int(value["limits"][field.name]) for field in fields(Limits)}),
            adc_zero_code=int(value["adc"]["zero_code"]),
            adc_code_pa=int(value["adc"]["code_pa"]),
            origin=_origin(value["origin"]),
            messages={int(opcode): shape for opcode, shape in value["messages"].items()},
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DictionaryError(f"the device's dictionary lacks or garbles an entry: {error!r}") from error


def _unpack(compressed: bytes) -> dict[str, Any]:
    if len(compressed) > MAX_COMPRESSED:
        raise DictionaryError(f"dictionary of {len(compressed)} bytes; the limit is {MAX_COMPRESSED}")
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(compressed, MAX_TEXT)
        if unpacker.unconsumed_tail:
            raise DictionaryError(f"dictionary unpacks to more than {MAX_TEXT} bytes")
        value = json.loads(text)
    except (zlib.error, ValueError, RecursionError) as error:
        if isinstance(error, DictionaryError):
            raise
        raise DictionaryError(f"the device's dictionary does not unpack: {error}") from error
    if not isinstance(value, dict):
        raise DictionaryError(f"the device's dictionary is a JSON {type(value).__name__}, not an object")
    return value


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value[name]
    if not isinstance(text, str) or len(text) > MAX_STRING or not text.isprintable():
        raise ValueError(f"{name} is not a printable string of at most {MAX_STRING} characters")
    return text


def _origin(value: Mapping[str, Any]) -> Origin:
    simulated, seed = value["simulated"], value["seed"]
    if not isinstance(simulated, bool) or not (seed is None or isinstance(seed, int)):
        raise ValueError(f"origin {value!r} says neither measured nor simulated")
    return Origin(simulated, seed)


def unknown_to(dictionary: Dictionary, requests: Sequence[type[Request]] = REQUESTS) -> frozenset[int]:
    """Opcodes of this protocol that the device does not have. Raises DictionaryError when a layout differs from ours."""
    ours = message_table(requests)
    for opcode in ours.keys() & dictionary.messages.keys():
        if dictionary.messages[opcode] != ours[opcode]:
            name = next(iter(ours[opcode].values()))["name"]
            raise DictionaryError(f"the device lays out {name} (opcode {opcode}) differently; it speaks another version of the protocol")
    return frozenset(ours.keys() - dictionary.messages.keys())


def this_version() -> tuple[int, int]:
    return (PROTOCOL_MAJOR, PROTOCOL_MINOR)
