"""One door to the network: every answer is checked here, every failure leaves as a LabError."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx

from hil.client.errors import LabError, RequestRefused, UnexpectedReply, error_of, unreachable

BASE = "/api/v1"
CONNECT_S = 5.0
WARNING = "Lab-Warning"
"""Header of every answer while an output may be on: why."""


def path_of(*parts: object) -> str:
    """A path whose parts each stay one part, whatever an id holds. Raises RequestRefused for a part that means another path."""
    for part in parts:
        # A slash is refused even though it could be quoted: servers decode a path before they route it.
        if str(part) in ("", ".", "..") or "/" in str(part):
            raise RequestRefused(f"{part!r} is no id or name; `hil runs` and `hil wafers` list those there are")
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


class Connection:
    """An httpx client that knows the base path, the token and the error tree."""

    def __init__(
        self, url: str, token: str | None, transport: httpx.BaseTransport | None, timeout_s: float, on_warning: Callable[[str], None]
    ) -> None:
        """on_warning: called with the service's warning when it first stands on an answer, and when it changes.

        Raises LabError for an address or a token that cannot be one.
        """
        self.warning: str | None = None
        self._on_warning = on_warning
        self.url = url.rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise LabError(f"the service's address is {url!r}; give one like http://127.0.0.1:8765")
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise LabError("the token holds blanks or characters that no token has; copy it again")
        self._timeout_s = timeout_s
        # The token must not travel through a proxy that happens to stand in the environment.
        with self._named_errors():
            self._http = httpx.Client(
                base_url=self.url,
                headers={"Authorization": f"Bearer {token}"} if token else {},
                transport=transport,
                timeout=httpx.Timeout(timeout_s, connect=CONNECT_S),
                trust_env=False,
            )

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        patience_s: float = 0,
    ) -> httpx.Response:
        """An answer of 2xx or 304. patience_s: how much longer than usual it may take. Raises LabError."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        timeout = httpx.Timeout(self._timeout_s + patience_s, connect=CONNECT_S)
        with self._named_errors():
            response = self._http.request(method, BASE + path, params=given, headers=headers, json=json, content=content, timeout=timeout)
        self._heed(response)
        if response.is_success or response.status_code == 304:
            return response
        raise error_of(response)

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """An answer that is a JSON object. Raises LabError."""
        response = self.call(method, path, **options)
        try:
            body = response.json()
        except ValueError as error:
            raise UnexpectedReply(f"{response.request.url} sent no JSON; is this the lab's address?") from error
        if not isinstance(body, dict):
            raise UnexpectedReply(f"{response.request.url} sent JSON that is no object; is this the lab's address?")
        return body

    @contextmanager
    def lines(self, path: str, headers: Mapping[str, str]) -> Generator[Iterator[str], None, None]:
        """Lines of a stream. The service sends a comment every 15 s, so a silence of twice that is a lost connection."""
        timeout = httpx.Timeout(CONNECT_S, read=30.0)
        with self._named_errors(), self._http.stream("GET", BASE + path, headers=headers, timeout=timeout) as response:
            self._heed(response)
            if not response.is_success:
                response.read()
                raise error_of(response)
            yield response.iter_lines()

    def _heed(self, response: httpx.Response) -> None:
        known, self.warning = self.warning, response.headers.get(WARNING)
        if self.warning is not None and self.warning != known:
            self._on_warning(self.warning)

    @contextmanager
    def _named_errors(self) -> Generator[None, None, None]:
        try:
            yield
        except httpx.TransportError as error:
            raise unreachable(self.url, error) from error
        except httpx.InvalidURL as error:
            raise LabError(f"the service's address is {self.url!r}: {error}; give one like http://127.0.0.1:8765") from error
        except ValueError as error:
            raise RequestRefused(f"this cannot be sent: {error}") from error

    def close(self) -> None:
        self._http.close()
