"""The store: what was asked, what was measured, who may. Other rooms see the Protocol and the records, not the tables."""

from hil.store.database import FILE_NAME
from hil.store.sql import open_store

__all__ = ["FILE_NAME", "open_store"]
