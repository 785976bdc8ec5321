"""The specification's tables are what the code gives today, and nothing of the protocol is missing from them."""

import re

import pytest

from firmware_protocol import tables
from firmware_protocol.codes import Capability, Opcode, Status
from firmware_protocol.framing import Deframer, Frame
from firmware_protocol.messages import EVENTS, REQUESTS

TEXT = tables.PATH.read_text(encoding="utf-8")


def test_the_committed_specification_is_what_the_code_gives() -> None:
    assert tables.rewritten(TEXT) == TEXT, "run `python -m firmware_protocol.tables`"


def test_every_table_that_is_made_is_in_the_specification() -> None:
    assert sorted(re.findall(r"<!-- made: ([\w -]+) -->", TEXT)) == sorted(tables.PARTS)


def test_a_stale_table_is_noticed_and_put_right_and_the_prose_is_left_alone() -> None:
    stale = TEXT.replace("| 24 | [READ_DIE](#read_die) |", "| 99 | [READ_DIE](#read_die) |")
    assert stale != TEXT and tables.rewritten(stale) == TEXT


def test_a_table_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        tables.rewritten("<!-- made: nonsense -->\n<!-- end -->")


def test_every_message_status_and_capability_is_in_the_specification() -> None:
    headings = set(re.findall(r"^### (.+)$", TEXT, re.MULTILINE))
    assert {opcode.name for opcode in Opcode} | {f"Event {event.opcode.name}" for event in EVENTS} <= headings
    assert len(REQUESTS) == len(Opcode)
    for name in [status.name for status in Status] + [str(each.name) for each in Capability]:
        assert f"| {name} |" in TEXT


def test_every_link_inside_the_specification_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors


def test_the_example_bytes_are_a_frame() -> None:
    (wire,) = re.findall(r"\| on the wire \| `([0-9a-f ]+)` \|", TEXT)
    (frame,) = Deframer().feed(bytes.fromhex(wire))
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.seq, frame.session, frame.payload) == (Opcode.ECHO, 5, 0xBEEF, b"hi\x00")
