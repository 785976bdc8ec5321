"""A checkpoint remembers the maps it was made for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hil.training.checkpoint import FORMAT, FORMAT_DRIVEN, load_checkpoint, save_checkpoint
from hil.training.errors import MapsError, TrainingError
from hil.training.net import parse_net
from hil.training.network import Bounds, Hidden, Network, centred, dealt, fresh_network
from hil.training.trainer import generator
from hil.training.wafer import MeasuredWafer

PAPER = Bounds(Hidden.TANH, output_limit=float("inf"))
TIED, INDEPENDENT = parse_net("100-90-10", "tied"), parse_net("100-76-10x3", "independent")


@pytest.fixture
def file(measured: MeasuredWafer, tmp_path: Path) -> Path:
    networks = {
        "software": fresh_network(TIED, generator(0, "a"), PAPER),
        "hardware-aware": fresh_network(INDEPENDENT, generator(0, "b")).repeated(len(measured.dies)),
    }
    file = tmp_path / "networks.safetensors"
    save_checkpoint(file, networks, measured, {"seed": 0, "etags": {"P": '"abc"'}})
    return file


def test_networks_and_facts_come_back_as_they_were(file: Path, measured: MeasuredWafer) -> None:
    loaded = load_checkpoint(file)
    assert list(loaded.networks) == ["software", "hardware-aware"]
    assert torch.equal(loaded.networks["software"].layers[0].latent, fresh_network(TIED, generator(0, "a"), PAPER).layers[0].latent)
    assert loaded.networks["hardware-aware"].copies == len(measured.dies)
    assert (loaded.networks["software"].net, loaded.networks["software"].bounds) == (TIED, PAPER)
    assert loaded.networks["hardware-aware"].net == INDEPENDENT
    assert loaded.facts == {"seed": 0, "etags": {"P": '"abc"'}}


def test_the_maps_of_the_training_are_accepted(file: Path, measured: MeasuredWafer) -> None:
    load_checkpoint(file).check_maps(measured)
    load_checkpoint(file).check_maps(measured.take([3, 1]))


def test_one_other_reading_is_refused_and_its_die_named(file: Path, measured: MeasuredWafer) -> None:
    siemens = measured.siemens_p.copy()
    siemens[2, 5, 6, 7] *= 1.001
    x, y = measured.dies[2]
    with pytest.raises(MapsError, match=rf"die \({x},{y}\).*train again"):
        load_checkpoint(file).check_maps(replace(measured, siemens_p=siemens))


def test_a_die_never_trained_on_is_refused(file: Path, measured: MeasuredWafer) -> None:
    elsewhere = replace(measured, dies=((40, 40), *measured.dies[1:]))
    with pytest.raises(MapsError, match=r"die \(40,40\).*never seen in training"):
        load_checkpoint(file).check_maps(elsewhere)


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no readable checkpoint"):
        load_checkpoint(tmp_path / "absent.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(TrainingError, match="no readable checkpoint"):
        load_checkpoint(tmp_path / "text")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(TrainingError, match="format None"):
        load_checkpoint(tmp_path / "foreign")


@pytest.mark.parametrize(
    ("name", "forged"),
    [
        ("methods", '{"m": {"net": "100-76-10x3", "encoding": "independent"}}'),
        ("methods", '{"m": 3}'),
        ("methods", "no JSON"),
        ("placed", '["stranger"]'),
        ("facts", None),
    ],
)
def test_a_header_that_says_something_else_than_the_tensors_is_no_checkpoint(tmp_path: Path, name: str, forged: str | None) -> None:
    network = fresh_network(INDEPENDENT, generator(0, "d"))
    save_checkpoint(tmp_path / "good", {"m": network}, None, {})
    with safe_open(tmp_path / "good", framework="pt") as opened:
        header = dict(opened.metadata())
        tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
    header = {key: value for key, value in (header | {name: forged}).items() if value is not None}
    save_file(tensors, tmp_path / "forged", metadata=header)
    with pytest.raises(TrainingError, match="no readable checkpoint"):
        load_checkpoint(tmp_path / "forged")


def test_who_knows_nothing_of_driven_rows_refuses_a_network_that_needs_them(tmp_path: Path) -> None:
    plain = fresh_network(INDEPENDENT, generator(0, "c"))
    bounded = replace(plain, bounds=replace(plain.bounds, block_limit=2.5))
    formats: list[str] = []
    for index, network in enumerate((plain, bounded, dealt(plain))):
        save_checkpoint(tmp_path / f"{index}", {"m": network}, None, {})
        with safe_open(tmp_path / f"{index}", framework="pt") as opened:
            formats.append(opened.metadata()["format"])
    assert formats == [FORMAT, FORMAT_DRIVEN, FORMAT_DRIVEN]


def test_what_drives_the_rows_and_what_bounds_a_block_come_back(tmp_path: Path) -> None:
    made = centred(dealt(fresh_network(INDEPENDENT, generator(0, "c"))), torch.rand(20, 100, generator=generator(0, "images")))
    made = replace(made, bounds=replace(made.bounds, block_limit=2.5))
    save_checkpoint(tmp_path / "rests.safetensors", {"rests": made, "plain": fresh_network(INDEPENDENT, generator(0, "d"))}, None, {})
    kept: dict[str, Network] = dict(load_checkpoint(tmp_path / "rests.safetensors").networks)
    for mine, theirs in zip((*made.rest, *made.order), (*kept["rests"].rest, *kept["rests"].order), strict=True):
        assert torch.equal(mine, theirs)
    assert kept["plain"].rest == kept["plain"].order == ()
    assert [kept[name].bounds.block_limit for name in ("rests", "plain")] == [2.5, float("inf")]
