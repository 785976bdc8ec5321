"""What is generated from the messages, written by the same commands that developers use."""

import runpy
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_protocol import dictionary, vectors
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits
from firmware_protocol.messages import HelloResponse, LimitsResponse, Message, SetLimits
from firmware_protocol.schema import fields_of


@pytest.mark.parametrize("name", ["board.h", "board.bin"])
def test_a_boards_own_dictionary_is_written_as_a_header_or_as_it_is_sent(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    monkeypatch.setattr(sys, "argv", ["c_header", "--dictionary", str(path), "--serial", "XB-9", "--rows", "4", "--columns", "5"])
    # As `python -m` does; the module was imported before, which run_module would warn of.
    monkeypatch.delitem(sys.modules, "firmware_protocol.c_header", raising=False)
    runpy.run_module("firmware_protocol.c_header", run_name="__main__")
    if name == "board.h":
        assert "serial XB-9" in path.read_text()
        return
    found = dictionary.decode(path.read_bytes())
    assert (found.serial, found.geometry, found.limits) == ("XB-9", Geometry(32, 4, 5), Limits())
    assert found.messages == dictionary.message_table()


def test_the_golden_vectors_on_disk_are_what_the_code_makes() -> None:
    assert vectors.PATH.read_text() == vectors.text()


def test_limits_and_geometry_come_out_of_their_messages_as_they_went_in() -> None:
    limits = Limits(device_uv=900_000)
    assert LimitsResponse(limits.encode()).limits == SetLimits(limits.encode()).limits == limits
    hello = HelloResponse(1, 1, 8, 0, 2048, 2, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, limits.encode())
    assert (hello.geometry, hello.limits) == (Geometry(2, 4, 5), limits)


def test_a_message_whose_layout_and_fields_disagree_is_noticed() -> None:
    @dataclass(frozen=True)
    class Wrong(Message):
        layout = struct.Struct("<B")
        one: int
        too_many: int

    with pytest.raises(AssertionError, match="Wrong"):
        fields_of(Wrong)
