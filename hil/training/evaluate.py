"""Misclassification of a network on dies, always on the same test images for every method, so that methods compare in pairs."""

import numpy as np
import torch
from numpy.typing import NDArray

from hil.training.network import Crossbars, Network, logits
from hil.training.trainer import Images

CHUNK = 500


@torch.no_grad()
def wrong(network: Network, bars: Crossbars, images: Images) -> NDArray[np.bool_]:
    """(copies, maps, images): which test images are misclassified."""
    parts: list[NDArray[np.bool_]] = []
    for start in range(0, len(images.labels), CHUNK):
        voltages = images.voltages[start : start + CHUNK][None, None]
        guesses = logits(voltages, network, bars).argmax(dim=-1)
        parts.append((guesses != images.labels[start : start + CHUNK]).numpy())
    return np.concatenate(parts, axis=-1)


def errors_of_dies(network: Network, bars: Crossbars, images: Images) -> NDArray[np.float64]:
    """(dies,) share misclassified; one network on (1, dies), or copy i on die i of (dies, 1)."""
    return wrong(network, bars, images).reshape(-1, len(images.labels)).mean(axis=-1)
