"""Readings through the board's converter: kernels, whole dies, single junctions, products with vectors.

Rule 1: volts become integers once, and are refused, not clipped, beyond the limits in force. Rule 2: an answer is taken only
if it says itself what it is about. Rule 3: reading is repeatable, so whatever a die's stream lost is read again.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.board_talk import fitting, understand
from drivers.board_values import DieReading, JunctionReadings
from drivers.crossbar_session import CrossbarSession
from drivers.crossbar_units import check_limit, to_amps, to_uv, to_vmm_inputs, whole
from drivers.errors import EmergencyStopped, LinkLost, OverLimit, ProtocolError, Refused
from drivers.values import KernelReading
from firmware_protocol import messages
from firmware_protocol.codes import MAX_PAYLOAD, Direction, OperationState
from firmware_protocol.messages import Message, Request

CONVERT_S = 10e-6
SETTLE_S = 25e-6
"""The board's time per conversion, and for switching and settling, s; estimates, for deadlines only, which take three times that."""
_READING_BYTES = 4
MOST_AVERAGES = 4096


class Reading(CrossbarSession):
    """What is read through the board. A selected path is left first."""

    def read_kernel(self, kernel: int, read_volts: float, averages: int = 1) -> KernelReading:
        """Raises OverLimit, Refused."""
        self._check_kernel(kernel)
        read_uv = self._read_uv(read_volts, averages)
        request = fitting(lambda: messages.ReadBlock(kernel, averages, read_uv))
        return self._kernel_reading(request, self._ask(request, self._block_s(averages)))

    def read_die(self, read_volts: float, averages: int = 1, first_kernel: int = 0, kernels: int | None = None) -> DieReading:
        """kernels: how many, None for all from first_kernel on. Raises OverLimit, Refused."""
        read = dict(self.stream_die(read_volts, averages, first_kernel, kernels))
        parts = [read[kernel] for kernel in sorted(read)]
        amps, saturated = np.stack([part.amps for part in parts]), np.stack([part.saturated for part in parts])
        return DieReading(amps, saturated, parts[0].read_volts, first_kernel)

    def stream_die(
        self, read_volts: float, averages: int = 1, first_kernel: int = 0, kernels: int | None = None
    ) -> Iterator[tuple[int, KernelReading]]:
        """(kernel, reading) as they come, each once; one whose block was lost on the line comes last. Closing the iterator
        ends the reading. Raises OverLimit, Refused, before the first is asked for."""
        count = self._geometry.kernels - first_kernel if kernels is None else kernels
        self._check_kernel(first_kernel)
        self._check_kernel(first_kernel + count - 1)
        if count < 1:
            raise Refused(f"crossbar: kernels is {count}; at least 1 is needed")
        read_uv = self._read_uv(read_volts, averages)
        return self._stream(fitting(lambda: messages.ReadDie(first_kernel, count, averages, read_uv)))

    def read_junctions(self, junctions: Sequence[tuple[int, int, int]], read_volts: float, averages: int = 1) -> JunctionReadings:
        """junctions: (kernel, row, column) each, in any order, also repeated. Raises OverLimit, Refused."""
        devices = np.array([self._device(*junction) for junction in junctions], "<u2")
        read_uv = self._read_uv(read_volts, averages)
        most = (MAX_PAYLOAD - messages.ReadListResponse.layout.size) // _READING_BYTES
        parts = [devices[start : start + most] for start in range(0, devices.size, most)]
        requests: list[Request] = [fitting(lambda part=part: messages.ReadList(averages, read_uv, part.tobytes())) for part in parts]
        answers = self._ask_all(requests, 3 * most * (SETTLE_S + CONVERT_S * averages))
        codes = b"".join(self._listed(part, answer) for part, answer in zip(parts, answers, strict=True))
        amps, saturated = self._to_amps(codes)
        return JunctionReadings(amps, saturated, read_uv * 1e-6)

    def vmm(self, kernel: int, input_volts: NDArray[np.float64], direction: str = "rows") -> NDArray[np.float64]:
        """direction: "rows" drives rows and reads columns, "columns" the reverse. Raises OverLimit, Refused."""
        lines = self._shape[direction == "columns"]
        if input_volts.ndim != 2 or input_volts.shape[1] != lines:
            raise Refused(f"crossbar: input_volts has shape {input_volts.shape}; it is (vectors, {lines}) for direction {direction!r}")
        return self.vmm_blocks(kernel, input_volts[:, np.newaxis, :], direction)[:, 0, :]

    def vmm_blocks(self, first_kernel: int, input_volts: NDArray[np.float64], direction: str = "rows") -> NDArray[np.float64]:
        """input_volts: (vectors, blocks, lines driven) V, one block per kernel from first_kernel on. (vectors, blocks, lines
        sensed) A; NaN where the converter saturated. Raises OverLimit, Refused."""
        if direction not in ("rows", "columns"):
            raise Refused(f'crossbar: direction is {direction!r}; it is "rows" or "columns"')
        driven, sensed = self._shape if direction == "rows" else self._shape[::-1]
        if input_volts.ndim != 3 or input_volts.shape[2] != driven or input_volts.shape[1] < 1:
            raise Refused(
                f"crossbar: input_volts has shape {input_volts.shape}; it is (vectors, blocks, {driven}) for direction {direction!r}"
            )
        vectors, blocks, _ = input_volts.shape
        self._check_kernel(first_kernel)
        self._check_kernel(first_kernel + blocks - 1)
        steps = to_vmm_inputs(input_volts, self._limits.read_uv)
        self._leave_path()
        places = list(_tiles(vectors, blocks, (MAX_PAYLOAD - messages.Vmm.layout.size) // (2 * max(driven, sensed))))
        requests: list[Request] = []
        for some, these in places:
            part = steps[some, these]
            requests.append(
                messages.Vmm(first_kernel + these.start, part.shape[1], Direction[direction.upper()], len(part), part.tobytes())
            )
        amps = np.empty((vectors, blocks, sensed))
        longest = max((len(range(*some.indices(vectors))) * (these.stop - these.start) for some, these in places), default=0)
        answers = self._ask_all(requests, 3 * longest * (SETTLE_S + sensed * CONVERT_S))
        for place, request, answer in zip(places, requests, answers, strict=True):
            amps[place] = self._vmm_amps(request, answer, sensed)
        return amps

    # --- inside
    def _stream(self, request: Request) -> Iterator[tuple[int, KernelReading]]:
        assert isinstance(request, messages.ReadDie)
        missing = dict.fromkeys(range(request.first_kernel, request.first_kernel + request.kernels))
        if self._can(request):
            for block in self._blocks(request):
                if block.kernel in missing and self._fits(block, request):
                    del missing[block.kernel]
                    yield block.kernel, self._to_kernel(block.codes, block.read_uv)
        yield from self._one_by_one(list(missing), request.averages, request.read_uv)

    def _blocks(self, request: messages.ReadDie) -> Iterator[messages.Block]:
        with self._operation(request) as operation:
            for event in operation.events():
                if isinstance(event, messages.Block):
                    yield event
            assert operation.end is not None
            state = operation.end.state
        if state == OperationState.STOPPED:
            raise EmergencyStopped(f"{self._link.address}: READ_DIE was ended by an emergency stop; find out why, then reset it")
        if state != OperationState.DONE:
            raise LinkLost(f"{self._link.address}: READ_DIE ended before its time: {state_name(state)}; read again")

    def _fits(self, block: messages.Block, request: messages.ReadDie) -> bool:
        asked = (request.averages, request.read_uv, 2 * self._geometry.per_kernel)
        return (block.averages, block.read_uv, len(block.codes)) == asked

    def _one_by_one(self, kernels: list[int], averages: int, read_uv: int) -> Iterator[tuple[int, KernelReading]]:
        requests = [messages.ReadBlock(kernel, averages, read_uv) for kernel in kernels]
        waiting = [(request, self._link.submit([self._available(request)], self._block_s(averages))) for request in requests]
        try:
            for request, asked in waiting:
                answer = understand(self._link.address, request, self._link.wait(asked)[0])
                yield request.kernel, self._kernel_reading(request, answer)
        finally:
            self._link.drop_unsent("the reading was given up")

    def _read_uv(self, read_volts: float, averages: int) -> int:
        """Checks what every reading needs, and leaves a selected path."""
        read_uv = to_uv(read_volts, "read_volts")
        check_limit(read_uv, self._limits.read_uv, 1e6, "read_volts V")
        if whole(averages, "averages") < 1:
            raise Refused(f"crossbar: averages is {averages}; at least 1 is needed")
        if averages > MOST_AVERAGES:
            raise OverLimit(f"crossbar: averages is {averages}; the controller takes up to {MOST_AVERAGES}")
        self._leave_path()
        return read_uv

    def _block_s(self, averages: int) -> float:
        return 3 * self._geometry.per_kernel * (CONVERT_S * averages + SETTLE_S)

    def _kernel_reading(self, request: Request, answer: Message) -> KernelReading:
        assert isinstance(request, messages.ReadBlock)
        assert isinstance(answer, messages.ReadBlockResponse)
        echoed = (answer.kernel, answer.averages, answer.read_uv, len(answer.codes))
        if echoed != (request.kernel, request.averages, request.read_uv, 2 * self._geometry.per_kernel):
            raise ProtocolError(f"{self._link.address}: READ_BLOCK of kernel {request.kernel} was answered for another one or in part")
        return self._to_kernel(answer.codes, answer.read_uv)

    def _to_kernel(self, codes: bytes, read_uv: int) -> KernelReading:
        amps, saturated = self._to_amps(codes)
        return KernelReading(amps.reshape(self._shape), saturated.reshape(self._shape), read_uv * 1e-6)

    def _listed(self, devices: NDArray[np.uint16], answer: Message) -> bytes:
        """Codes of a READ_LIST, in the order asked for."""
        assert isinstance(answer, messages.ReadListResponse)
        pairs = np.frombuffer(answer.readings, "<u2").reshape(-1, 2)
        if not np.array_equal(pairs[:, 0], devices):
            raise ProtocolError(f"{self._link.address}: READ_LIST was answered for other junctions or in part")
        return pairs[:, 1].tobytes()

    def _to_amps(self, codes: bytes) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return to_amps(codes, self._greeting.hello.adc_zero_code, self._greeting.hello.adc_code_pa)

    def _vmm_amps(self, request: Request, answer: Message, sensed: int) -> NDArray[np.float64]:
        assert isinstance(request, messages.Vmm)
        assert isinstance(answer, messages.VmmResponse)
        asked = (request.first_kernel, request.blocks, request.direction, request.vectors)
        echoed = (answer.first_kernel, answer.blocks, answer.direction, answer.vectors)
        if echoed != asked or len(answer.codes) != 2 * request.vectors * request.blocks * sensed:
            raise ProtocolError(f"{self._link.address}: VMM of kernel {request.first_kernel} was answered for another one or in part")
        return self._to_amps(answer.codes)[0].reshape(request.vectors, request.blocks, sensed)


def _tiles(vectors: int, blocks: int, most: int) -> Iterator[tuple[slice, slice]]:
    """(vectors, blocks) in parts of at most `most` pairs: all blocks of some vectors, or some blocks of one vector."""
    wide, tall = min(blocks, max(1, most)), max(1, most // min(blocks, max(1, most)))
    for first in range(0, vectors, tall):
        for left in range(0, blocks, wide):
            yield slice(first, first + tall), slice(left, min(left + wide, blocks))


def state_name(state: int) -> str:
    known = {int(each.value): each.name for each in OperationState}
    return known.get(state, f"state {state}")
