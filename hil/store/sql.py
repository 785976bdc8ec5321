"""The store: every part of it over one catalogue and one directory of objects."""

from pathlib import Path

from hil.store.calibrations import Calibrations
from hil.store.database import Database
from hil.store.errors import Unwritable
from hil.store.events import Events
from hil.store.imports import Imports
from hil.store.live import Live
from hil.store.maps import Maps
from hil.store.models import Models
from hil.store.needles import Needles
from hil.store.objects import Objects
from hil.store.protocol import Store
from hil.store.pulses import SqlPulseIds
from hil.store.shelf import Clock, utc_now
from hil.store.station import Station
from hil.store.tokens import Tokens
from hil.store.wafers import Wafers


class SqlStore(Wafers, Imports, Events, Maps, Calibrations, Needles, Live, Models, Station, Tokens):
    """hil.store.protocol.Store on SQLite and files. Safe from any thread; open one per process."""

    def pulse_ids(self) -> SqlPulseIds:
        return SqlPulseIds(self._db, self._now)

    def changes(self) -> int:
        """A number that differs after any commit, by this process or another. Costs microseconds."""
        return self._db.data_version()

    def close(self) -> None:
        self._db.close()


def open_store(data_dir: Path, clock: Clock = utc_now) -> Store:
    """The store in `data_dir`, created when it is not there. Raises Unwritable, StoreError (wrong version, no store)."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(f"{data_dir} cannot be made: {error.strerror}; choose another --data directory") from error
    # Catalogue first: a directory it refuses to be in gets no further files from us.
    database = Database(data_dir)
    return SqlStore(database, Objects(data_dir / "objects"), clock)
