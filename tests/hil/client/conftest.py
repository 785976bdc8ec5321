"""One served store per test."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.service import Service, served


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with served(tmp_path) as running:
        yield running


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """A client that may operate."""
    with service.client() as client:
        yield client
