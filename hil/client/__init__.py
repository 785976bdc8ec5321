"""The lab from Python, over HTTP alone. Rule: importable without torch, pyvisa or pyserial.

from hil.client import LabClient
lab = LabClient("http://127.0.0.1:8765", token=...)
run = lab.start({"kind": "characterise", "wafer": "W1", "dies": "all"}); run.wait(progress=True)
stack = lab.conductance("W1", state="P")
"""

from hil.client.arrays import ConductanceStack, DefectStack, DieMap, Origin
from hil.client.errors import (
    Conflict,
    Forbidden,
    LabError,
    NotFound,
    PlanRefused,
    RequestRefused,
    RunEnded,
    RunTimeout,
    ServiceFailed,
    ServiceUnreachable,
    Unauthorized,
    UnexpectedReply,
)
from hil.client.lab import LabClient
from hil.client.run import Run
from hil.client.sse import Event

__all__ = [
    "ConductanceStack",
    "Conflict",
    "DefectStack",
    "DieMap",
    "Event",
    "Forbidden",
    "LabClient",
    "LabError",
    "NotFound",
    "Origin",
    "PlanRefused",
    "RequestRefused",
    "Run",
    "RunEnded",
    "RunTimeout",
    "ServiceFailed",
    "ServiceUnreachable",
    "Unauthorized",
    "UnexpectedReply",
]
