"""Worlds for tests: small to make, the same every time."""

from simulator.physics.fab import PRESETS, Fab
from simulator.physics.wafer import Wafer
from simulator.world import World

SEED = 20261122


def world(fab: Fab | str = "default", seed: int = SEED) -> World:
    return World(Wafer(seed, PRESETS[fab] if isinstance(fab, str) else fab))


def touching(fab: Fab | str = "default", die: tuple[int, int] = (0, 0), seed: int = SEED) -> World:
    """A world whose needles are on a die."""
    made = world(fab, seed)
    made.touch(die)
    return made
