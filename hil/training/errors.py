"""What can go wrong while training. Each text says what to do next."""


class TrainingError(Exception):
    """Training cannot go on."""


class DataError(TrainingError):
    """The images are missing, incomplete or not the known ones."""


class MapsError(TrainingError):
    """The measured maps cannot be trained on: wrong shape, nothing measured, or not the maps a checkpoint was made for."""


class NetError(TrainingError):
    """No such network, or none that the dies at hand can hold."""


class WorkerError(TrainingError):
    """Work on another machine failed, or there is none to be had: names the cell, and the worker or the scheduler."""
