"""The board's converter in tensors: every kernel's column is digitised by itself, so a sum of several kernels carries several steps.

Rule: what a converter cannot show is its end, and `saturated` tells; on the wire such a reading is marked and has no number.
Source of the values: the published sibling board (12 bits over 5 V behind 2 kOhm, lines resting at 1.7 V)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


class _Rounded(torch.autograd.Function):
    """Forward: to whole numbers. Backward: as if nothing had happened."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        del ctx
        return values.round()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        del ctx
        return gradient


@dataclass(frozen=True)
class Converter:
    """step_amps: current of one code. rest_codes: code of no current, not a whole number. codes: how many there are."""

    step_amps: float = 5.0 / 4096 / 2_000.0
    rest_codes: float = 1.7 / 5.0 * 4096
    codes: int = 4096

    @property
    def least_amps(self) -> float:
        return (1 - self.rest_codes) * self.step_amps

    @property
    def most_amps(self) -> float:
        return (self.codes - 2 - self.rest_codes) * self.step_amps

    def saturated(self, amps: Tensor) -> Tensor:
        """Where the board would mark the reading instead of giving a number."""
        return (amps < self.least_amps) | (amps > self.most_amps)

    def converted(self, amps: Tensor) -> Tensor:
        """What the host gets, A, clipped to the converter's ends; the gradient passes where nothing is clipped."""
        codes = _Rounded.apply(self.rest_codes + amps.clamp(self.least_amps, self.most_amps) / self.step_amps)
        return (codes - self.rest_codes) * self.step_amps  # pyright: ignore[reportOperatorIssue, reportReturnType]
