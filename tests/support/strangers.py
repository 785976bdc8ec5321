"""Peers that are no crossbar controller: each listens on a real socket and answers in its own wrong way."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Behaviour = Callable[[socket.socket, threading.Event], None]


def silent(peer: socket.socket, ended: threading.Event) -> None:
    """Takes what comes and says nothing."""
    while not ended.is_set() and peer.recv(4096):
        pass


def echoing(peer: socket.socket, ended: threading.Event) -> None:
    while not ended.is_set() and (data := peer.recv(4096)):
        peer.sendall(data)


def scpi(peer: socket.socket, ended: threading.Event) -> None:
    """Answers whatever comes with a line of text."""
    while not ended.is_set() and peer.recv(4096):
        peer.sendall(b"-113,Undefined header\n")


def babbling(peer: socket.socket, ended: threading.Event) -> None:
    """Never stops and never ends a frame."""
    while not ended.is_set():
        peer.sendall(b"\x55" * 65_536)


def closing(peer: socket.socket, ended: threading.Event) -> None:
    """Takes one message and hangs up."""
    peer.recv(4096)


def replying(wire: bytes) -> Behaviour:
    """Answers everything with the same bytes."""

    def behave(peer: socket.socket, ended: threading.Event) -> None:
        while not ended.is_set() and peer.recv(4096):
            peer.sendall(wire)

    return behave


@contextmanager
def stranger(behave: Behaviour) -> Iterator[str]:
    """Address of a peer that behaves like that to everyone who connects."""
    ended, peers, threads = threading.Event(), list[socket.socket](), list[threading.Thread]()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            behave(peer, ended)
        with contextlib.suppress(OSError):
            peer.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                peers.append(peer)
                threads.append(threading.Thread(target=serve, args=(peer,), daemon=True))
                threads[-1].start()

    threads.append(threading.Thread(target=accept, daemon=True))
    threads[0].start()
    try:
        yield f"socket://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        for each in (listener, *peers):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in threads:
            thread.join(5)
