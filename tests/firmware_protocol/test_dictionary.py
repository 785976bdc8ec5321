"""The dictionary says what the messages say, and hostile ones are refused before they are unpacked."""

import json
import zlib
from dataclasses import replace

import pytest

from firmware_protocol import dictionary
from firmware_protocol.codes import Opcode
from firmware_protocol.dictionary import Dictionary, DictionaryError, Origin
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import REQUESTS, Vmm


def example() -> Dictionary:
    return Dictionary(
        vendor="V",
        model="M",
        serial="0001",
        firmware="1.0",
        protocol=dictionary.this_version(),
        geometry=Geometry(),
        limits=Limits(),
        adc_zero_code=22_282,
        adc_code_pa=38_147,
        origin=Origin(True, 7),
        messages=dictionary.message_table(),
    )


def changed(**entries: object) -> bytes:
    value = json.loads(zlib.decompress(dictionary.encode(example())))
    return zlib.compress(json.dumps({**value, **entries}).encode())


def test_what_is_encoded_decodes_to_itself() -> None:
    assert dictionary.decode(dictionary.encode(example())) == example()


def test_a_field_of_a_later_version_is_ignored() -> None:
    assert dictionary.decode(changed(colour="blue")) == example()


def test_a_small_packet_that_unpacks_to_gigabytes_is_refused() -> None:
    with pytest.raises(DictionaryError, match="262144"):
        dictionary.decode(zlib.compress(b" " * 10_000_000))


@pytest.mark.parametrize(
    ("packed", "what"),
    [
        (b"", "unpack"),
        (b"not zlib", "unpack"),
        (zlib.compress(b"{"), "unpack"),
        (zlib.compress(b"[" * 100_000), "unpack"),
        (zlib.compress(b"[]"), "list"),
        (bytes(100_000), "100000"),
        (changed(vendor="x" * 200), "vendor"),
        (changed(serial="\x1b[2J"), "serial"),
        (changed(origin={"simulated": "no", "seed": None}), "origin"),
        (changed(geometry={"kernels": 0, "rows": 1, "columns": 1}), "kernels"),
        (changed(protocol=[]), "entry"),
        (changed(messages=[]), "entry"),
    ],
)
def test_a_damaged_or_hostile_dictionary_is_refused_by_name(packed: bytes, what: str) -> None:
    with pytest.raises(DictionaryError, match=what):
        dictionary.decode(packed)


def test_a_command_that_the_firmware_lacks_is_known_beforehand() -> None:
    older = replace(example(), messages=dictionary.message_table([request for request in REQUESTS if request is not Vmm]))
    assert dictionary.unknown_to(older) == {Opcode.VMM}


def test_a_message_laid_out_differently_is_refused_by_name() -> None:
    table = dictionary.message_table()
    table[Opcode.PROGRAM]["request"]["layout"] = "<IqI"
    with pytest.raises(DictionaryError, match="Program"):
        dictionary.unknown_to(replace(example(), messages=table))
