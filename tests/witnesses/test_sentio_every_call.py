"""Every call that the vendor's own client, 26.2.0, offers: the simulated prober knows it, and answers in a form the client reads."""

import ast
import enum
import inspect
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.sentio_bench import Bench
from tests.witnesses.served_prober import SentioProber

from sentio_prober_control.Communication.CommunicatorBase import CommunicatorBase  # isort: skip  (quietly, after served_prober)
from sentio_prober_control.Sentio.CommandGroups.CommandGroupBase import CommandGroupBase  # isort: skip
from sentio_prober_control.Sentio.ProberBase import ProberException  # isort: skip

TEXTS = {
    "door": "prober", "ref": "Home", "project": "sample_round", "file": "default_bins.xbt", "file_path": "default_bins.xbt",
    "cmd": "status:get_version", "marker_type": "Notch", "target": "0", "mode": "Fast", "carrier_name": "SIM-CARRIER",
    "vc_name": "SIM-CARRIER", "name": "home", "pattern": "home", "pat": "home", "area": "Probing",
}  # fmt: skip
NO_COMMAND = {"create_prober", "file_transfer", "comm", "name", "stage", "position", "prober", "end_of_route"}
OTHER_CORNERS = {"west", "north", "south", "northeast", "northwest", "southeast", "southwest"}
"""Their positioners have the same commands as the east's."""


class InProcess(CommunicatorBase):
    """The client's own transport class, onto a prober without sockets."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.last = ""

    def connect(self, address: str) -> None: ...

    def disconnect(self) -> None: ...

    def send(self, msg: str) -> None:
        self.last = msg
        self.bench.send(msg)

    def read_line(self) -> str:
        answer = self.bench.heard()
        assert answer, f"{self.last!r} was not answered"
        return answer


def groups(of: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every group of commands, by its attribute's path."""
    yield path, of
    for name, value in vars(of).items():
        nested = isinstance(value, CommandGroupBase) or type(value).__name__.startswith(("_Top", "_Bottom"))
        if nested and not name.startswith("_"):
            yield from groups(value, f"{path}.{name}".lstrip("."))


def calls() -> Iterator[tuple[str, str]]:
    for path, group in groups(SentioProber(InProcess())):
        if path.rpartition(".")[2] in OTHER_CORNERS:
            continue
        for name, _ in inspect.getmembers(group, inspect.ismethod):
            if not name.startswith("_") and name not in NO_COMMAND:
                yield path, name


def argument(name: str, kind: object) -> object:
    """Something of the right kind."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(each for each in typing.get_args(kind) if each is not type(None))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    if kind is bool:
        return True
    return {int: 1, float: 1.0}.get(kind, TEXTS.get(name, "1"))  # type: ignore[call-overload]


def wanted(method: typing.Callable[..., object]) -> list[object]:
    hints = typing.get_type_hints(method)
    parameters = inspect.signature(method).parameters.values()
    needed = [each for each in parameters if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    return [argument(each.name, hints.get(each.name, str)) for each in needed]


@pytest.mark.parametrize(("path", "name"), sorted(set(calls())))
def test_the_call_is_answered_in_a_form_that_the_client_reads(path: str, name: str) -> None:
    client = SentioProber(InProcess())
    method = getattr(client, name) if not path else getattr(reached(client, path), name)
    try:
        method(*wanted(method))
    except ProberException as error:
        assert "Unsupported" not in error.message(), client.comm.last
        assert error.error() > 2 or error.error() == -1, (client.comm.last, error)
    except ValueError as error:
        assert client.comm.last == "status:get_version", f"{client.comm.last!r}: {error}"


def reached(client: SentioProber, path: str) -> object:
    group: object = client
    for part in path.split("."):
        group = getattr(group, part)
    return group


def words(package: Path) -> set[str]:
    """First words of all that a package sends, where they stand in its source as they are."""
    found: set[str] = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("send", "send_cmd") and node.args:
                said = node.args[0]
                parts = said.values if isinstance(said, ast.JoinedStr) else [said]
                if parts and isinstance(parts[0], ast.Constant) and isinstance(parts[0].value, str):
                    found.add(parts[0].value.split(" ")[0])
    return {word for word in found if word and not word.startswith("*") and not word.endswith(":")}


def test_every_word_in_the_clients_source_is_known() -> None:
    import sentio_prober_control

    said = words(Path(sentio_prober_control.__path__[0]) / "Sentio")
    assert len(said) > 200
    bench = Bench()
    unknown = [word for word in sorted(said) if "Unsupported" in bench.say(word)]
    assert unknown == []
