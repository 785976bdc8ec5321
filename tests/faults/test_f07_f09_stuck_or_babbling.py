"""Faults 7 and 9 at the driver: a device that takes everything and answers nothing, one that never stops."""

import threading
import time

import numpy as np
import pytest

from drivers.errors import DriverError, LinkError, LinkTimeout, OutcomeUnknown, ProtocolError
from tests.support.device_end import ENDS
from tests.support.relay import relay
from tests.support.served_end import opened, served_end
from tests.support.simulated_lab import CountedPulseIds
from tests.support.tampering import lost

ONE = np.zeros((4, 5), np.bool_)
ONE[1, 2] = True


@pytest.mark.parametrize("pty", [False, True], ids=["socket", "pty"])
@pytest.mark.parametrize("name", ENDS)
def test_f07_silence_is_given_up_by_the_deadline_and_a_pulse_in_it_is_unknown_and_never_repeated(name: str, pty: bool) -> None:
    ids = CountedPulseIds()
    with served_end(name) as served, relay(served.address, pty=pty) as line, opened(line.address, ids, timeout_s=0.6) as crossbar:
        assert crossbar.pulse(0, ONE, 0.1, 1e-7).sum() == 1
        line.to_host = lost
        begun_s = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            crossbar.pulse(0, ONE, 0.1, 1e-7)
        assert time.monotonic() - begun_s < 6.0
        assert ids.settled[-1] == (2, ("unknown",))
        assert served.given() == [7, 7], "it was given once, though nobody was told"


@pytest.mark.parametrize("name", ENDS)
def test_f07_a_question_into_silence_ends_by_its_deadline_and_others_can_still_ask(name: str) -> None:
    with served_end(name) as served, relay(served.address) as line, opened(line.address, timeout_s=0.6) as crossbar:
        line.to_host = lost
        ends: list[float] = []

        def ask() -> None:
            begun_s = time.monotonic()
            with pytest.raises(LinkError):
                crossbar.read_kernel(0, 0.1)
            ends.append(time.monotonic() - begun_s)

        thread = threading.Thread(target=ask)
        thread.start()
        with pytest.raises((LinkTimeout, LinkError)):
            crossbar.emergency_stop()
        thread.join(5)
        assert len(ends) == 1
        assert ends[0] < 3.0
        assert served.isolated


@pytest.mark.parametrize("name", ENDS)
def test_f09_a_megabyte_without_a_frame_takes_the_link_down_by_name(name: str) -> None:
    with served_end(name) as served, relay(served.address) as line, opened(line.address, timeout_s=5.0) as crossbar:
        line.to_host = lambda _data: b"\x55" * 1_200_000
        begun_s, cpu_s = time.monotonic(), time.process_time()
        with pytest.raises(DriverError) as caught:
            crossbar.read_kernel(0, 0.1)
        assert isinstance(caught.value, ProtocolError)
        assert "bytes without one frame" in str(caught.value)
        assert time.monotonic() - begun_s < 4.0
        assert time.process_time() - cpu_s < 2.0
