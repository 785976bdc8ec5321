"""A table of errors as tasks for a dask scheduler, and what becomes of the answers.

Rule 1: a unit of work is the cells of one population and seed that share trained weights; seeds go round last.
Rule 2: maps and images are tasks of their own, sent once and known by their hash: the scheduler keeps them, so they outlive a worker."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import count
from typing import Any

from distributed import Client, Future, as_completed
from distributed.client import ClosedClientError

from hil.training.bench import Report
from hil.training.cells import Cell, CellName, kept_cell
from hil.training.checkpoint import map_hashes
from hil.training.errors import WorkerError
from hil.training.making import Baseline, Group, Made, key_of
from hil.training.methods import METHODS, SOFTWARE
from hil.training.reproduce import Table, Wafers, keep, keep_baseline, kept_baseline
from hil.training.trainer import Images
from hil.training.unit import Order, Unit, as_it_is, installed, make_baseline, make_unit
from hil.training.wafer import MeasuredWafer

SHARED_PARTS = ("statistics_aware", "placed")
"""Parts of a budget that are spent on weights which several methods use."""
GONE = "the scheduler is gone; what came back is kept: start it and its workers, and repeat the command"
Tell = Callable[[str], None]
"""Hears at once of what failed."""


def units(missing: Sequence[tuple[CellName, str]], first: bool) -> list[Unit]:
    """Cells of one population and seed by what is trained for them. first: of this seed."""
    together: dict[str, list[tuple[CellName, str]]] = {}
    for name, key in missing:
        spent = METHODS[name.method].budget
        together.setdefault(next((part for part in SHARED_PARTS if part in spent), name.method), []).append((name, key))
    return [Unit(tuple(cells), first and not index) for index, cells in enumerate(together.values())]


class Dispatch:
    """What one table asks of the workers. To be released when it is left, however that comes about."""

    def __init__(self, client: Client, tell: Tell, table: Table, images: tuple[Images, Images], report: Report) -> None:
        self._client, self._tell, self._table, self._images = client, tell, table, images
        self._failed: dict[str, WorkerError] = {}
        self._benches = {seed: table.settings(seed).bench(images, report) for seed in table.seeds}
        self._sent: dict[str, Future[Any]] = {}
        self._asked: dict[Future[Any], _Question] = {}
        self._baselines: dict[int, Future[Any]] = {}
        self._ready = as_completed(loop=client.loop)
        self._turn = count()
        self._topic = f"epochs-{client.id}"

        def heard(event: tuple[float, Sequence[Any]]) -> None:
            report(*event[1])

        client.subscribe_topic(self._topic, heard)

    def cells(self, wafers: Wafers) -> Iterator[Cell]:
        """Kept ones when their population's turn comes, others as they are ready. Raises WorkerError when all is done but what failed."""
        try:
            yield from self._cells(wafers)
        except ClosedClientError as error:
            raise WorkerError(GONE) from error
        if self._failed:
            (text, first), *others = self._failed.items()
            raise WorkerError(text + (f"; and {len(others)} more, told above" if others else "")) from first

    def _cells(self, wafers: Wafers) -> Iterator[Cell]:
        self._baselines.update({seed: self._baseline(seed) for seed in self._table.seeds})
        for seed in self._table.seeds:
            first = True
            for population in self._table.populations:
                groups = wafers(population)
                keys = {name: key_of(self._benches[seed], name.method, groups) for name in self._table.names_of(population, seed)}
                kept = {name: cell for name, key in keys.items() if (cell := kept_cell(name, key, self._table.folder)) is not None}
                yield from kept.values()
                wanted = units([(name, key) for name, key in keys.items() if name not in kept], first)
                for unit in wanted:
                    self._ask_unit(unit, seed, groups)
                first = first and not wanted
                yield from self._received(self._ready.next_batch(block=False))
        for future in self._ready:
            yield from self._received([future])

    def release(self) -> None:
        """What is queued is forgotten, and what runs finds out."""
        with suppress(ClosedClientError):  # Its scheduler is gone, and all this with it.
            self._client.unsubscribe_topic(self._topic)
        for future in (*self._asked, *self._baselines.values(), *self._sent.values()):
            future.release()

    def _baseline(self, seed: int) -> Future[Any]:
        bench, folder = self._benches[seed], self._table.folder
        kept = kept_baseline(bench, folder)
        if kept is not None:
            return self._client.submit(as_it_is, kept, pure=False)

        def written(baseline: Baseline) -> list[Cell]:
            keep_baseline(baseline, bench, folder)
            return []

        question = _Question(f"{SOFTWARE} network, seed {seed}", written)
        return self._ask(question, make_baseline, self._order(seed), self._sent_images)

    def _ask_unit(self, unit: Unit, seed: int, groups: Sequence[Group]) -> None:
        maps = [tuple(maps and self._sent_maps(maps) for maps in (group.seen, group.read, group.truth)) for group in groups]

        def written(made: Sequence[Made]) -> list[Cell]:
            return [keep(each, self._table.folder) for each in made]

        question = _Question(str(unit), written)
        self._ask(question, make_unit, self._order(seed), unit, self._sent_images, self._baselines[seed], maps)

    def _order(self, seed: int) -> Order:
        return Order(self._table.settings(seed), self._topic, installed())

    def _ask(self, question: "_Question", task: Callable[..., Any], *values: Any) -> Future[Any]:
        future = self._client.submit(task, *values, pure=False, priority=-next(self._turn))
        self._asked[future] = question
        self._ready.add(future)
        return future

    def _received(self, futures: Sequence[Future[Any]]) -> Iterator[Cell]:
        for future in futures:
            question = self._asked[future]
            try:
                cells = question.written(_answer(future, question.what))
            except WorkerError as error:
                cells = []
                if self._failed.setdefault(str(error), error) is error:  # Once: what needs a failed network fails by the same error.
                    self._tell(str(error))
            del self._asked[future]
            if future not in self._baselines.values():
                future.release()  # Else its worker holds the result for as long as anything here names it.
            yield from cells

    @cached_property
    def _sent_images(self) -> Future[Any]:
        arrays = [tensor.numpy().tobytes() for part in self._images for tensor in (part.voltages, part.labels)]
        return self._send("images", b"".join(arrays), self._images)

    def _sent_maps(self, maps: MeasuredWafer) -> Future[Any]:
        return self._send("maps", json.dumps(map_hashes(maps)).encode(), maps)

    def _send(self, kind: str, content: bytes, value: Any) -> Future[Any]:
        """Once, whoever asks for it, by the hash of its content."""
        key = f"{kind}-{sha256(content).hexdigest()}"
        if key not in self._sent:
            self._sent[key] = self._client.submit(as_it_is, value, key=key)
        return self._sent[key]


def _answer(future: Future[Any], what: str) -> Any:
    """Raises WorkerError, whatever became of the worker, the scheduler, or the way to them."""
    try:
        return future.result()
    except WorkerError:
        raise
    except CancelledError as error:  # By dask itself, when its scheduler is gone.
        raise WorkerError(GONE) from error
    except Exception as error:
        raise WorkerError(f"{what}: {type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class _Question:
    """what: cells, by name. written: keeps the answer, and gives the cells that are in it."""

    what: str
    written: Callable[[Any], Sequence[Cell]]
