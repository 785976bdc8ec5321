from tests.hil.runs.conftest import lab, store
from tests.support.device_fixtures import end, host
from tests.support.service_fixtures import board, http, service

__all__ = ["board", "end", "host", "http", "lab", "service", "store"]
