"""The line to a small board, in memory."""

from tests.drivers.conformance.small_board import SmallBoard


class MemoryLine:
    """drivers.links.serial.ByteLink to a small board. Waiting takes no real time: it moves the clock."""

    address = "memory"

    def __init__(self, board: SmallBoard) -> None:
        self.board = board
        self.now_ns = 1_000_000_000

    def clock(self) -> int:
        return self.now_ns

    def read(self, timeout_s: float) -> bytes:
        self.now_ns += 20_000
        data = self.board.take(self.now_ns)
        if not data:
            self.now_ns += round(timeout_s * 1e9)
            data = self.board.take(self.now_ns)
        return data

    def write(self, data: bytes) -> None:
        self.now_ns += 20_000
        self.board.feed(data, self.now_ns)

    def discard_output(self) -> None: ...
    def close(self) -> None: ...
