"""A served store for each test, all on one listening server."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.service import Board, Service, mounted


@pytest.fixture(scope="session")
def board() -> Iterator[Board]:
    board = Board()
    yield board
    board.close()


@pytest.fixture
def service(board: Board, tmp_path: Path) -> Iterator[Service]:
    with mounted(board, tmp_path) as running:
        yield running


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    """A client that may operate."""
    with service.client() as client:
        yield client
