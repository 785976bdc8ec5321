"""D, C: what the board says of itself: dictionary, capabilities, calibration, wear. Nothing is written: a calibration would stay."""

import struct
import zlib
from itertools import pairwise

from drivers.conformance.bench import Bench, Broken, Skip, check, check_refusal, name_of, said
from drivers.conformance.message_rules import harmless_payload
from drivers.conformance.rule import rule
from firmware_protocol import dictionary
from firmware_protocol.codes import MAX_PAYLOAD, PROTOCOL_MAJOR, CalibrationTable, Capability, Opcode, Status, Wear
from firmware_protocol.dictionary import Dictionary, DictionaryError
from firmware_protocol.messages import (
    REQUESTS,
    CalibrationResponse,
    Counters,
    CountersResponse,
    DictChunk,
    GetCalibration,
    GetDict,
    Hello,
    SetCalibration,
)
from firmware_protocol.rules import rule_for

_CHUNK_BYTES = 1024
_GAIN_AND_OFFSET = struct.Struct("<ii")


def fetch_dictionary(bench: Bench) -> bytes:
    """The dictionary as it is sent, not longer than HELLO says. Raises Broken."""
    size = bench.hello_said.dict_size
    check(size <= dictionary.MAX_COMPRESSED, "HELLO", f"dict_size up to {dictionary.MAX_COMPRESSED}", size)
    packed = b""
    while len(packed) < size:
        answer = bench.granted(GetDict(len(packed), min(_CHUNK_BYTES, size - len(packed))))
        assert isinstance(answer, DictChunk)
        got = (answer.offset, len(answer.chunk))
        expected = (len(packed), min(_CHUNK_BYTES, size - len(packed)))
        check(got == expected, f"GET_DICT from {len(packed)}", "(offset, bytes) " + str(expected), got)
        packed += answer.chunk
    return packed


def read_dictionary(bench: Bench) -> Dictionary:
    """Raises Broken when it is damaged, hostile, or lays out a message in another way."""
    try:
        found = dictionary.decode(fetch_dictionary(bench))
        dictionary.unknown_to(found)
    except DictionaryError as error:
        raise Broken("the dictionary", "JSON of this protocol, packed, of bounded size, with its layouts", str(error)) from error
    return found


def _readable(bench: Bench) -> Dictionary:
    """For rules to which a bad dictionary is no fault of their own. Raises Skip."""
    try:
        return read_dictionary(bench)
    except Broken as error:
        raise Skip(f"no valid dictionary: {error}") from error


@rule("D1", "the dictionary has the size and the CRC that HELLO says, and ends there")
def the_dictionary_is_whole(bench: Bench) -> str:
    hello = bench.hello_said
    packed = fetch_dictionary(bench)
    crc32 = zlib.crc32(packed)
    check(crc32 == hello.dict_crc32, "the dictionary", f"CRC-32 {hello.dict_crc32:#010x}", f"{crc32:#010x}")
    end = bench.granted(GetDict(hello.dict_size, _CHUNK_BYTES))
    assert isinstance(end, DictChunk)
    check(not end.chunk, f"GET_DICT from {hello.dict_size}", "no bytes", f"{len(end.chunk)} bytes")
    bench.refused(GetDict(hello.dict_size + 1, 1), Status.REFUSED_RANGE, hello.dict_size + 1, hello.dict_size)
    return f"{len(packed)} bytes"


@rule("D2", "the dictionary unpacks within bounds and lays out every message as this protocol does")
def layouts_are_ours(bench: Bench) -> str:
    found = read_dictionary(bench)
    lacking = [name_of(opcode) for opcode in sorted(dictionary.unknown_to(found))]
    return f"lacks {', '.join(lacking)}" if lacking else ""


@rule("D3", "HELLO and the dictionary agree on geometry, converter, version and limits")
def hello_and_dictionary_agree(bench: Bench) -> None:
    found = _readable(bench)
    hello = bench.hello_said
    pairs = {
        "geometry": (found.geometry, hello.geometry),
        "converter": ((found.adc_zero_code, found.adc_code_pa), (hello.adc_zero_code, hello.adc_code_pa)),
        "version": (found.protocol, (hello.protocol_major, hello.protocol_minor)),
        "limits in force (no wider than the board's own)": (found.limits.tightened(hello.limits), hello.limits),
    }
    for name, (said_there, said_here) in pairs.items():
        check(said_there == said_here, f"HELLO's {name}", said_there, said_here)
    check(hello.protocol_major == PROTOCOL_MAJOR and hello.max_payload <= MAX_PAYLOAD, "HELLO", f"max_payload up to {MAX_PAYLOAD}", hello)


@rule("D4", "HELLO grants no capability and no payload that was not asked for")
def nothing_unasked_is_granted(bench: Bench) -> None:
    for asked in (Capability(0), Capability.STREAMS, Capability.STREAMS | Capability.CALIBRATION):
        granted = Capability(bench.hello(Hello(capabilities=asked)).capabilities)
        check(granted in asked, "HELLO", f"at most {asked!r}", repr(granted))
    unknown = bench.hello(Hello(capabilities=2**32 - 1)).capabilities & ~sum(Capability)
    check(unknown == 0, "HELLO to a host of a later version", "no capability that this protocol lacks", f"{unknown:#x}")
    payload = bench.hello(Hello(max_payload=256)).max_payload
    check(payload <= 256, "HELLO", "max_payload up to 256", payload)


@rule("D5", "requests of a capability that was not granted are unsupported")
def what_is_not_granted_is_unsupported(bench: Bench) -> None:
    bench.hello(Hello(capabilities=0))
    for message in REQUESTS:
        if rule_for(message.opcode).needs:
            check_refusal(bench.ask_raw(message.opcode, harmless_payload(message)), Status.REFUSED_UNSUPPORTED, message.opcode)


@rule("D6", "requests that the dictionary lacks are unsupported")
def what_the_dictionary_lacks_is_unsupported(bench: Bench) -> str:
    lacking = dictionary.unknown_to(_readable(bench))
    for message in REQUESTS:
        if message.opcode in lacking:
            check_refusal(bench.ask_raw(message.opcode, harmless_payload(message)), Status.REFUSED_UNSUPPORTED, message.opcode)
    return f"{len(lacking)} lacking"


@rule("C1", "each calibration table is whole, and a column order is a permutation", needs=Capability.CALIBRATION)
def calibration_is_whole(bench: Bench) -> str:
    versions: list[int] = []
    for table in CalibrationTable:
        answer = bench.granted(GetCalibration(table))
        assert isinstance(answer, CalibrationResponse)
        what = f"GET_CALIBRATION {table.name}"
        check(answer.table == table, what, f"table {table}", answer.table)
        crc32 = zlib.crc32(answer.data)
        check(answer.crc32 == crc32, what, f"crc32 {crc32:#010x}", f"{answer.crc32:#010x}")
        check(bool(answer.version) or not answer.data, what, "no data in version 0", f"{len(answer.data)} bytes")
        if answer.version:
            _check_table(bench, table, answer.data)
        versions.append(answer.version)
    return "versions " + ", ".join(map(str, versions))


def _check_table(bench: Bench, table: CalibrationTable, data: bytes) -> None:
    what = f"GET_CALIBRATION {table.name}"
    if table is CalibrationTable.COLUMN_ORDER:
        columns = bench.hello_said.columns
        check(sorted(data) == list(range(columns)), what, f"a permutation of 0 to {columns - 1}", list(data))
    else:
        check(len(data) % _GAIN_AND_OFFSET.size == 0, what, f"lines of {_GAIN_AND_OFFSET.size} bytes", f"{len(data)} bytes")


@rule("C2", "a calibration table that does not exist is neither read nor written", needs=Capability.CALIBRATION)
def no_other_tables(bench: Bench) -> None:
    bench.refused(GetCalibration(0xFF), Status.REFUSED_RANGE)
    bench.refused(SetCalibration(0xFF, 1, 0, b""), Status.REFUSED_RANGE)


@rule("C3", "wear is counted per junction, and never downwards", needs=Capability.WEAR_COUNTERS)
def wear_is_counted(bench: Bench) -> None:
    geometry = bench.hello_said.geometry
    for wear in Wear:
        first, second = (_wear(bench, wear) for _ in range(2))
        check(len(first) == geometry.per_kernel, f"COUNTERS {wear.name}", f"{geometry.per_kernel} junctions", len(first))
        check(
            all(later >= earlier for earlier, later in zip(first, second, strict=True)), f"COUNTERS {wear.name}", "no count below", second
        )
    bench.refused(Counters(geometry.kernels, Wear.READINGS), Status.REFUSED_RANGE)
    bench.refused(Counters(0, len(Wear)), Status.REFUSED_RANGE)


def _wear(bench: Bench, wear: Wear) -> tuple[int, ...]:
    answer = bench.granted(Counters(0, wear))
    assert isinstance(answer, CountersResponse)
    check((answer.kernel, answer.wear) == (0, wear), f"COUNTERS {wear.name}", f"kernel 0, wear {wear}", (answer.kernel, answer.wear))
    return struct.unpack(f"<{len(answer.counts) // 2}H", answer.counts)


@rule("D7", "the clock of the board goes forward")
def the_clock_goes_forward(bench: Bench) -> None:
    times = [bench.status().uptime_ms for _ in range(3)]
    check(all(later >= earlier for earlier, later in pairwise(times)), "STATUS", "uptime_ms never backwards", times)
    again = bench.hello()
    answer = bench.ask_raw(Opcode.STATUS, b"")
    check(
        answer.status == Status.OK and again.uptime_ms >= times[-1],
        "HELLO",
        f"uptime_ms from {times[-1]} on",
        f"{said(answer)}, {again.uptime_ms}",
    )
