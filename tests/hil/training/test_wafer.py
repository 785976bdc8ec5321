"""A junction without a reading never becomes 0 by itself."""

import numpy as np
import pytest

from hil.model.defects import Defect
from hil.training.errors import MapsError
from hil.training.wafer import MeasuredWafer, junctions, reference_of, usable

G_P, G_AP = 335e-6, 185e-6


def even_wafer(dies: int = 2) -> MeasuredWafer:
    shape = (dies, 32, 25, 25)
    return MeasuredWafer(
        tuple((index, 0) for index in range(dies)),
        np.full(shape, G_P, np.float32),
        np.full(shape, G_AP, np.float32),
        np.zeros(shape, np.uint8),
    )


def unread(measured: MeasuredWafer, place: tuple[int, int, int, int], code: Defect) -> None:
    measured.siemens_p[place] = measured.siemens_ap[place] = np.nan
    measured.codes[place] = code


def at(measured: MeasuredWafer, place: tuple[int, int, int, int]) -> tuple[float, float]:
    """(G_P, G_AP) the trainer sees of one junction, in units of the norm."""
    p, ap = junctions(measured, reference_of(measured))[place[0], np.ravel_multi_index(place[1:], (32, 25, 25))]
    return float(p), float(ap)


def test_conductances_are_in_units_of_what_one_weight_is_worth() -> None:
    measured = even_wafer()
    assert reference_of(measured).norm_siemens == pytest.approx(150e-6, rel=1e-4)
    assert at(measured, (0, 1, 2, 3)) == pytest.approx((G_P / 150e-6, G_AP / 150e-6), rel=1e-4)


@pytest.mark.parametrize("code", [Defect.GOOD, Defect.UNSTABLE, Defect.NO_CONTACT, Defect.NOT_MEASURED])
def test_an_unread_junction_of_unknown_state_counts_as_a_typical_one(code: Defect) -> None:
    measured = even_wafer()
    unread(measured, (1, 4, 5, 6), code)
    assert at(measured, (1, 4, 5, 6)) == pytest.approx((G_P / 150e-6, G_AP / 150e-6), rel=1e-4)


def test_an_unread_open_conducts_nothing_because_its_class_says_so() -> None:
    measured = even_wafer()
    unread(measured, (0, 0, 0, 0), Defect.OPEN)
    assert at(measured, (0, 0, 0, 0)) == (0.0, 0.0)


def test_an_unread_short_conducts_like_the_shorts_that_were_read() -> None:
    measured = even_wafer()
    unread(measured, (0, 0, 0, 0), Defect.SHORT)
    measured.siemens_p[1, 9, 9, 9] = measured.siemens_ap[1, 9, 9, 9] = 900e-6
    measured.codes[1, 9, 9, 9] = Defect.SHORT
    assert at(measured, (0, 0, 0, 0)) == pytest.approx((6.0, 6.0), rel=1e-3)


def test_an_unread_short_without_any_measured_short_is_an_error_and_not_a_guess() -> None:
    measured = even_wafer()
    unread(measured, (0, 0, 0, 0), Defect.SHORT)
    with pytest.raises(MapsError, match="short junctions exist"):
        junctions(measured, reference_of(measured))


def test_a_die_that_is_mostly_unread_is_left_out_and_says_why() -> None:
    measured = even_wafer(3)
    measured.siemens_p[1, :8] = np.nan
    indices, left_out = usable(measured)
    assert indices == (0, 2)
    assert "25.0 %" in left_out[(1, 0)]
    assert measured.take(indices).dies == ((0, 0), (2, 0))


def test_maps_with_the_states_swapped_are_refused() -> None:
    wafer = even_wafer()
    with pytest.raises(MapsError, match="look swapped"):
        reference_of(MeasuredWafer(wafer.dies, wafer.siemens_ap, wafer.siemens_p, wafer.codes))


def test_maps_of_another_chip_are_refused() -> None:
    wafer = even_wafer(1)
    with pytest.raises(MapsError, match=r"codes is \(1, 4, 25, 25\)"):
        MeasuredWafer(wafer.dies, wafer.siemens_p, wafer.siemens_ap, wafer.codes[:, :4])


def test_a_wafer_without_a_good_junction_is_refused() -> None:
    wafer = even_wafer(1)
    wafer.codes[:] = Defect.OPEN
    with pytest.raises(MapsError, match="characterise the wafer first"):
        reference_of(wafer)
