"""Six dies of a seeded simulated wafer, as the service would hand them out, and the real MNIST."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from hil.analysis.classify import classify
from hil.model.maps import ConductanceMap
from hil.training.bench import FULL_QUICK, Budget
from hil.training.data import Mnist, load_mnist
from hil.training.trainer import threads
from hil.training.wafer import MeasuredWafer
from simulator.fast import wafer_maps
from simulator.physics.fab import load_fab
from simulator.physics.wafer import Wafer, nearest_dies

SEED = 7
META = {"averages": 4}


@pytest.fixture(scope="session")
def mnist() -> Mnist:
    """The real loader. Without a package index and without a cache it raises an error that says what to do."""
    return load_mnist()


@pytest.fixture(scope="session")
def measured() -> MeasuredWafer:
    """Six dies; maps with read noise, classified by the service's own rule."""
    wafer = Wafer(SEED, load_fab("default"), nearest_dies(6))
    siemens_p, siemens_ap = wafer_maps(wafer, SEED)
    pairs = zip(siemens_p, siemens_ap, strict=True)
    codes = [classify(ConductanceMap(p, "P", 0.1, META), ConductanceMap(ap, "AP", 0.1, META)).codes for p, ap in pairs]
    return MeasuredWafer(wafer.dies, siemens_p, siemens_ap, np.stack(codes))


@pytest.fixture(scope="session")
def noise_images() -> Mnist:
    """Labelled noise of MNIST's shape, for tests about bookkeeping and not about recognition."""
    rng = np.random.default_rng(1)
    return Mnist(
        rng.integers(0, 256, (512, 28, 28), np.uint8),
        rng.integers(0, 10, 512, np.uint8),
        rng.integers(0, 256, (200, 28, 28), np.uint8),
        rng.integers(0, 10, 200, np.uint8),
    )


@pytest.fixture(scope="session")
def tiny() -> Budget:
    """A few steps of every method."""
    parts = ("clean", "varied", "hardware_aware", "statistics_aware", "placed", "trimmed", "retrained")
    short = {part: replace(getattr(FULL_QUICK, part), epochs=2, batch=128) for part in parts}
    few = {"images": 512, "calibration_images": 128, "recalibration_images": 128, "importance_images": 128, "pool": 8, "placed_pool": 8}
    return replace(FULL_QUICK, **few, **short)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Several torch threads on a busy machine are slower than one, by a factor of ten."""
    with threads(1):
        yield
