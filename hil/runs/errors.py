"""Why a run ends before its plan does."""


class RunFailed(Exception):
    """The run cannot go on; the text names the thing, the value, the limit and the next step."""


class StopRequested(Exception):
    """Not a failure: the worker was asked to stop. Raised at checkpoints, passes through the station, which is then made safe."""
