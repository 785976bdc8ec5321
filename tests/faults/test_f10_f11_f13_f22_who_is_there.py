"""Faults 10, 11, 13 and 22: another device, another firmware, another host, another name for the same device."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivers.crossbar import open_crossbar, open_crossbar_for_safety
from drivers.errors import ConnectFailed, DriverError, LinkError, OutcomeUnknown, Refused, WrongInstrument
from firmware_protocol import dictionary, messages
from firmware_protocol.codes import Opcode, Status
from firmware_protocol.framing import Frame, Kind
from tests.support.device_end import ENDS
from tests.support.doctored import doctored, without
from tests.support.relay import relay
from tests.support.served_end import BAUD, Served, opened, served_end
from tests.support.simulated_lab import CountedPulseIds
from tests.support.tampering import changed, watching

ONE = np.zeros((4, 5), np.bool_)
ONE[1, 2] = True
NAMED_S = 3.5


@pytest.fixture(params=ENDS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served_end(request.param) as made:
        yield made


# --- 10: wrong baud, another device


@pytest.mark.parametrize("wrong", ["both ways", "to the host"])
def test_f10_a_wrong_baud_rate_fails_in_three_seconds_by_name_and_nothing_but_hello_was_said(served: Served, wrong: str) -> None:
    def garble(data: bytes) -> bytes:
        # As a receiver at twice the rate sees it: other bytes, other borders.
        return bytes((byte >> shift & 0x0F) * 0x11 | 0x80 for byte in data for shift in (0, 4))

    said: list[Frame] = []
    look = watching(said)
    with relay(served.address) as line:
        line.to_device = (lambda data: garble(look(data))) if wrong == "both ways" else look
        line.to_host = garble
        begun_s = time.monotonic()
        with pytest.raises(DriverError) as caught:
            open_crossbar(line.address, BAUD, CountedPulseIds(), timeout_s=5.0 if wrong == "both ways" else 0.5)
        assert time.monotonic() - begun_s < NAMED_S
    assert line.address in str(caught.value)
    assert isinstance(caught.value, (WrongInstrument, LinkError))
    assert {frame.opcode for frame in said} == {Opcode.HELLO}
    assert served.given() == []
    assert served.isolated


# --- 11: older and newer firmware


@pytest.mark.parametrize("minor", [0, 1, 9])
def test_f11_another_minor_version_works(served: Served, minor: int) -> None:
    with doctored(served.address, lambda found: replace(found, protocol=(1, minor)), minor) as line, opened(line.address) as crossbar:
        assert crossbar.pulse(0, ONE, 0.1, 1e-7).sum() == 1
    assert len(served.given()) == 1


def test_f11_another_major_version_is_refused_naming_both(served: Served) -> None:
    def other_major(frame: Frame) -> Frame:
        if frame.opcode == Opcode.HELLO and frame.kind is Kind.RESPONSE:
            return frame._replace(status=Status.REFUSED_VERSION, payload=messages.Refusal(1, 2).encode())
        return frame

    with relay(served.address) as line:
        line.to_host = changed(other_major)
        with pytest.raises(WrongInstrument, match="speaks protocol 2, this software 1"):
            open_crossbar(line.address, BAUD, CountedPulseIds())


@pytest.mark.parametrize("missing", [messages.ReadBlock, messages.Program])
def test_f11_a_command_that_the_firmware_lacks_is_refused_by_name_and_never_sent(served: Served, missing: type[messages.Request]) -> None:
    with doctored(served.address, without(missing)) as line, opened(line.address) as crossbar:
        said: list[Frame] = []
        line.to_device = watching(said)
        with pytest.raises(Refused, match=f"no {missing.opcode.name}"):
            crossbar.read_kernel(0, 0.1) if missing is messages.ReadBlock else crossbar.pulse(0, ONE, 0.1, 1e-7)
        assert missing.opcode not in {frame.opcode for frame in said}
        assert crossbar.status().state in ("SAFE", "ARMED")
    assert served.given() == []


def test_f11_a_command_laid_out_otherwise_is_another_version_and_refused(served: Served) -> None:
    table = dictionary.message_table()
    table[Opcode.PROGRAM]["request"]["layout"] = "<IqI"
    with (
        doctored(served.address, lambda found: replace(found, messages=table)) as line,
        pytest.raises(WrongInstrument, match=r"PROGRAM|Program"),
    ):
        open_crossbar(line.address, BAUD, CountedPulseIds())


# --- 13: two hosts


@pytest.mark.parametrize("name", ENDS)
def test_f13_a_second_host_on_the_same_port_is_refused_and_the_first_goes_on(name: str) -> None:
    with served_end(name, pty=True) as served, opened(served.address) as first:
        with pytest.raises(ConnectFailed, match="in use by another process"):
            open_crossbar(served.address, BAUD, CountedPulseIds())
        assert first.pulse(0, ONE, 0.1, 1e-7).sum() == 1
        assert served.given() == [7]


@pytest.mark.parametrize("name", ENDS)
def test_f13_a_host_that_forces_its_way_is_the_only_one_obeyed(name: str) -> None:
    with served_end(name, pty=True) as served, opened(served.address) as first:
        assert first.pulse(0, ONE, 0.1, 1e-7).sum() == 1
        with open_crossbar_for_safety(served.address, BAUD) as other:
            other.isolate()
        with pytest.raises(DriverError):
            first.pulse(0, ONE, 0.1, 1e-7)
        assert served.isolated
        assert served.given() == [7]


def test_f13_over_sockets_the_older_session_is_refused_and_executes_nothing(served: Served) -> None:
    ids = CountedPulseIds()
    with opened(served.address, ids) as first, opened(served.address) as second:
        assert second.pulse(0, ONE, 0.1, 1e-7).sum() == 1
        with pytest.raises((LinkError, OutcomeUnknown, Refused)):
            first.pulse(0, ONE, 0.1, 1e-7)
        assert second.pulse(0, ONE, 0.1, 1e-7).sum() == 1
    assert len(served.given()) == 2


# --- 22: the same device under another name


def test_f22_a_device_that_comes_back_under_a_new_tty_is_found_by_its_own_name(served: Served, tmp_path: Path) -> None:
    by_id = tmp_path / "usb-MTJ-HIL_XB-32"
    with relay(served.address, pty=True) as old, relay(served.address, pty=True) as new:
        by_id.symlink_to(old.address)
        with opened(str(by_id)) as crossbar:
            assert crossbar.pulse(0, ONE, 0.1, 1e-7).sum() == 1
            before = crossbar.identify()
            by_id.unlink()
            by_id.symlink_to(new.address)
            old.to_device = old.to_host = lambda _data: b""
            crossbar.reconnect(10.0)
            assert crossbar.identify() == before
            assert crossbar.status().state == "SAFE", "the new session has to arm for itself"
            crossbar.clear_emergency_stop()
            assert crossbar.pulse(0, ONE, 0.1, 1e-7).sum() == 1
    assert served.given() == [7, 7]


def test_f22_another_board_under_the_old_name_is_not_taken_for_the_one_that_left(tmp_path: Path) -> None:
    by_id = tmp_path / "usb-MTJ-HIL_XB-32"
    with served_end("python") as one, served_end("c") as other, relay(one.address, pty=True) as old, relay(other.address, pty=True) as new:
        by_id.symlink_to(old.address)
        with opened(str(by_id)) as crossbar:
            assert crossbar.pulse(0, ONE, 0.1, 1e-7).sum() == 1
            by_id.unlink()
            by_id.symlink_to(new.address)
            old.to_device = old.to_host = lambda _data: b""
            with pytest.raises(WrongInstrument, match="REF-XB-0001"):
                crossbar.reconnect(5.0)
        assert other.given() == []
