"""An MPI SENTIO probe station, as bytes: remote command set 1 over the world's chuck and needles."""

from simulator.instruments.sentio.prober import Sentio

__all__ = ["Sentio"]
