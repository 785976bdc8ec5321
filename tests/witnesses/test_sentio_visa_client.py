"""A client that reaches the prober by pyvisa, as basil-daq's SentioProber does: its queries, byte for byte, over a TCPIP SOCKET."""

from collections.abc import Iterator

import pytest
import pyvisa
from pyvisa.resources import MessageBasedResource

from simulator.instruments.sentio import Sentio
from tests.simulator.worlds import world
from tests.witnesses.served_prober import served_prober


@pytest.fixture(params=["\n", "\r\n"], ids=["LF", "CRLF"])
def visa(request: pytest.FixtureRequest) -> Iterator[MessageBasedResource]:
    with served_prober(Sentio(world("clean"))) as port:
        manager = pyvisa.ResourceManager("@py")
        opened = manager.open_resource(f"TCPIP0::127.0.0.1::{port}::SOCKET", read_termination="\n", write_termination=request.param)
        assert isinstance(opened, MessageBasedResource)
        yield opened
        opened.close()
        manager.close()


def test_basils_calls_are_answered_as_it_takes_them_apart(visa: MessageBasedResource) -> None:
    assert visa.query("map:step_first_die") == "0,0,-2,2,0"
    assert visa.query("map:step_die 0,1") == "0,0,0,1,0"
    assert visa.query("map:die:get_current_index").split(",")[3:] == ["0", "1"]
    assert visa.query("move_chuck_xy zero,1000.0,2000.0") == "0,0,1000.0,2000.0"
    assert visa.query("move_chuck_xy relative,10.0,-20.0") == "0,0,1010.0,1980.0"
    assert [float(value) for value in visa.query("get_chuck_xy 0,zero").split(",")[2:4]] == [1010.0, 1980.0]
    assert float(visa.query("get_chuck_z").split(",")[2]) == 15_750.0
    assert visa.query("move_chuck_contact") == "0,0,16000.0"
    assert visa.query("move_chuck_separation") == "0,0,15750.0"


def test_its_loop_over_the_wafer_ends(visa: MessageBasedResource) -> None:
    visa.query("map:step_first_die")
    answers = []
    while not answers or not answers[-1].startswith("1035,"):
        answers.append(visa.query("map:step_next_die"))
    assert answers[-2:] == ["1024,0,-2,-3,0", "1035,0,End of route reached!"] and len(answers) == 36
