"""Dies and wafers: drawn from seeds alone, with the defects their preset promises."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.geometry import Geometry
from simulator.fast import wafer_maps
from simulator.physics.defects import column_lines, row_lines
from simulator.physics.die import GOOD, OPEN, SHORT, STUCK_AP, STUCK_P, Die, Spread, classes
from simulator.physics.fab import PRESETS, Fab, FabError, load_fab
from simulator.physics.wafer import Wafer, nearest_dies, whole_map
from tests.simulator.worlds import SEED


def clean_die(seed: int = 1, **changes: float) -> Die:
    return Die(Fab(**{**vars(PRESETS["clean"]), **changes}), Geometry(), Spread(), np.random.default_rng(seed))


def codes_of(die: Die) -> list[int]:
    return sorted({int(code) for code in np.unique(die.true_classes())})


def test_the_wafer_has_36_dies_in_rows_of_4_6_8_8_6_4() -> None:
    rows = [len(list(group)) for _, group in itertools.groupby(whole_map(), key=lambda die: die[1])]
    assert rows == [4, 6, 8, 8, 6, 4]
    assert (0, 0) in whole_map() and (-3, 0) in whole_map() and len(set(whole_map())) == 36


@given(st.integers(1, 36))
@settings(max_examples=36, deadline=None)
def test_any_number_of_dies_includes_the_home_die_and_is_part_of_the_wafer(count: int) -> None:
    dies = nearest_dies(count)
    assert len(dies) == count and (0, 0) in dies and set(dies) <= set(whole_map())
    assert list(dies) == sorted(dies, key=lambda die: (die[1], die[0]))


@pytest.mark.parametrize("count", [0, 37])
def test_a_wafer_of_no_or_too_many_dies_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} dies asked for; the wafer has 1 to 36"):
        nearest_dies(count)


def test_a_die_is_the_same_in_whatever_order_it_is_made() -> None:
    forward, backward = Wafer(SEED, PRESETS["default"]), Wafer(SEED, PRESETS["default"])
    for index in ((0, 0), (-3, 0), (3, -1)):
        forward.die(index)
    for index in ((3, -1), (-3, 0), (0, 0)):
        ours, theirs = forward.die(index), backward.die(index)
        assert np.array_equal(ours.cell_siemens(True, 0.1), theirs.cell_siemens(True, 0.1))
        assert np.array_equal(ours.state_p, theirs.state_p)


FINGERPRINT = """
import hashlib
import numpy as np
from simulator.board import Board
from simulator.fast import read_die
from simulator.physics.fab import PRESETS
from simulator.physics.wafer import Wafer
die = Wafer(7, PRESETS["harsh"]).die((-1, 2))
rng = np.random.default_rng(1)
die.pulse(np.arange(20_000), 0.5, 1e-7, rng)
die.pass_time(1e6)
die.pulse(np.arange(20_000), -0.5, 1e-7, rng)
print(hashlib.sha256(read_die(die, Board(7, 25), rng).tobytes() + die.state_p.tobytes()).hexdigest())
"""


def test_a_seed_means_the_same_bits_in_every_process() -> None:
    ask = [sys.executable, "-c", FINGERPRINT]
    found = [
        subprocess.run(ask, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, timeout=60, check=True).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1] and len(found[0]) == 65


def test_another_seed_is_another_wafer_and_another_die_another_die() -> None:
    wafer = Wafer(SEED, PRESETS["default"])
    here = wafer.die((0, 0)).cell_siemens(True, 0.1)
    assert not np.allclose(here, wafer.die((1, 0)).cell_siemens(True, 0.1))
    assert not np.allclose(here, Wafer(SEED + 1, PRESETS["default"]).die((0, 0)).cell_siemens(True, 0.1))


def test_an_unknown_die_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match=r"die \(9, 9\) is not on the wafer map of 36 dies"):
        Wafer(SEED, PRESETS["clean"]).die((9, 9))


def test_a_clean_die_has_good_junctions_only_with_the_spread_of_its_fab() -> None:
    die = clean_die()
    assert codes_of(die) == [GOOD]
    parallel = die.cell_siemens(True, 0.1)
    assert parallel.mean() == pytest.approx(335e-6, rel=0.02)
    assert 0.02 < parallel.std() / parallel.mean() < 0.06


@pytest.mark.parametrize(
    ("rate", "code"), [("short_rate", SHORT), ("open_rate", OPEN), ("stuck_p_rate", STUCK_P), ("stuck_ap_rate", STUCK_AP)]
)
def test_each_kind_of_defect_is_classed_as_itself(rate: str, code: int) -> None:
    codes = clean_die(**{rate: 0.01, "short_rate_shape": 1e6}).true_classes()
    assert np.count_nonzero(codes == code) == pytest.approx(200, rel=0.35)
    assert np.count_nonzero((codes != code) & (codes != GOOD)) == 0


def test_a_weak_barrier_is_low_tmr_or_stuck_never_good() -> None:
    codes = clean_die(weak_rate=0.02).true_classes()
    assert np.count_nonzero(codes == 5) > 100 and np.count_nonzero(codes == SHORT) == 0


@pytest.mark.parametrize(("preset", "low", "high"), [("clean", 0, 0), ("paper-like", 14, 26), ("default", 38, 60), ("harsh", 130, 280)])
def test_a_preset_has_about_as_many_shorts_per_die_as_it_says(preset: str, low: float, high: float) -> None:
    wafer = Wafer(SEED, PRESETS[preset])
    shorts = [np.count_nonzero(wafer.die(index).true_classes() == SHORT) for index in wafer.dies]
    assert low <= np.mean(shorts) <= high


def test_dies_differ_in_their_shorts_more_than_chance_would_have_it() -> None:
    wafer = Wafer(SEED, PRESETS["default"])
    shorts = np.array([np.count_nonzero(wafer.die(index).true_classes() == SHORT) for index in wafer.dies])
    assert shorts.var() > 3 * shorts.mean()


def test_an_open_row_line_takes_both_column_halves_and_an_open_column_all_four_row_groups() -> None:
    rows, columns = row_lines(Geometry()), column_lines(Geometry())
    assert {int(kernel) for kernel in np.unique(np.argwhere(rows == rows[0, 3, 0])[:, 0])} == {0, 4}
    assert {int(kernel) for kernel in np.unique(np.argwhere(columns == columns[12, 0, 7])[:, 0])} == {12, 13, 14, 15}
    assert len(np.unique(rows)) == 400 and len(np.unique(columns)) == 200
    open_row = clean_die(row_opens=3.0, seed=3).true_classes() == OPEN
    assert open_row.sum() % 50 == 0 and open_row.sum() > 0


def test_classes_of_a_die_without_a_good_junction_do_not_fail() -> None:
    siemens = np.full((1, 2, 2), 1e-9)
    assert classes(siemens, siemens).shape == (1, 2, 2)


def test_writing_a_die_twice_writes_every_good_junction() -> None:
    die = Wafer(SEED, PRESETS["default"]).die((0, 0))
    rng, good = np.random.default_rng(0), die.true_classes() == GOOD
    for volts, state_p in ((0.8, True), (-0.8, False)):
        for _ in range(5):
            die.pulse(np.arange(20_000), volts, 1e-7, rng)
        # Partial pinholes take the voltage from the barrier: a few cannot be written though their states differ.
        assert np.count_nonzero(die.state_p[good] != state_p) < 20


def test_stuck_junctions_stay_whatever_is_written() -> None:
    die = clean_die(stuck_p_rate=0.01, stuck_ap_rate=0.01)
    codes, rng = die.true_classes(), np.random.default_rng(0)
    for volts in (0.9, -0.9):
        die.pulse(np.arange(20_000), volts, 1e-6, rng)
        assert die.state_p[codes == STUCK_P].all() and not die.state_p[codes == STUCK_AP].any()


def test_a_device_named_twice_is_pulsed_twice_and_others_not_at_all() -> None:
    die = clean_die(stability_sigma=0.0)
    die.state_p[:] = False
    weak = 0.47  # about one chance in two per pulse
    die.pulse(np.repeat(np.arange(1000), 2), weak, 1e-7, np.random.default_rng(0))
    twice = die.state_p.reshape(-1)[:1000].mean()
    die.state_p[:] = False
    die.pulse(np.arange(1000), weak, 1e-7, np.random.default_rng(0))
    once = die.state_p.reshape(-1)[:1000].mean()
    assert 0.05 < once < twice < 1.0
    assert not die.state_p.reshape(-1)[1000:].any()


def test_too_much_voltage_breaks_a_junction_for_good() -> None:
    die = clean_die()
    die.pulse(np.arange(100), 4.0, 1e-3, np.random.default_rng(0))
    codes = die.true_classes().reshape(-1)
    assert (codes[:100] == SHORT).all() and (codes[100:] == GOOD).all()


def test_averaging_reduces_the_noise_of_a_read_by_the_square_root() -> None:
    die, rng = clean_die(), np.random.default_rng(0)
    truth = die.read(0, 0.1, 10**9, 1e-6, rng)
    single, averaged = (np.std([die.read(0, 0.1, count, 1e-6, rng) / truth for _ in range(40)]) for count in (1, 16))
    assert single / averaged == pytest.approx(4.0, rel=0.1)


def test_a_strong_read_disturbs_antiparallel_junctions_only() -> None:
    die, rng = clean_die(), np.random.default_rng(0)
    die.state_p[0], die.state_p[1] = False, True
    for kernel in (0, 1):
        die.read(kernel, 0.6, 1, 1e-3, rng)
    assert die.state_p[0].mean() > 0.5 and die.state_p[1].all()


def test_the_wire_free_wafer_agrees_with_truth_within_the_boards_errors() -> None:
    wafer = Wafer(SEED, PRESETS["default"], nearest_dies(2))
    siemens_p, siemens_ap = wafer_maps(wafer, seed=1)
    assert siemens_p.shape == siemens_ap.shape == (2, 32, 25, 25) and siemens_p.dtype == np.float32
    for index, measured in zip(wafer.dies, siemens_p, strict=True):
        error = measured - wafer.die(index).cell_siemens(True, 0.1)
        assert np.abs(error).mean() < 10e-6
    assert np.array_equal(siemens_p, wafer_maps(Wafer(SEED, PRESETS["default"], nearest_dies(2)), seed=1)[0])


def test_a_fab_file_changes_what_it_names_and_keeps_the_rest(tmp_path) -> None:
    toml, as_json = tmp_path / "fab.toml", tmp_path / "fab.json"
    toml.write_text('base = "clean"\nshort_rate = 0.01\n')
    as_json.write_text('{"base": "clean", "short_rate": 0.01}')
    for file in (toml, as_json):
        fab = load_fab(str(file))
        assert fab.short_rate == 0.01 and fab.open_rate == 0.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shortrate = 0.1", "unknown parameter 'shortrate'"),
        ("short_rate = 2.0", "short_rate is 2; a probability is at most 1"),
        ("short_rate = -1", "short_rate is -1.0; it must be a finite number, 0 or more"),
        ("short_rate = nan", "short_rate is nan"),
        ("diameter_nm = 0", "diameter_nm is 0; it must be above 0"),
        ('tmr = "big"', "tmr is 'big'; it must be a number"),
        ('base = "dirty"', "base is 'dirty'; the presets are clean"),
        ("short_ohms_low = 400", "short_ohms_low 400 is above short_ohms_high 300"),
        ("short_rate = = 1", "cannot be read as TOML"),
    ],
)
def test_a_wrong_fab_file_is_refused_naming_file_key_and_value(tmp_path, text: str, message: str) -> None:
    file = tmp_path / "fab.toml"
    file.write_text(text)
    with pytest.raises(FabError) as refused:
        load_fab(str(file))
    assert message in str(refused.value) and str(file) in str(refused.value)


def test_an_unknown_preset_is_refused_naming_the_presets() -> None:
    with pytest.raises(FabError, match="dirty: neither a preset"):
        load_fab("dirty")
