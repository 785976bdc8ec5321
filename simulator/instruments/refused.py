"""How the board says no. Rule: a request that is refused has changed nothing at all."""

from firmware_protocol.codes import Status
from firmware_protocol.messages import Refusal


class BoardRefused(Exception):
    """A request that is not carried out; becomes the answer's status and Refusal. value, limit: in the unit of the field refused."""

    def __init__(self, status: Status, value: int = 0, limit: int = 0) -> None:
        super().__init__(f"{status.name}: {value}, limit {limit}")
        self.status = status
        self.payload = Refusal(value, limit).encode()
