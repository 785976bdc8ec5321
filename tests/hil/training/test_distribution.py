"""Workers make the table that this process would make, and nothing of it gets lost with them."""

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket
from threading import Event

import numpy as np
import pytest
import torch
from distributed import LocalCluster

from hil.training.bench import Budget
from hil.training.cells import Cell, CellName, all_cells
from hil.training.checkpoint import load_checkpoint
from hil.training.data import Mnist
from hil.training.dispatch import units
from hil.training.distribution import Crew, connected
from hil.training.errors import WorkerError
from hil.training.making import Group, halves
from hil.training.methods import METHODS
from hil.training.net import parse_net
from hil.training.reproduce import Table, cells
from hil.training.trainer import Images, train_and_test
from hil.training.unit import Order, installed, make_baseline
from hil.training.wafer import MeasuredWafer
from tests.support.waiting import until

NET = parse_net("100-76-10x3", "independent")
WITHIN_S = 60.0


def silent(_method: str, _epoch: int, _epochs: int, _loss: float) -> None:
    """Nobody watches."""


def unheard(_text: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Asked:
    """A small table and what it stands on."""

    budget: Budget
    images: tuple[Images, Images]
    dies: Mapping[str, tuple[Group, ...]]

    def table(self, folder: Path, methods: tuple[str, ...], seeds: int = 1) -> Table:
        return Table(NET, tuple(self.dies), methods, range(seeds), self.budget, folder)

    def here(self, table: Table) -> list[Cell]:
        return list(cells(table, self.dies.__getitem__, self.images, silent))


@pytest.fixture
def asked(measured: MeasuredWafer, noise_images: Mnist, tiny: Budget) -> Asked:
    """Two populations; the second is a wafer judged by itself."""
    dies = {"P1": (Group(measured.take(range(3)), measured.take(range(3, 6))),), "W1": halves(measured.take(range(4)))}
    return Asked(tiny, train_and_test(noise_images), dies)


@pytest.fixture(scope="module")
def near() -> Iterator[Crew]:
    """Two workers that are threads of this process: their sockets are real, and they start at once."""
    with local(workers=2) as cluster, connected(address(cluster), unheard) as crew:
        yield crew


@pytest.fixture
def unused_port() -> int:
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def local(workers: int = 1, threads: int = 1) -> LocalCluster:
    return LocalCluster(n_workers=workers, threads_per_worker=threads, processes=False, protocol="tcp://", dashboard_address=":0")


def address(cluster: LocalCluster) -> str:
    return cluster.scheduler_address.replace("tcp://", "dask://")


def assert_same(made: list[Cell], here: list[Cell]) -> None:
    """All but the time they took."""
    by_name = {cell.name: cell for cell in made}
    assert set(by_name) == {cell.name for cell in here}
    for cell in here:
        other = by_name[cell.name]
        assert np.array_equal(cell.wrong, other.wrong), cell.name
        assert (cell.key, cell.dies, cell.baseline_error) == (other.key, other.dies, other.baseline_error)
        assert untimed(cell) == untimed(other)


def untimed(cell: Cell) -> dict[str, object]:
    return {name: fact for name, fact in cell.facts.items() if name != "baseline_seconds"}


def networks(folder: Path) -> dict[Path, Path]:
    return {file.relative_to(folder): file for file in sorted((folder / "networks").rglob("*.safetensors"))}


def assert_same_networks(made: Path, here: Path) -> None:
    assert set(networks(made)) == set(networks(here))
    for name, file in networks(here).items():
        kept, other = load_checkpoint(file), load_checkpoint(networks(made)[name])
        assert kept.map_hashes == other.map_hashes
        assert list(kept.placements) == list(other.placements)
        for method, network in kept.networks.items():
            for layer, theirs in zip(network.layers, other.networks[method].layers, strict=True):
                assert torch.equal(layer.latent, theirs.latent)
                assert torch.equal(layer.gain, theirs.gain)


def test_a_table_of_two_workers_is_that_of_this_process_to_the_bit(asked: Asked, near: Crew, tmp_path: Path) -> None:
    methods = ("conventional", "placed", "statistics-aware", "placed+trimmed")
    here = asked.here(asked.table(tmp_path / "here", methods, seeds=2))
    heard: list[str] = []
    table = asked.table(tmp_path / "made", methods, seeds=2)
    made = list(near.cells(table, asked.dies.__getitem__, asked.images, lambda method, *_: heard.append(method)))
    assert_same(made, here)
    assert_same(all_cells(tmp_path / "made"), here)
    assert_same_networks(tmp_path / "made", tmp_path / "here")
    assert {"seed 1: software", "W1, seed 0: placed", "P1, seed 1: statistics-aware"} <= set(heard)
    heard.clear()
    again = list(near.cells(table, asked.dies.__getitem__, asked.images, lambda method, *_: heard.append(method)))
    assert ([cell.name for cell in again], heard) == (table.names(), [])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_killed_worker_process_had_and_was_at_is_done_again(asked: Asked, tmp_path: Path) -> None:
    """The only one there is, with all maps, images and software networks that were sent to it or made by it."""
    methods = ("conventional", "placed")
    here = asked.here(asked.table(tmp_path / "here", methods))
    with connected("1", unheard) as crew:
        coming = crew.cells(asked.table(tmp_path / "made", methods), asked.dies.__getitem__, asked.images, silent)
        made = [next(coming)]
        (process,) = crew.client.run(os.getpid).values()
        os.kill(process, signal.SIGKILL)
        made += coming
    assert_same(made, here)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_without_any_worker_process_left_the_command_fails_and_does_not_wait_for_ever(asked: Asked, tmp_path: Path) -> None:
    with connected("1", unheard, alone_s=0.5) as crew:
        crew.client.retire_workers()
        with pytest.raises(WorkerError, match="NoWorkerError"):
            list(crew.cells(asked.table(tmp_path, ("conventional",)), asked.dies.__getitem__, asked.images, silent))


def test_a_cell_that_fails_is_named_with_its_worker_and_all_others_are_kept(asked: Asked, near: Crew, tmp_path: Path) -> None:
    good = asked.dies["P1"][0]
    unread = replace(good, seen=replace(good.seen, siemens_p=good.seen.siemens_p * np.nan))
    dies = {"unread": (unread,), "good": (good,)}
    table = Table(NET, tuple(dies), ("conventional", "recalibrated"), range(1), asked.budget, tmp_path)
    told: list[str] = []
    failing = r"(conventional|recalibrated) on unread, seed 0, worker tcp://[\d.]+:\d+: none of 3 dies has a good junction.*"
    with pytest.raises(WorkerError, match=rf"^{failing}; and 1 more, told above$"):
        list(replace(near, tell=told.append).cells(table, dies.__getitem__, asked.images, silent))
    assert sorted(re.fullmatch(failing, text)[1] for text in told) == ["conventional", "recalibrated"]
    assert [(cell.name.population, cell.name.method) for cell in all_cells(tmp_path)] == [
        ("good", "conventional"),
        ("good", "recalibrated"),
    ]


def test_who_leaves_early_leaves_nothing_queued_and_nothing_running(asked: Asked, near: Crew, tmp_path: Path) -> None:
    """One recipe here would take hours."""
    running = Event()

    def heard(method: str, _epoch: int, _epochs: int, _loss: float) -> None:
        if method == "P1, seed 0: placed":
            running.set()

    def interrupted(population: str) -> tuple[Group, ...]:
        if population == "W1":
            assert running.wait(WITHIN_S)
            raise KeyboardInterrupt
        return asked.dies[population]

    endless = replace(asked.budget, placed=replace(asked.budget.placed, epochs=1_000_000))
    table = replace(asked.table(tmp_path, ("placed", "conventional", "hardware-aware")), budget=endless)
    with pytest.raises(KeyboardInterrupt), closing(near.cells(table, interrupted, asked.images, heard)) as coming:
        list(coming)
    until(lambda: not near.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)), WITHIN_S)
    until(lambda: not any(near.client.run(lambda dask_worker: dask_worker.state.executing_count).values()), WITHIN_S)
    assert all_cells(tmp_path) == []


def test_a_scheduler_that_goes_away_is_told_once_and_what_came_back_is_kept(asked: Asked, tmp_path: Path) -> None:
    told: list[str] = []
    with local() as cluster, connected(address(cluster), told.append) as crew:
        coming = crew.cells(asked.table(tmp_path, ("conventional", "placed")), asked.dies.__getitem__, asked.images, silent)
        first = next(coming)
        cluster.close()
        with pytest.raises(WorkerError, match=r"^the scheduler is gone; what came back is kept: .* repeat the command$"):
            list(coming)
    assert len(told) == 1
    assert first.name in [cell.name for cell in all_cells(tmp_path)]


def test_maps_and_images_are_sent_once_whoever_needs_them(asked: Asked, near: Crew, tmp_path: Path) -> None:
    sent: set[str] = set()

    def look(population: str) -> tuple[Group, ...]:
        sent.update(near.client.run_on_scheduler(lambda dask_scheduler: [str(key) for key in dask_scheduler.tasks]))
        return asked.dies[population]

    table = replace(asked.table(tmp_path, ("conventional", "recalibrated", "placed"), seeds=2), populations=("P1", "P1", "P1"))
    found = list(near.cells(table, look, asked.images, silent))
    assert len(found) == 3 * 3 * 2
    kinds = [key.partition("-")[0] for key in sent]
    assert (kinds.count("images"), kinds.count("maps")) == (1, 2)


def test_a_worker_of_several_threads_or_with_other_code_is_refused(asked: Asked, near: Crew, tmp_path: Path) -> None:
    table = asked.table(tmp_path, ("conventional",))
    refused = pytest.raises(
        WorkerError, match=r"^software network, seed 0, worker .*: it has 2 threads, limit 1; start it with --nthreads 1"
    )
    with local(threads=2) as cluster, connected(address(cluster), unheard) as wide, refused:
        list(wide.cells(table, asked.dies.__getitem__, asked.images, silent))
    older = Order(table.settings(0), "topic", replace(installed(), torch="2.1.0"))
    with pytest.raises(WorkerError, match=r"torch 2\.\d+\.\d+, .*the caller .*torch 2\.1\.0, .*install the same on both"):
        near.client.submit(make_baseline, older, asked.images, pure=False).result()


def test_an_address_that_is_none_and_one_where_nobody_answers_are_refused(unused_port: int) -> None:
    for wrong in ("0", "two", "tcp://127.0.0.1:8786", "dask://nowhere"):
        with pytest.raises(WorkerError, match=rf"'{wrong}' names no workers; give dask://HOST:PORT"), connected(wrong, unheard):
            pass
    with (
        pytest.raises(WorkerError, match=rf"no dask scheduler answers at 127.0.0.1:{unused_port} within 0.1 s.*dask worker .*--nthreads 1"),
        connected(f"dask://127.0.0.1:{unused_port}", unheard, within_s=0.1),
    ):
        pass


def test_workers_are_counted(near: Crew) -> None:
    assert near.count == 2


def test_methods_that_share_trained_weights_make_one_unit() -> None:
    names = [(CellName(method, "P1", NET.name, NET.encoding, 0), "key") for method in METHODS]
    made = units(names, first=True)
    assert sorted(name.method for unit in made for name, _ in unit.cells) == sorted(METHODS)
    together = [{name.method for name, _ in unit.cells} for unit in made]
    assert {"placed", "placed+trimmed", "placed+retrained"} <= next(unit for unit in together if "placed" in unit)
    assert {"statistics-aware", "statistics-aware+recalibrated"} <= next(unit for unit in together if "statistics-aware" in unit)
    assert {"hardware-aware"} in together
    assert [unit.first for unit in made] == [True] + [False] * (len(made) - 1)
