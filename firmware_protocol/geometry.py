"""Where a junction is. Index order is kernel, row, column, everywhere; the flat device number is that order, row-major."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Geometry:
    """Shape of one die's crossbar.

    Source: the board's controller addresses 32 kernels of 25 x 25 (4 sub-arrays of 100 rows x 50 columns).
    """

    kernels: int = 32
    rows: int = 25
    columns: int = 25

    def __post_init__(self) -> None:
        for name in ("kernels", "rows", "columns"):
            value = getattr(self, name)
            if not 1 <= value <= 255:
                raise ValueError(f"{name} is {value}; the link carries 1 to 255")
        if self.devices > 0xFFFF:
            raise ValueError(f"{self.devices} junctions do not fit the link's 16-bit device number (limit 65535)")

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.kernels, self.rows, self.columns)

    @property
    def per_kernel(self) -> int:
        return self.rows * self.columns

    @property
    def devices(self) -> int:
        return self.kernels * self.per_kernel

    def device(self, kernel: int, row: int, column: int) -> int:
        """Flat device number. Raises IndexError naming the coordinate that is out of range."""
        for name, value, size in (("kernel", kernel, self.kernels), ("row", row, self.rows), ("column", column, self.columns)):
            if not 0 <= value < size:
                raise IndexError(f"{name} {value} is outside 0 to {size - 1}")
        return (kernel * self.rows + row) * self.columns + column

    def coordinates(self, device: int) -> tuple[int, int, int]:
        """(kernel, row, column) of a flat device number. Raises IndexError."""
        if not 0 <= device < self.devices:
            raise IndexError(f"device {device} is outside 0 to {self.devices - 1}")
        kernel, within = divmod(device, self.per_kernel)
        return (kernel, *divmod(within, self.columns))
