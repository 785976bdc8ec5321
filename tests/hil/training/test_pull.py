"""Maps for training come over HTTP, from the real service."""

from pathlib import Path

import numpy as np
import pytest

from hil.client import LabClient
from hil.model.runs import RunState
from hil.training.errors import MapsError
from hil.training.pull import pull
from tests.support.complete_dies import READING, put_complete_die
from tests.support.service import put_conductance, put_defects, running_run, served, some_codes, some_siemens


def test_only_dies_with_both_states_and_a_defect_map_are_pulled(tmp_path: Path) -> None:
    with served(tmp_path) as service, LabClient(service.url, service.token()) as lab:
        run = running_run(service.store)
        put_complete_die(service.store, run, (1, 0), 1)
        put_complete_die(service.store, run, (-3, 0), 2)
        put_conductance(service.store, run, (0, 0), seed=3, state="P")
        put_defects(service.store, run, (0, 0), seed=3)
        pulled = pull(lab, "W1")
        assert pulled.measured.dies == ((-3, 0), (1, 0))
        assert np.array_equal(pulled.measured.siemens_p, np.stack([some_siemens(2), some_siemens(1)]), equal_nan=True)
        assert np.array_equal(pulled.measured.siemens_ap, np.stack([some_siemens(12), some_siemens(11)]), equal_nan=True)
        assert np.array_equal(pulled.measured.codes, np.stack([some_codes(2), some_codes(1)]))
        assert pulled.etags["P"] == lab.conductance("W1", state="P").etag
        assert len(set(pulled.etags.values())) == 3
        assert pulled.simulated
        assert "20261122" in pulled.origin


def test_maps_of_a_run_that_was_interrupted_are_not_mixed_with_those_of_the_run_before(tmp_path: Path) -> None:
    with served(tmp_path) as service, LabClient(service.url, service.token()) as lab:
        first = running_run(service.store)
        put_complete_die(service.store, first, (0, 0), 1)
        put_complete_die(service.store, first, (1, 0), 2)
        service.store.set_state(first, RunState.FINISHED)
        second = running_run(service.store)
        put_complete_die(service.store, second, (0, 0), 3)
        put_conductance(service.store, second, (1, 0), seed=4, state="P", meta=READING)
        service.store.set_state(second, RunState.INTERRUPTED)
        pulled = pull(lab, "W1")
        assert np.array_equal(lab.conductance("W1", state="P").siemens[1], some_siemens(4), equal_nan=True), "newest, but of no class"
        assert pulled.measured.dies == ((0, 0), (1, 0))
        assert np.array_equal(pulled.measured.siemens_p, np.stack([some_siemens(3), some_siemens(2)]), equal_nan=True)
        assert np.array_equal(pulled.measured.siemens_ap, np.stack([some_siemens(13), some_siemens(12)]), equal_nan=True)
        assert np.array_equal(pulled.measured.codes, np.stack([some_codes(3), some_codes(2)]))


def test_a_wafer_without_a_complete_die_says_which_run_is_missing(tmp_path: Path) -> None:
    with served(tmp_path) as service, LabClient(service.url, service.token()) as lab:
        run = running_run(service.store)
        put_conductance(service.store, run, (0, 0), state="P")
        with pytest.raises(MapsError, match="characterise"):
            pull(lab, "W1")
