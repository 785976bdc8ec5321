"""Networks on disk, with the maps they were made for. A network must not be put on maps it was not trained on: the hashes
are checked on loading."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hil.model.lab import DieIndex
from hil.model.maps import npy_bytes, sha256_hex
from hil.training.errors import MapsError, TrainingError
from hil.training.net import parse_net
from hil.training.network import Bounds, Hidden, Joined, Layer, Network
from hil.training.placement import Placed, Placement
from hil.training.wafer import MeasuredWafer
from hil.training.whole import whole

FORMAT = "mtj-hil-checkpoint-2"
FORMAT_DRIVEN = "mtj-hil-checkpoint-3"
"""As the one before, but for networks whose rows are not driven with the plain values, or whose blocks are bounded: who does not know of
that must not read them, for it would be silently wrong."""
DRIVE = ("rest", "order")
SHARED = ", shared"
"""After a method's name: the one weight set of which each die got its copy."""


@dataclass(frozen=True)
class Checkpoint:
    """networks: by method. facts: JSON: seed, errors, ETags, origin. map_hashes: die "x,y" -> sha256 over its three maps.
    placements: by method, of those that are placed; place i is die i of the maps, or its dies."""

    networks: Mapping[str, Network]
    facts: Mapping[str, Any]
    map_hashes: Mapping[str, str]
    placements: Mapping[str, Placement] = field(default_factory=dict)

    def check_maps(self, measured: MeasuredWafer) -> None:
        """Raises MapsError naming the first die whose maps are not those the networks were trained on."""
        for text in self.changed(measured).values():
            raise MapsError(text)

    def changed(self, measured: MeasuredWafer) -> dict[DieIndex, str]:
        """Why a network may not be put on a die: of every die whose maps are not those the networks were trained on."""
        found: dict[DieIndex, str] = {}
        for index, (die, digest) in zip(measured.dies, map_hashes(measured).items(), strict=True):
            trained_on = self.map_hashes.get(die)
            if trained_on != digest:
                was = "never seen in training" if trained_on is None else f"trained on maps {trained_on[:12]}"
                advice = "place it anew (hil follow), train again, or pull the maps of the training"
                found[index] = f"die ({die}): maps {digest[:12]} now, {was}; {advice}"
        return found


def map_hashes(measured: MeasuredWafer) -> dict[str, str]:
    """Die "x,y" -> sha256 over its P, AP and defect arrays."""
    stacks = (measured.siemens_p, measured.siemens_ap, measured.codes)
    return {f"{x},{y}": sha256_hex(b"".join(npy_bytes(stack[index]) for stack in stacks)) for index, (x, y) in enumerate(measured.dies)}


def _tensors(networks: Mapping[str, Network]) -> dict[str, Tensor]:
    return {
        f"{method}/{index}/{part.name}": getattr(layer, part.name).contiguous()
        for method, network in networks.items()
        for index, layer in enumerate(network.layers)
        for part in fields(layer)
    }


def _drive_tensors(networks: Mapping[str, Network]) -> dict[str, Tensor]:
    return {
        f"{method}/{index}/{name}": tensor.contiguous()
        for method, network in networks.items()
        for name in DRIVE
        for index, tensor in enumerate(getattr(network, name))
    }


def _placement_tensors(placements: Mapping[str, Placement]) -> dict[str, Tensor]:
    return {
        f"{method}/{index}/placed/{part.name}": getattr(layer, part.name).contiguous()
        for method, placement in placements.items()
        for index, layer in enumerate(placement)
        for part in fields(layer)
    }


def checkpoint_bytes(
    networks: Mapping[str, Network],
    measured: MeasuredWafer | None,
    facts: Mapping[str, Any],
    placements: Mapping[str, Placement] | None = None,
) -> bytes:
    """What stands in a checkpoint's file. facts must be JSON without NaN (ValueError).

    measured: the maps that the networks were made for; None when they were made for none.
    """
    placements = placements or {}
    header = {
        "format": FORMAT_DRIVEN if any(_is_driven(network) for network in networks.values()) else FORMAT,
        "methods": json.dumps({method: _described(network) for method, network in networks.items()}),
        "maps": json.dumps({} if measured is None else map_hashes(measured)),
        "placed": json.dumps(list(placements)),
        "facts": json.dumps(dict(facts), allow_nan=False),
    }
    return save(_tensors(networks) | _drive_tensors(networks) | _placement_tensors(placements), metadata=header)


def save_checkpoint(
    file: Path,
    networks: Mapping[str, Network],
    measured: MeasuredWafer | None,
    facts: Mapping[str, Any],
    placements: Mapping[str, Placement] | None = None,
) -> None:
    """As `checkpoint_bytes` has it; a checkpoint is whole or absent."""
    content = checkpoint_bytes(networks, measured, facts, placements)
    with whole(file) as opened:
        opened.write(content)


def load_checkpoint(file: Path) -> Checkpoint:
    """Raises TrainingError when the file is missing or is no checkpoint of ours."""
    try:
        with safe_open(file, framework="pt") as opened:
            header = opened.metadata() or {}
            if header.get("format") not in (FORMAT, FORMAT_DRIVEN):
                known = f"{FORMAT!r} or {FORMAT_DRIVEN!r}"
                raise TrainingError(f"{file}: format {header.get('format')!r}, expected {known}; save it again with this version")
            networks = {method: _network(opened, method, described) for method, described in json.loads(header["methods"]).items()}
            placed = json.loads(header.get("placed", "[]"))
            placements = {method: _placement(opened, method, len(networks[method].layers)) for method in placed}
            return Checkpoint(networks, json.loads(header["facts"]), json.loads(header["maps"]), placements)
    except TrainingError:
        raise
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{file}: no readable checkpoint: {type(error).__name__}: {error}") from error


def _is_driven(network: Network) -> bool:
    return bool(network.rest or network.order) or network.bounds.block_limit != inf


def _described(network: Network) -> dict[str, str | float | list[str]]:
    bounds = network.bounds
    return {
        "net": network.net.name,
        "encoding": network.net.encoding,
        "hidden": bounds.hidden,
        "hidden_limit": bounds.hidden_limit,
        "output_limit": str(bounds.output_limit),  # May be infinite, which JSON cannot say.
        "joined": bounds.joined,
        "block_limit": str(bounds.block_limit),
        "drive": [name for name in DRIVE if getattr(network, name)],
    }


def _network(opened: Any, method: str, described: Mapping[str, Any]) -> Network:
    net = parse_net(described["net"], described["encoding"])
    output_limit, block_limit = (float(described.get(name, "inf")) for name in ("output_limit", "block_limit"))
    bounds = Bounds(Hidden(described["hidden"]), described["hidden_limit"], output_limit, Joined(described["joined"]), block_limit)
    layers = range(len(net.shapes))
    drive = {
        name: tuple(opened.get_tensor(f"{method}/{index}/{name}") for index in layers)
        for name in DRIVE
        if name in described.get("drive", ())
    }
    return Network(net, tuple(_layer(opened, method, index) for index in layers), bounds, **drive)


def _layer(opened: Any, method: str, index: int) -> Layer:
    return Layer(*(opened.get_tensor(f"{method}/{index}/{part.name}") for part in fields(Layer)))


def _placement(opened: Any, method: str, layers: int) -> Placement:
    return tuple(Placed(*(opened.get_tensor(f"{method}/{index}/placed/{part.name}") for part in fields(Placed))) for index in range(layers))
