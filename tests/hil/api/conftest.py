from tests.support.service_fixtures import board, http, service

__all__ = ["board", "http", "service"]
