"""Which request the board carries out how: at once, as a command that takes time, or as a long operation.

Rule: whoever begins a request here has asked `firmware_protocol.rules` before; each of these checks the rest, whole, first.
"""

from collections.abc import Callable, Mapping
from typing import Any

from firmware_protocol import messages
from simulator.instruments import controller_commands as commands
from simulator.instruments.controller_commands import Command, Disarming
from simulator.instruments.controller_operations import Operation, ReadingDie
from simulator.instruments.crossbar_board import CrossbarBoard
from simulator.instruments.scanning import Scanning
from simulator.instruments.write_verifying import WriteVerifying

Begun = messages.Message | Command | Operation
"""An answer, or what will take its time."""

_EMPTY = messages.Empty()

BEGIN: Mapping[type[messages.Request], Callable[[CrossbarBoard, Any], Begun]] = {
    messages.Echo: lambda _board, message: messages.EchoResponse(message.data),
    messages.KeepAlive: lambda _board, _message: _EMPTY,
    messages.ClearFault: CrossbarBoard.clear_fault,
    messages.SetLimits: CrossbarBoard.set_limits,
    messages.QueryPulse: CrossbarBoard.query_pulse,
    messages.Counters: CrossbarBoard.counters,
    messages.GetCalibration: lambda board, message: board.calibration.get(message.table),
    messages.SetCalibration: lambda board, message: board.calibration.set(message),
    messages.Disarm: lambda board, _message: Disarming(board),
    messages.Arm: commands.arm,
    messages.Select: commands.select,
    messages.ReadBlock: commands.read_block,
    messages.ReadList: commands.read_list,
    messages.Vmm: commands.multiply,
    messages.Program: commands.program,
    messages.OuterProduct: commands.outer_product,
    messages.ReadDie: ReadingDie,
    messages.Scan: Scanning,
    messages.WriteVerify: WriteVerifying,
}
"""Each raises BoardRefused and has then changed nothing."""
