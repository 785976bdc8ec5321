"""A board calibrated against an SMU: what is found, how surely, and what is made of it."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.coverage import Found, trial
from firmware_protocol.geometry import Geometry
from hil.analysis.board_model import FULL_SCALE_AMPS, LEVEL_SIGMA, Lines, Prior
from hil.analysis.calibration import Calibration, References, SmuErrors, fit, from_document, to_document, uncalibrated
from hil.analysis.noise import STEP_AMPS, Noise
from hil.analysis.uncertainty import Taken, by_the_board, by_the_smu, uncorrected

ROWS, COLUMNS, LEVELS = 5, 6, (0.1, 0.2)
SMU = SmuErrors(0.2, 1e-4, 1e-4, 1e-4, 1e-4, 3e-9, 1e-9)
NOISE = 1e-3


class Truth:
    """A board whose lines are known, and what it and an SMU without error read of junctions in P and in AP."""

    def __init__(self, seed: int = 0, noise: float = NOISE, repeats: int = 4) -> None:
        rng = np.random.default_rng(seed)
        self.lines = Lines(
            gain=0.01 * rng.standard_normal(COLUMNS),
            offset=STEP_AMPS * rng.standard_normal(COLUMNS),
            bow=0.3 * STEP_AMPS * rng.standard_normal(COLUMNS),
            drive_gain=0.001 * rng.standard_normal((ROWS, 1)),
            drive_volts=3e-4 * rng.standard_normal((ROWS, 1)),
            level=np.zeros(()),
        )
        self.siemens = np.stack(
            [3.3e-4 + 2e-5 * rng.standard_normal((ROWS, COLUMNS)), 1.9e-4 + 1e-5 * rng.standard_normal((ROWS, COLUMNS))]
        )
        shape = (2, len(LEVELS), repeats, ROWS, COLUMNS)
        true = np.broadcast_to(self.siemens[:, None, None], shape)
        volts = np.broadcast_to(np.array(LEVELS)[None, :, None, None, None], shape)
        board = self.lines.reads(true * (1 + noise * rng.standard_normal(shape)) * self.lines.volts(volts)) / volts
        smu = true * (1 + noise * rng.standard_normal(shape))
        # (states, levels, repeats, rows, columns) -> (junctions, states, levels, repeats)
        self.board, self.smu = (each.reshape(*shape[:3], -1).transpose(3, 0, 1, 2).copy() for each in (board, smu))
        self.rows, self.columns = (each.ravel() for each in np.indices((ROWS, COLUMNS)))

    def references(self) -> References:
        return References(self.rows, self.columns, self.board, self.smu, LEVELS, 16, (SMU, SMU))

    def read(self, volts: float = 0.1) -> np.ndarray:
        """(1, rows, columns) S, what the board reads of the junctions in P."""
        return (self.lines.reads(self.siemens[0] * self.lines.volts(volts)) / volts)[None]


def _fitted(truth: Truth) -> Calibration:
    return fit(truth.references(), ROWS, COLUMNS)[0]


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return [trial(seed, Geometry(1, 25, 25)) for seed in (3, 4)]


@pytest.mark.parametrize("path", ["board", "smu"])
def test_intervals_cover_the_truth_and_are_not_much_wider_than_who_knows_everything_would_make_them(found: list[Found], path: str) -> None:
    assert np.mean([each.covered(path, each.ordinary) for each in found]) > 0.93
    assert np.mean([each.width(path) for each in found]) < 1.3
    assert np.nanmean([each.covered(path, each.opens) for each in found]) > 0.8


def test_after_calibration_both_paths_agree_within_their_uncertainties(found: list[Found]) -> None:
    assert np.mean([each.agree() for each in found]) > 0.93


def test_a_calibrated_board_reads_what_is_there() -> None:
    truth = Truth()
    corrected = by_the_board(truth.read(), Taken(0.1, 16, 0.0), _fitted(truth))
    apart = np.abs(corrected.siemens[0] - truth.siemens[0])
    assert np.all(apart < 4 * corrected.uncertainty[0]), "no noise on this reading, only the calibration's"
    assert np.max(apart / truth.siemens[0]) < 3e-3
    assert np.median(np.abs(truth.read()[0] - truth.siemens[0]) / truth.siemens[0]) > 5e-3, "and not so without it"


def test_an_uncalibrated_board_is_not_corrected_and_its_uncertainty_is_honest() -> None:
    covered = []
    for seed in range(20):
        truth = Truth(seed)
        corrected = by_the_board(truth.read(), Taken(0.1, 16, 0.0), uncalibrated(ROWS, COLUMNS))
        np.testing.assert_allclose(corrected.siemens, truth.read(), rtol=1e-5)
        covered.append(np.mean(np.abs(corrected.siemens[0] - truth.siemens[0]) <= 1.96 * corrected.uncertainty[0]))
    calibrated = by_the_board(Truth().read(), Taken(0.1, 16, 0.0), _fitted(Truth()))
    assert np.mean(covered) > 0.95
    assert np.median(corrected.uncertainty) > 3 * np.median(calibrated.uncertainty)


def test_what_the_board_read_is_recovered_to_the_last_code() -> None:
    truth, taken = Truth(), Taken(0.1, 16, 7.5)
    calibration = _fitted(truth)
    code = STEP_AMPS / 16 / 0.1
    raw = np.rint(truth.read() / code) * code
    back = uncorrected(by_the_board(raw, taken, calibration).siemens, taken, calibration)
    np.testing.assert_array_equal(np.rint(back / code), np.rint(raw / code))


def test_the_needles_are_taken_off_and_one_that_nobody_measured_is_a_doubt() -> None:
    inner = np.full((1, ROWS, COLUMNS), 1 / (1 / 3e-4 + 10.0))
    known = by_the_board(inner, Taken(0.1, 16, 10.0), uncalibrated(ROWS, COLUMNS))
    unknown = by_the_board(inner, Taken(0.1, 16), uncalibrated(ROWS, COLUMNS))
    np.testing.assert_allclose(known.siemens, 3e-4, rtol=1e-6)
    np.testing.assert_allclose(unknown.siemens, inner, rtol=1e-6)
    assert np.all(unknown.parts["contact"] > 5 * known.parts["contact"])


def test_a_junction_that_changed_in_between_is_left_out_and_counted() -> None:
    truth = Truth()
    undisturbed = _fitted(truth).values
    truth.smu[7, 0, 1] = truth.siemens[1].ravel()[7]
    calibration, goodness, residuals = fit(truth.references(), ROWS, COLUMNS)
    assert goodness.left_out == 1
    assert np.isnan(residuals[7, 0, 1]) and np.isnan(residuals).sum() == 1
    np.testing.assert_allclose(calibration.values, undisturbed, atol=2 * np.sqrt(np.diag(calibration.covariance)).max())


def test_saturated_and_limited_readings_count_for_nothing() -> None:
    truth = Truth()
    truth.board[3, 0] = np.nan
    truth.smu[4, 1, 0, 2] = np.nan
    calibration, goodness, _ = fit(truth.references(), ROWS, COLUMNS)
    assert np.isfinite(calibration.values).all()
    assert goodness.readings == truth.board[..., 0].size - len(LEVELS) - 1


def test_what_the_smu_is_off_by_is_never_averaged_away() -> None:
    """Thousands of readings or not: every junction's conductance is off by what the SMU is off by."""
    truth = Truth(noise=1e-5, repeats=16)
    corrected = by_the_board(truth.read(), Taken(0.1, 4096, 0.0), _fitted(truth))
    smu = by_the_smu(truth.siemens[:1], Taken(0.1, 1, 0.0), SMU, Noise(0.0, (0.0,), (0.0,)))
    ratio = corrected.parts["calibration"] / smu.parts["calibration"]
    assert np.all((ratio > 0.8) & (ratio < 1.5))


def test_an_unknown_level_is_less_sure_than_a_calibrated_one() -> None:
    truth = Truth()
    calibration = _fitted(truth)
    known, unknown = (by_the_board(truth.read(volts), Taken(volts, 16, 0.0), calibration).parts["calibration"] for volts in (0.1, 0.11))
    assert np.all(unknown > known)
    np.testing.assert_allclose(np.median(unknown), np.hypot(np.median(known), LEVEL_SIGMA / 0.11 * np.median(truth.siemens[0])), rtol=0.4)


def test_what_scatters_more_than_its_noise_enlarges_every_uncertainty() -> None:
    quiet, loud = Truth(), Truth()
    wobble = 1 + 0.005 * np.random.default_rng(1).standard_normal(loud.board.shape[:3])
    loud.board *= wobble[..., None]
    (calm, well, _), (stirred, badly, _) = (fit(each.references(), ROWS, COLUMNS) for each in (quiet, loud))
    assert well.ratio < 1.2 and badly.ratio > 3
    assert np.sqrt(np.diag(stirred.covariance)).mean() > 2 * np.sqrt(np.diag(calm.covariance)).mean()


def test_too_few_readings_make_no_calibration() -> None:
    truth = Truth()
    truth.board[2:] = np.nan
    with pytest.raises(ValueError, match="readings of reference junctions"):
        fit(truth.references(), ROWS, COLUMNS)


def test_noise_shows_in_repeats_and_a_single_one_shows_none() -> None:
    truth = Truth()
    assert _fitted(truth).noise.relative_at(truth.siemens) == pytest.approx(NOISE, rel=0.5)
    once = replace(truth.references(), board_siemens=truth.board[..., :1])
    with pytest.raises(ValueError, match="at least twice"):
        fit(once, ROWS, COLUMNS)


def test_a_calibration_comes_back_from_its_document_and_one_of_another_model_is_refused() -> None:
    truth = Truth()
    calibration, goodness, _ = fit(truth.references(), ROWS, COLUMNS)
    document = to_document(calibration, goodness, truth.references())
    back = from_document(document, calibration.values, calibration.covariance, "c" * 64)
    assert (back.layout, back.noise, back.id) == (calibration.layout, calibration.noise, "c" * 64)
    with pytest.raises(ValueError, match="lines-0"):
        from_document({**document, "model": "lines-0"}, calibration.values, calibration.covariance, "c" * 64)


def test_the_current_of_a_reading_is_found_back_over_the_whole_range() -> None:
    lines = Lines(*(np.full(1, value) for value in (0.03, 1e-6, 2 * STEP_AMPS, 0.0, 0.0, 0.0)))
    amps = np.linspace(-1e-5, FULL_SCALE_AMPS, 50)
    np.testing.assert_allclose(lines.amps(lines.reads(amps)), amps, atol=1e-12)


def test_what_is_known_before_is_what_is_left_where_nothing_was_read() -> None:
    """A column without a reading keeps its prior; the others do not."""
    truth, prior = Truth(), Prior()
    truth.board[truth.columns == 2] = np.nan
    calibration = _fitted(truth)
    sigmas = np.sqrt(np.diag(calibration.covariance))[:COLUMNS]
    assert sigmas[2] == pytest.approx(prior.gain, rel=0.05)
    assert np.delete(sigmas, 2).max() < prior.gain / 2
