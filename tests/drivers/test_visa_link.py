"""The VISA link: late, lost, split and unasked-for answers never become the answer to another question."""

import socket
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import ConnectFailed, LinkError, LinkLost, LinkTimeout, ProtocolError
from drivers.links.text import Probe
from drivers.links.visa import VisaLink
from drivers.links.visa_socket import VisaSocket
from tests.support.scripted_server import HANG_UP, Answer, Late, Pieces, ScriptedServer, closed_port, visa_address
from tests.support.waiting import until

PATIENCE_S = 5.0


def echo(line: str) -> bytes:
    return f"answer to {line}\n".encode()


def test_a_query_gets_its_own_answer_and_both_lines_are_counted():
    with ScriptedServer(echo) as server:
        link = VisaLink(server.address, PATIENCE_S, unit="lines")
        assert [link.query("one"), link.query("two")] == ["answer to one", "answer to two"]
        link.send("three")
        counts = link.counts()
        link.close()
    assert (counts.unit, counts.sent, counts.received, counts.errors) == ("lines", 3, 2, 0)


def test_nothing_listening_is_told_at_open_with_the_address_and_what_to_do():
    address = visa_address(closed_port())
    started_s = time.monotonic()
    with pytest.raises(ConnectFailed, match=r"TCPIP0::127\.0\.0\.1::\d+::SOCKET: nothing answers .* lab\.toml") as failure:
        VisaLink(address, PATIENCE_S)
    assert address in str(failure.value)
    assert time.monotonic() - started_s < PATIENCE_S / 2


@pytest.mark.parametrize("address", ["127.0.0.1:5025", "TCPIP0::127.0.0.1::INSTR", "ASRL3::INSTR", ""])
def test_an_address_of_another_form_is_refused_with_the_right_form(address: str):
    with pytest.raises(ConnectFailed, match="TCPIP0::host::port::SOCKET"):
        VisaLink(address, PATIENCE_S)


def test_a_host_that_does_not_exist_is_told_at_open():
    with pytest.raises(ConnectFailed, match="no-such-host"):
        VisaLink("TCPIP0::no-such-host.invalid::5025::SOCKET", PATIENCE_S)


def test_small_messages_leave_at_once():
    with ScriptedServer(echo) as server:
        link = VisaLink(server.address, PATIENCE_S)
        assert link._wire._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        link.resynchronise()
        assert link._wire._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        link.close()


def test_a_late_answer_is_never_given_to_the_next_question():
    late = Late(b"answer to slow\n")
    with ScriptedServer(lambda line: late if line == "slow" else echo(line)) as server:
        link = VisaLink(server.address, PATIENCE_S)
        with pytest.raises(LinkTimeout, match="slow"):
            link.query("slow", timeout_s=0.05)
        assert not link.trusted
        late.gate.set()
        with pytest.raises(LinkError, match="not trusted since"):
            link.query("next")
        with pytest.raises(LinkError, match="not trusted since"):
            link.send("next")
        link.resynchronise()
        assert link.query("next") == "answer to next"
        link.close()


def test_half_an_answer_is_a_timeout_and_not_the_start_of_the_next_answer():
    with ScriptedServer(lambda line: b"1.0" if line == "half" else echo(line)) as server:
        link = VisaLink(server.address, PATIENCE_S)
        with pytest.raises(LinkTimeout):
            link.query("half", timeout_s=0.05)
        link.resynchronise()
        assert link.query("whole") == "answer to whole"
        link.close()


def test_an_answer_may_come_byte_by_byte():
    with ScriptedServer(lambda line: Pieces(tuple(bytes([byte]) for byte in echo(line)))) as server:
        link = VisaLink(server.address, PATIENCE_S)
        assert link.query("x") == "answer to x"
        link.close()


class MoreComesAfterTheLook(VisaSocket):
    """Whose peer sends more between the look at what waits and the taking of it."""

    peer: socket.socket
    more = b""

    def peek(self) -> bytes:
        waiting = super().peek()
        self.peer.sendall(self.more)
        arrived = len(self.more) + len(waiting)
        self.more = b""
        until(lambda: len(self._socket.recv(100_000, socket.MSG_PEEK)) >= arrived)
        return waiting


@pytest.mark.parametrize("first", [1, 4_095, 4_096, 5_000, 20_000])
def test_bytes_that_come_while_others_are_taken_are_taken_next(first: int):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = MoreComesAfterTheLook(visa_address(listener.getsockname()[1]), PATIENCE_S)
        wire.peer, wire.more = listener.accept()[0], b"b" * 6_000
        with wire.peer:
            wire.peer.sendall(b"a" * first)
            taken = b""
            while len(taken) < first + 6_000 and wire.readable(PATIENCE_S):
                taken += wire.take()
            wire.close()
    assert taken == b"a" * first + b"b" * 6_000


def test_a_second_line_nobody_asked_for_is_refused_with_the_next_question():
    with ScriptedServer(lambda line: b"answer\nand another\n") as server:
        link = VisaLink(server.address, PATIENCE_S)
        assert link.query("x") == "answer"
        with pytest.raises(ProtocolError, match="nobody asked for"):
            _until_it_raises(lambda: link.send("y"))
        assert not link.trusted
        link.close()


def test_a_line_without_end_is_refused_instead_of_filling_the_memory():
    with ScriptedServer(lambda line: b"x" * 10_000) as server:
        link = VisaLink(server.address, PATIENCE_S, line_limit=4096)
        with pytest.raises(ProtocolError, match="longer than 4096"):
            link.query("x")
        link.close()


def test_a_message_of_two_lines_is_never_sent():
    with ScriptedServer(echo) as server:
        link = VisaLink(server.address, PATIENCE_S)
        with pytest.raises(ValueError, match="not one line"):
            link.send("one\ntwo")
        assert link.query("three") == "answer to three"
        link.close()
    assert server.lines == ["three"]


def test_a_peer_that_hangs_up_is_seen_at_once_and_without_a_busy_loop():
    with ScriptedServer(lambda line: HANG_UP) as server:
        link = VisaLink(server.address, timeout_s=60)
        started_s, cpu_started_s = time.monotonic(), time.process_time()
        with pytest.raises(LinkLost, match="closed the connection"):
            link.query("x")
        assert time.monotonic() - started_s < 10
        assert time.process_time() - cpu_started_s < 1
        with pytest.raises(LinkError, match="resynchronise"):
            link.query("x")
        link.close()


def test_closing_ends_a_read_that_waits_in_another_thread():
    with ScriptedServer(lambda line: None) as server:
        link = VisaLink(server.address, timeout_s=60)
        ended: list[Exception] = []

        def wait() -> None:
            try:
                link.query("x")
            except LinkError as error:
                ended.append(error)

        reader = threading.Thread(target=wait)
        reader.start()
        until(lambda: server.lines == ["x"])
        link.close()
        reader.join(timeout=10)
        assert len(ended) == 1


def test_what_makes_safe_leaves_even_on_a_link_no_longer_trusted():
    with ScriptedServer(lambda line: None) as server:
        link = VisaLink(server.address, PATIENCE_S)
        with pytest.raises(LinkTimeout):
            link.query("stuck", timeout_s=0.05)
        assert link.send_regardless(":OUTP OFF")
        until(lambda: server.lines == ["stuck", ":OUTP OFF"])
        link.close()
        assert not link.send_regardless(":OUTP OFF")


def test_resynchronising_with_nothing_listening_any_more_leaves_the_link_untrusted():
    with ScriptedServer(echo) as server:
        link = VisaLink(server.address, PATIENCE_S)
        link.query("x")
    with pytest.raises(ConnectFailed):
        link.resynchronise()
    with pytest.raises(LinkError):
        link.query("x")
    link.close()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["prompt", "late", "twice", "cut", "hang up"]), min_size=1, max_size=6))
def test_whatever_the_peer_does_an_answer_is_either_its_own_or_an_error(behaviours: list[str]):
    late: list[Late] = []

    def script(line: str) -> Answer:
        behaviour, number = line.split()
        answer = f"{number}\n".encode()
        if behaviour == "late":
            late.append(Late(answer))
            return late[-1]
        return {"prompt": answer, "twice": answer * 2, "cut": answer[:-1], "hang": HANG_UP}[behaviour]

    with ScriptedServer(script) as server:
        link = VisaLink(server.address, PATIENCE_S)
        for number, behaviour in enumerate(behaviours):
            try:
                answer = link.query(f"{behaviour.split()[0]} {number}", timeout_s=PATIENCE_S if behaviour == "prompt" else 0.03)
            except (LinkError, ProtocolError):
                for each in late:
                    each.gate.set()
                link.resynchronise()
            else:
                assert answer == str(number)
        link.close()


# --- blocks
PAYLOAD = b"#1\n2;3\n" + bytes(range(256))


@pytest.mark.parametrize("header", [b"#0", b"#3263"], ids=["of unsaid length", "that says its length"])
def test_a_block_is_read_by_its_count_whatever_its_bytes_are(header: bytes):
    with ScriptedServer(lambda line: Pieces((b"17;" + header[:1], header[1:] + PAYLOAD[:9], PAYLOAD[9:] + b"\n"))) as server:
        link = VisaLink(server.address, PATIENCE_S)
        for _ in range(2):
            block = link.query_block("data?", len(PAYLOAD))
            assert (block.head, block.data) == ("17;", PAYLOAD)
        link.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"#15abcde\n", "a block of 5 bytes, not of 4"),
        (b"#x4abcd\n", "no size of a block"),
        (b"#1xabcd\n", "no size of a block"),
        (b"#0abcde\n", "goes on behind its end"),
        (b"x" * 1000, "a line longer than 256 bytes"),
        (b"#0ab", "no answer to 'data[?]' within"),
        (b"1.0\n", "no answer to 'data[?]' within"),
    ],
)
def test_a_block_of_another_form_is_refused_and_the_link_is_dirty(answer: bytes, said: str):
    with ScriptedServer(lambda line: answer) as server:
        link = VisaLink(server.address, PATIENCE_S)
        with pytest.raises((LinkError, ProtocolError), match=said):
            link.query_block("data?", 4, timeout_s=0.05)
        assert not link.trusted
        link.close()


# --- settling
PROBE = Probe("probe {tag}", "{tag}", tags=255)


def answering_probes(line: str) -> bytes:
    return f"{line.split()[1]}\n".encode() if line.startswith("probe") else echo(line)


def test_a_probe_never_has_the_number_of_the_time_before():
    numbers = [Probe("*ESE {tag};*ESE?", "{tag}", tags=3).pair(count) for count in range(4)]
    assert numbers == [("*ESE 1;*ESE?", "1"), ("*ESE 2;*ESE?", "2"), ("*ESE 3;*ESE?", "3"), ("*ESE 1;*ESE?", "1")]


def test_a_link_that_had_no_fault_is_settled_without_a_word():
    with ScriptedServer(echo) as server:
        link = VisaLink(server.address, PATIENCE_S)
        link.query("x")
        link.settle(PROBE)
        link.close()
    assert server.lines == ["x"]


def test_an_instrument_that_answers_again_is_proven_on_the_same_connection_and_late_answers_are_dropped():
    late = Late(b"answer to slow\n")
    with ScriptedServer(lambda line: late if line == "slow" else answering_probes(line)) as server:
        link = VisaLink(server.address, PATIENCE_S)
        with pytest.raises(LinkTimeout):
            link.query("slow", timeout_s=0.05)
        late.gate.set()
        link.settle(PROBE)
        assert link.query("next") == "answer to next"
        assert (link.counts().timeouts, link.counts().reconnects) == (1, 0)
        link.close()
    assert server.connections == [["slow", "probe 1", "probe 2", "next"]]


def test_the_rest_of_a_cut_answer_does_not_spoil_the_proof():
    with ScriptedServer(lambda line: b"1.0" if line == "half" else answering_probes(line)) as server:
        link = VisaLink(server.address, PATIENCE_S)
        with pytest.raises(LinkTimeout):
            link.query("half", timeout_s=0.05)
        link.settle(PROBE)
        assert link.query("whole") == "answer to whole"
        link.close()
    assert len(server.connections) == 1


def test_an_answer_nobody_asked_for_is_dropped_before_the_next_question():
    with ScriptedServer(lambda line: b"answer\nand another\n" if line == "x" else answering_probes(line)) as server:
        link = VisaLink(server.address, PATIENCE_S)
        link.query("x")
        link.settle(PROBE)
        assert link.query("y") == "answer to y"
        assert link.counts().late == 1
        link.close()


def stuck_first_connection(line: str, seen: list[str]) -> Answer:
    """Never another answer once it was asked "stuck"; later connections are served."""
    if line == "stuck":
        seen.append(line)
    if seen and len(seen) < 4:
        seen.append(line)
        return None
    return answering_probes(line)


def test_a_connection_that_does_not_prove_itself_is_made_anew_and_proven():
    seen: list[str] = []
    with ScriptedServer(lambda line: stuck_first_connection(line, seen)) as server:
        link = VisaLink(server.address, timeout_s=0.2)
        with pytest.raises(LinkTimeout):
            link.query("stuck", timeout_s=0.05)
        link.settle(PROBE)
        assert link.query("next") == "answer to next"
        assert link.counts().reconnects == 1
        link.close()
    assert server.connections[1] == ["probe 3", "probe 4", "next"]


def test_an_instrument_that_proves_nothing_leaves_the_link_dirty():
    with ScriptedServer(lambda line: b"0\n") as server:
        link = VisaLink(server.address, timeout_s=0.05)
        link.distrust("the words were wrong")
        with pytest.raises(LinkTimeout, match="new connection is not answered"):
            link.settle(PROBE)
        assert not link.trusted
        link.close()
        with pytest.raises(LinkError, match="was closed"):
            link.settle(PROBE)


def test_a_peer_that_closed_while_nothing_was_asked_is_connected_to_anew():
    with ScriptedServer(lambda line: HANG_UP if line == "x" else answering_probes(line)) as server:
        link = VisaLink(server.address, PATIENCE_S)
        link.send("x")
        until(lambda: server.lines == ["x"] and server.ended)
        link.settle(PROBE)
        assert link.query("y") == "answer to y"
        link.close()


def test_what_is_told_later_that_nothing_listens_is_told_when_it_is_used():
    address = visa_address(closed_port())
    link = VisaLink(address, timeout_s=0.2, must_connect=False)
    assert not link.send_regardless(":OUTP OFF")
    with pytest.raises(LinkError, match="nothing answers"):
        link.query("x")
    with pytest.raises(ConnectFailed):
        link.settle(PROBE)
    link.close()


def test_an_interrupted_read_ends_at_once_and_the_link_can_be_settled():
    with ScriptedServer(lambda line: None if line == "x" else answering_probes(line)) as server:
        link = VisaLink(server.address, timeout_s=60)
        ended: list[str] = []

        def wait() -> None:
            try:
                link.query("x")
            except LinkLost as error:
                ended.append(str(error))

        reader = threading.Thread(target=wait)
        reader.start()
        until(lambda: server.lines == ["x"])
        link.interrupt()
        reader.join(timeout=10)
        assert len(ended) == 1
        link.settle(PROBE)
        assert link.query("y") == "answer to y"
        link.close()


def test_an_exchange_that_was_broken_off_leaves_the_link_dirty(monkeypatch: pytest.MonkeyPatch):
    with ScriptedServer(answering_probes) as server:
        link = VisaLink(server.address, PATIENCE_S)
        with monkeypatch.context() as broken:
            broken.setattr(link._wire, "readable", lambda timeout_s: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                link.query("x")
        assert not link.trusted
        link.settle(PROBE)
        assert link.query("y") == "answer to y"
        link.close()


def test_a_settling_that_was_broken_off_leaves_the_link_dirty(monkeypatch: pytest.MonkeyPatch):
    with ScriptedServer(lambda line: b"answer\nand another\n" if line == "x" else answering_probes(line)) as server:
        link = VisaLink(server.address, PATIENCE_S)
        link.query("x")
        with monkeypatch.context() as broken:
            broken.setattr(link._wire, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                link.settle(PROBE)
        assert not link.trusted
        link.settle(PROBE)
        assert link.query("y") == "answer to y"
        link.close()


def _until_it_raises(action) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        action()
