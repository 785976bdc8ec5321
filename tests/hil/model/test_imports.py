"""What the numbers of an imported map must be, whatever they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hil.model.imports import LEAST_SIEMENS, MOST_SIEMENS, ImportRefused, Units, imported_siemens
from hil.model.lab import ChipSection
from hil.model.layout import to_die

CHIP = ChipSection(kernels=8, rows=2, columns=3)
INSIDE = st.floats(1e-6, MOST_SIEMENS * 0.999) | st.just(float("nan"))
MAPS = arrays(np.float64, CHIP.shape, elements=INSIDE).filter(lambda array: bool(np.isfinite(array).any()))
SCALES: dict[Units, float] = {"siemens": 1.0, "microsiemens": 1e6}


@given(MAPS)
def test_every_unit_and_both_layouts_come_to_the_same_map_and_nan_stays(siemens: np.ndarray) -> None:
    wanted = siemens.astype(np.float32)
    for units, scale in SCALES.items():
        np.testing.assert_allclose(imported_siemens(scale * siemens, units, CHIP, "P"), wanted, rtol=1e-6)
    np.testing.assert_allclose(imported_siemens(1.0 / siemens, "ohms", CHIP, "P"), wanted, rtol=1e-6)
    np.testing.assert_array_equal(imported_siemens(to_die(siemens), "siemens", CHIP, "P"), wanted)


@given(MAPS, st.integers(0, 47), st.floats(allow_nan=False))
def test_a_value_is_taken_or_refused_with_itself_and_the_limit_never_changed(siemens: np.ndarray, place: int, value: float) -> None:
    siemens = siemens.copy()
    siemens.flat[place] = value
    if LEAST_SIEMENS <= value <= MOST_SIEMENS:
        assert imported_siemens(siemens, "siemens", CHIP, "AP").flat[place] == np.float32(value)
        return
    with pytest.raises(ImportRefused, match=r"outside -2e-05 to 0\.1 S") as refused:
        imported_siemens(siemens, "siemens", CHIP, "AP")
    assert refused.value.value == value and refused.value.field == "AP"
