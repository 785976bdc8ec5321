"""Bytes over devices, pseudo-terminals and sockets: in bulk, with deadlines, one user at a time."""

import errno
import fcntl
import os
import resource
import socket
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import serial
from filelock import FileLock
from serial.urlhandler.protocol_loop import Serial as LoopPort

from drivers.errors import ConnectFailed, LinkLost, LinkTimeout
from drivers.links.locks import lock_path, locks_of_safety
from drivers.links.serial import WRITE_TIMEOUT_S, DeviceLink, SocketLink, open_byte_link
from tests.support.scripted_server import closed_port

BAUD = 921_600


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    """(the far end's descriptor, the path that the driver opens)."""
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    yield master, path
    for descriptor in (master, slave):
        try:
            os.close(descriptor)
        except OSError:
            continue  # the test closed it


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, SocketLink]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        link = open_byte_link(f"socket://127.0.0.1:{listener.getsockname()[1]}", BAUD)
        peer, _ = listener.accept()
        assert isinstance(link, SocketLink)
        yield peer, link
        link.close()
        peer.close()


def read_all(link: DeviceLink | SocketLink, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = link.read(2.0)
        assert piece, f"{len(data)} of {count} bytes came"
        data += piece
    return data


def test_a_socket_carries_bytes_both_ways_without_nagle(pair: tuple[socket.socket, SocketLink]) -> None:
    peer, link = pair
    sent = bytes(range(256)) * 16
    link.write(sent)
    assert peer.recv(len(sent), socket.MSG_WAITALL) == sent
    peer.sendall(sent)
    assert read_all(link, len(sent)) == sent
    assert link._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_pty_carries_bytes_both_ways_untranslated(pty: tuple[int, str]) -> None:
    master, path = pty
    with closing(open_byte_link(path, BAUD)) as link:
        sent = bytes(range(256))
        link.write(sent)
        assert os.read(master, 1024) == sent
        os.write(master, sent)
        assert isinstance(link, DeviceLink)
        assert read_all(link, 256) == sent


def test_a_port_without_a_descriptor_is_read_through_pyserial() -> None:
    port = serial.serial_for_url("loop://", timeout=0.02)
    with closing(DeviceLink("loop://", port)) as link:
        assert link.read(0.02) == b""
        link.write(b"abc")
        assert read_all(link, 3) == b"abc"


def test_a_port_with_descriptor_0_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class FirstPort(LoopPort):
        """As in a process whose standard input is closed."""

        fd = 0

        def fileno(self) -> int:
            return 0

    written: list[tuple[int, bytes]] = []

    def write(descriptor: int, data: memoryview) -> int:
        written.append((descriptor, bytes(data)))
        return len(data)

    monkeypatch.setattr("drivers.links.serial.os.write", write)
    DeviceLink("loop://", FirstPort("loop://", timeout=0.02)).write(b"abc")
    assert written == [(0, b"abc")]


def test_a_socket_beyond_the_first_1024_descriptors_works(pair: tuple[socket.socket, SocketLink]) -> None:
    peer, near = pair
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    try:
        high = socket.socket(fileno=fcntl.fcntl(near._socket, fcntl.F_DUPFD_CLOEXEC, 1100))
        with closing(SocketLink("socket://high", high)) as link:
            peer.sendall(b"abc")
            assert read_all(link, 3) == b"abc"
            with pytest.raises(LinkTimeout, match="takes no more bytes"):
                link.write(bytes(50_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_nothing_to_read_is_no_error(pair: tuple[socket.socket, SocketLink], pty: tuple[int, str]) -> None:
    assert pair[1].read(0.01) == b""
    with closing(open_byte_link(pty[1], BAUD)) as link:
        assert link.read(0.01) == b""


def test_a_peer_that_closes_is_noticed_at_once(pair: tuple[socket.socket, SocketLink]) -> None:
    peer, link = pair
    peer.close()
    with pytest.raises(LinkLost, match="closed the connection"):
        link.read(5.0)


def test_a_port_that_vanishes_is_noticed_at_once(pty: tuple[int, str]) -> None:
    master, path = pty
    with closing(open_byte_link(path, BAUD)) as link:
        os.close(master)
        with pytest.raises(LinkLost, match=path):
            link.read(5.0)


def test_a_peer_that_takes_nothing_bounds_the_writer(pair: tuple[socket.socket, SocketLink]) -> None:
    with pytest.raises(LinkTimeout, match="takes no more bytes"):
        pair[1].write(bytes(50_000_000))


def test_a_closed_link_says_so(pair: tuple[socket.socket, SocketLink]) -> None:
    link = pair[1]
    link.close()
    with pytest.raises(LinkLost):
        link.read(0.1)
    with pytest.raises(LinkLost):
        link.write(b"x")


def test_a_device_is_used_by_one_at_a_time_except_for_safety(pty: tuple[int, str]) -> None:
    with closing(open_byte_link(pty[1], BAUD)):
        with pytest.raises(ConnectFailed, match=f"{pty[1]}: in use by another process"):
            open_byte_link(pty[1], BAUD)
        open_byte_link(pty[1], BAUD, force=True).close()
    open_byte_link(pty[1], BAUD).close()


def test_a_failed_opening_leaves_the_device_free(pty: tuple[int, str]) -> None:
    with pytest.raises(ConnectFailed, match="cannot be opened"):
        open_byte_link("/dev/hil-no-such-port", BAUD)
    with pytest.raises(ConnectFailed, match="cannot be opened"):
        open_byte_link("/dev/hil-no-such-port", BAUD)


def test_two_names_of_one_device_share_a_lock(pty: tuple[int, str], tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(pty[1])
    assert lock_path(str(link)) == lock_path(pty[1])
    assert lock_path("com5") == lock_path("COM5")


OTHER_KINDS = [
    "",
    "localhost:5555",
    "socket://",
    "socket://host",
    "socket://host:port",
    "spy:///dev/tty?file=/tmp/x",
    "TCPIP0::h::1::SOCKET",
]


@pytest.mark.parametrize("address", OTHER_KINDS)
def test_an_address_of_another_kind_is_refused_saying_how_to_write_it(address: str) -> None:
    with pytest.raises(ConnectFailed, match="socket://host:port"):
        open_byte_link(address, BAUD)


def test_where_nothing_listens_the_address_and_the_reason_are_named() -> None:
    address = f"socket://127.0.0.1:{closed_port()}"
    with pytest.raises(ConnectFailed, match=f"{address}: nothing answers .*refused"):
        open_byte_link(address, BAUD)


def test_a_device_that_takes_nothing_bounds_the_writer(pty: tuple[int, str]) -> None:
    with closing(open_byte_link(pty[1], BAUD)) as link:
        start_s = time.monotonic()
        with pytest.raises(LinkTimeout, match="takes no more bytes"):
            link.write(bytes(1_000_000))
        assert time.monotonic() - start_s < 2.0


def test_a_slow_device_is_no_stuck_one(pty: tuple[int, str]) -> None:
    """The write takes twice the time-out, but something leaves all the time."""
    taken, ended = [0], threading.Event()

    def take_slowly() -> None:
        while not ended.wait(0.01):
            taken[0] += len(os.read(pty[0], 2000))

    with closing(open_byte_link(pty[1], BAUD)) as link:
        reader = threading.Thread(target=take_slowly)
        reader.start()
        start_s = time.monotonic()
        link.write(bytes(200_000))
        assert time.monotonic() - start_s > WRITE_TIMEOUT_S
        ended.set()
        link.write(b"x")
        reader.join()


def test_discarding_ends_a_write_in_progress(pty: tuple[int, str]) -> None:
    with closing(open_byte_link(pty[1], BAUD)) as link:
        writer = threading.Thread(target=link.write, args=(bytes(1_000_000),))
        writer.start()
        time.sleep(0.1)
        assert writer.is_alive()
        link.discard_output()
        writer.join(0.2)
        assert not writer.is_alive()


def test_a_port_that_knows_no_low_latency_says_so(pty: tuple[int, str]) -> None:
    with closing(open_byte_link(pty[1], BAUD)) as link:
        assert link.low_latency is None


@pytest.mark.parametrize(("error", "shown"), [(None, True), (PermissionError(1, "no"), False), (OSError(errno.ENOTTY, "no"), None)])
def test_low_latency_is_asked_for_and_shown(error: OSError | None, shown: bool | None) -> None:
    class Port(LoopPort):
        def set_low_latency_mode(self, wanted: bool) -> None:
            assert wanted
            if error is not None:
                try:
                    raise error
                except OSError:
                    raise ValueError("Failed to update ASYNC_LOW_LATENCY flag")  # noqa: B904  as pyserial does

    port = Port("loop://", timeout=0.02)
    with closing(DeviceLink("loop://", port)) as link:
        assert link.low_latency is shown


def test_a_driver_waits_for_the_safety_path_before_it_opens_a_device(pty: tuple[int, str]) -> None:
    safety = open_byte_link(pty[1], BAUD, force=True)
    threading.Timer(0.3, safety.close).start()
    start_s = time.monotonic()
    open_byte_link(pty[1], BAUD).close()
    assert time.monotonic() - start_s > 0.2


def test_two_safety_paths_do_not_wait_for_each_other(pty: tuple[int, str]) -> None:
    with closing(open_byte_link(pty[1], BAUD, force=True)), closing(open_byte_link(pty[1], BAUD, force=True)) as second:
        second.write(bytes(16))
        assert os.read(pty[0], 100) == bytes(16)


def test_whoever_looks_whether_safety_is_at_work_does_not_keep_it_from_saying_so(pty: tuple[int, str]) -> None:
    look = FileLock(lock_path(pty[1], "-safety"), thread_local=False)
    look.acquire()
    threading.Timer(0.005, look.release).start()
    held = locks_of_safety(pty[1])
    assert len(held) == 1, "who opens the device next would not know"
    held[0].release()
