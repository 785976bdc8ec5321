"""Both device ends, one after the other, and a host in its session with a device that has just started."""

from collections.abc import Iterator

import pytest

from tests.support.device_end import ENDS, DeviceEnd, device_end
from tests.support.device_host import DeviceHost


@pytest.fixture(params=ENDS)
def end(request: pytest.FixtureRequest) -> Iterator[DeviceEnd]:
    with device_end(request.param) as made:
        yield made


@pytest.fixture
def host(end: DeviceEnd) -> DeviceHost:
    made = DeviceHost(end)
    made.hello()
    return made
