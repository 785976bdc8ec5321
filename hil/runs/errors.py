"""Why a run ends before its plan does."""


class RunFailed(Exception):
    """The run cannot go on; the text names the thing, the value, the limit and the next step."""


class CommandMissing(Exception):
    """The controller's firmware lacks a command that the plan cannot do without. kind: of the plan."""

    def __init__(self, kind: str, command: str, firmware: str) -> None:
        super().__init__(
            f"a plan of kind {kind} needs the controller's command {command}, which its firmware {firmware} does not have; "
            "update the firmware"
        )
        self.kind, self.command, self.firmware = kind, command, firmware


class StopRequested(Exception):
    """Not a failure: the worker was asked to stop. Raised at checkpoints, passes through the station, which is then made safe."""
