"""The SENTIO driver on a scripted prober over a real socket."""

from collections.abc import Iterator
from contextlib import contextmanager

from drivers.links.visa import VisaLink
from drivers.prober.die_grid import DieGrid
from drivers.prober.sentio import Sentio
from drivers.prober.sentio_deadlines import Deadlines
from drivers.prober.sentio_guard import Interlock
from drivers.prober.sentio_session import SentioSession
from drivers.prober.soft_limits import SoftLimits
from tests.support.scripted_server import Script, ScriptedServer


@contextmanager
def prober_on(
    script: Script,
    deadlines: Deadlines | None = None,
    *,
    grid: DieGrid | None = None,
    limits: SoftLimits | None = None,
    output_is_off: Interlock | None = None,
) -> Iterator[tuple[Sentio, ScriptedServer]]:
    with ScriptedServer(script) as server:

        def connect() -> VisaLink:
            return VisaLink(server.address, 5.0, unit="prober commands")

        session = SentioSession(connect(), connect, deadlines or Deadlines())
        prober = Sentio(session, grid or DieGrid(), limits or SoftLimits(), output_is_off)
        try:
            yield prober, server
        finally:
            prober.close()
