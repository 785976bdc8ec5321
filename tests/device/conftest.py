from tests.support.device_fixtures import end, host

__all__ = ["end", "host"]
