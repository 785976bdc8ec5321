"""A die kept in contact for live products, as a context manager: leaving it lets the die go, whatever happened."""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hil.client.arrays import array_of
from hil.client.errors import Conflict, RunEnded
from hil.client.http import path_of
from hil.client.run import Run

if TYPE_CHECKING:
    from hil.client.lab import LabClient


class HeldDie:
    """Made by LabClient.hold. Use it in the client's thread."""

    def __init__(self, lab: "LabClient", wafer: str, x: int, y: int, idle_s: float) -> None:
        self._lab, self.wafer, self.die, self._idle_s = lab, wafer, (x, y), idle_s
        self._run: Run | None = None

    def __enter__(self) -> Self:
        """Waits for its turn and for contact. Raises RunEnded when the run ended before."""
        run = self._lab.start({"kind": "hold", "wafer": self.wafer, "dies": [list(self.die)], "idle_s": self._idle_s})
        self._run = run
        try:
            self._await_contact(run)
        except BaseException:
            self._let_go(run)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._run is not None:
            self._let_go(self._run)

    def _await_contact(self, run: Run) -> None:
        for event in run.events():
            if event.kind == "contact":
                return
        raise RunEnded(run.id, run.refresh().state, run.error)

    def _let_go(self, run: Run) -> None:
        if not run.refresh().ended:
            try:
                run.abort()
            except Conflict:  # It ended by itself between the two.
                return
            run.settled()

    def vmm(
        self,
        inputs: ArrayLike,
        read_volts: float = 0.1,
        kernels: Sequence[int] | Literal["all"] = "all",
        direction: Literal["rows", "columns"] = "rows",
    ) -> NDArray[np.float32]:
        """Currents (batch, kernels, 25) A now, as the board read them: no calibration is applied. NaN where the converter saturated.

        inputs: (batch, lines) or (batch, kernels, lines) in units of read_volts, each in -1 to 1. Raises PlanRefused, Conflict when the die
        is not in contact any more.
        """
        sha256 = self._lab.put_object(np.asarray(inputs, dtype=np.float32))
        body: dict[str, Any] = {"inputs": {"object": sha256}, "read_volts": read_volts, "direction": direction}
        body["kernels"] = kernels if isinstance(kernels, str) else [int(kernel) for kernel in kernels]
        return array_of(self._lab.post_for_array(path_of("dies", self.wafer, *self.die, "vmm"), body))
