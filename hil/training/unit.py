"""What a dask worker does for a table of errors: train a software network, or make the cells of one unit.

Rule 1: values come, values go back; no file is read or written here.
Rule 2: one thread a process. Two trainings in one would share torch's threads, and count each other's processor seconds.
Rule 3: an error names the cell and the worker."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import torch
from distributed import Worker, get_worker

from hil.training.bench import Curves, Report
from hil.training.cells import CellName
from hil.training.errors import TrainingError, WorkerError
from hil.training.making import Baseline, Group, Made, Maker, Settings, trained_baseline
from hil.training.methods import SOFTWARE
from hil.training.trainer import Images, threads
from hil.training.wafer import MeasuredWafer

_HERE = Path(__file__).parent
# When this module is imported, as the others: files that change later are not what runs.
_CODE = sha256(b"".join(file.read_bytes() for file in sorted(_HERE.rglob("*.py")))).hexdigest()[:12]

Maps = tuple[MeasuredWafer, MeasuredWafer, MeasuredWafer | None]
"""Of a group: seen, read, truth."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Installed:
    """What must be the same on two machines if their numbers are to be. code: digest of this package's modules."""

    hil: str
    code: str
    torch: str
    numpy: str
    scipy: str

    def __str__(self) -> str:
        return f"mtj-hil {self.hil} (code {self.code}), torch {self.torch}, numpy {self.numpy}, scipy {self.scipy}"


def installed() -> Installed:
    """A build of torch for a GPU counts as one for none: nothing runs on a GPU here."""
    return Installed(version("mtj-hil"), _CODE, torch.__version__.partition("+")[0], version("numpy"), version("scipy"))


@dataclass(frozen=True)
class Order:
    """What goes with every task. topic: of the events by which the caller hears of epochs. caller: what is installed there."""

    settings: Settings
    topic: str
    caller: Installed


@dataclass(frozen=True)
class Unit:
    """Cells that share trained weights, each with its key, of one population and seed. first: they keep the software network's curves."""

    cells: tuple[tuple[CellName, str], ...]
    first: bool

    @property
    def where(self) -> str:
        name = self.cells[0][0]
        return f"{name.population}, seed {name.seed}"

    def __str__(self) -> str:
        return f"{', '.join(name.method for name, _ in self.cells)} on {self.where}"


def as_it_is(value: _T) -> _T:
    """Data as a task of their own: the scheduler keeps them and sends them again when the worker that held them is lost."""
    return value


def make_baseline(order: Order, images: tuple[Images, Images]) -> Baseline:
    """Raises WorkerError."""
    worker, where = get_worker(), f"seed {order.settings.seed}"
    with _working(worker, order, f"{SOFTWARE} network, {where}"):
        return trained_baseline(order.settings.bench(images, _reporter(worker, order.topic, where)))


def make_unit(order: Order, unit: Unit, images: tuple[Images, Images], baseline: Baseline, maps: Sequence[Maps]) -> list[Made]:
    """In the order of the unit's cells. maps: one a group. Raises WorkerError naming the cell that failed."""
    worker = get_worker()
    report = _reporter(worker, order.topic, unit.where)
    curves = baseline.heard(report) if unit.first else Curves(report)
    maker = Maker(order.settings.bench(images, report), baseline, [Group(*each) for each in maps], curves)
    made: list[Made] = []
    for name, key in unit.cells:
        with _working(worker, order, f"{name.method} on {unit.where}"):
            made.append(maker.make(name, key))
    return made


@contextmanager
def _working(worker: Worker, order: Order, what: str) -> Generator[None]:
    try:
        _check(worker, order.caller)
        with threads(1):
            yield
    except Exception as error:
        text = str(error) if isinstance(error, TrainingError) else f"{type(error).__name__}: {error}"
        raise WorkerError(f"{what}, worker {worker.address}: {text}") from error


def _check(worker: Worker, caller: Installed) -> None:
    count = worker.state.nthreads
    if count != 1:
        raise WorkerError(f"it has {count} threads, limit 1; start it with --nthreads 1, and as many of it as the machine has cores")
    here = installed()
    if here != caller:
        raise WorkerError(f"it has {here}, the caller {caller}; install the same on both and start the worker anew")


def _reporter(worker: Worker, topic: str, where: str) -> Report:
    key = worker.get_current_task()

    def report(method: str, epoch: int, epochs: int, loss: float) -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":  # A thread cannot be stopped from outside.
            raise WorkerError("nobody waits for it any more")
        worker.log_event(topic, [f"{where}: {method}", epoch, epochs, loss])

    return report
