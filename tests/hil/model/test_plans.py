"""Plans check themselves, and the station's limits check them again, naming value and limit."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hil.model.lab import LabConfig
from hil.model.plans import PLAN, junctions_in, kernels_of, plan_hash, route
from hil.model.refusals import PlanRefused, check_plan

NOWHERE = {"driver": "none", "address": "none"}
DIES = ((0, 0), (1, 0), (-1, 0), (0, 1), (-3, -1))
LAB = LabConfig.model_validate({"prober": NOWHERE, "smu": NOWHERE, "crossbar": NOWHERE, "wafer": {"dies": DIES}})


def plan(**fields: object) -> object:
    return PLAN.validate_python({"kind": "characterise", "wafer": "W1", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"colour": 1},
        {"kind": "dance"},
        {"read_volts": math.nan},
        {"read_volts": math.inf},
        {"read_volts": 0.0},
        {"read_volts": -0.1},
        {"pulse_s": -1e-9},
        {"max_pulses": 0},
        {"averages": 1.5},
        {"averages": 10**400},
        {"max_pulses": 2**31 + 1},
        {"wafer": "../etc"},
        {"wafer": ""},
        {"path": "wire"},
        {"note": "x" * 2001},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        plan(**fields)


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("read_volts", 9.0, LAB.limits.device_volts),
        ("read_volts", 0.31, LAB.limits.read_volts),
        ("read_volts", 1e-7, LAB.limits.smallest_read_volts),
        ("pulse_volts", 1.01, LAB.limits.device_volts),
        ("pulse_s", 1e-3, LAB.limits.pulse_s),
        ("averages", 1001, LAB.limits.averages),
        ("max_pulses", 21, LAB.limits.max_pulses),
    ],
)
def test_a_plan_beyond_a_limit_is_refused_with_value_and_limit(field: str, value: float, limit: float) -> None:
    with pytest.raises(PlanRefused) as refused:
        check_plan(plan(**{field: value}), LAB)
    assert (refused.value.field, refused.value.value, refused.value.limit) == (field, value, limit)
    assert f"{value:g}" in str(refused.value)
    assert f"{limit:g}" in str(refused.value)


def test_limits_themselves_are_allowed() -> None:
    check_plan(plan(read_volts=LAB.limits.read_volts, pulse_volts=LAB.limits.device_volts, pulse_s=LAB.limits.pulse_s), LAB)


@pytest.mark.parametrize("dies", [[[9, 9]], [], [[0, 0], [0, 0]]])
def test_dies_must_be_known_and_named_once(dies: list[list[int]]) -> None:
    with pytest.raises(PlanRefused, match="die"):
        check_plan(plan(dies=dies), LAB)


@pytest.mark.parametrize("kernels", [[32], [], [1, 1]])
def test_kernels_must_be_known_and_named_once(kernels: list[int]) -> None:
    with pytest.raises(PlanRefused, match="kernel"):
        check_plan(PLAN.validate_python({"kind": "read", "wafer": "W1", "kernels": kernels}), LAB)


@settings(max_examples=50, deadline=None)
@given(st.sets(st.sampled_from(DIES), min_size=1))
def test_a_route_touches_each_die_once_and_turns_at_the_end_of_each_row(dies: set[tuple[int, int]]) -> None:
    path = route(plan(dies=[list(die) for die in dies]), LAB)
    assert set(path) == dies
    assert len(path) == len(dies)
    assert [y for _, y in path] == sorted(y for _, y in path)


def test_all_means_every_die_of_the_lab() -> None:
    assert set(route(plan(), LAB)) == set(DIES)


def test_a_plan_without_kernels_of_its_own_visits_all_and_a_contact_check_none() -> None:
    assert kernels_of(plan(), LAB) == tuple(range(32))
    assert kernels_of(PLAN.validate_python({"kind": "read", "wafer": "W1", "kernels": [3, 1]}), LAB) == (3, 1)
    assert kernels_of(PLAN.validate_python({"kind": "contact_check", "wafer": "W1"}), LAB) == ()


def test_the_hash_tells_plans_apart_and_not_their_spelling() -> None:
    assert plan_hash(plan(read_volts=0.1)) == plan_hash(plan())
    assert plan_hash(plan(read_volts=0.1)) != plan_hash(plan(read_volts=0.2))


# --- single junctions
SWEEP = {"kind": "iv_sweep", "wafer": "W1", "junctions": [[3, 0, 1], [0, 24, 24], [3, 2, 0]]}
SWITCHING = {"kind": "switching", "wafer": "W1", "junctions": [[0, 0, 0]], "pulse_volts": [0.5, -0.6], "pulse_s": [1e-7]}


def single(base: dict[str, object], **fields: object) -> Any:
    return PLAN.validate_python({**base, **fields})


def test_levels_are_a_list_or_evenly_spaced_with_both_ends() -> None:
    assert single(SWEEP, volts=[0, 0.4, 0, -0.4, 0]).levels_volts == (0, 0.4, 0, -0.4, 0)
    assert single(SWEEP, start=-0.5, stop=0.5, points=5).levels_volts == (-0.5, -0.25, 0, 0.25, 0.5)
    with_units = single(SWEEP, start_volts=-0.5, stop_volts=0.5, points=5)
    assert with_units == single(SWEEP, start=-0.5, stop=0.5, points=5)
    assert PLAN.validate_python(with_units.model_dump(mode="json")) == with_units


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"start": 0.1, "stop": 0.2},
        {"start": 0.1, "stop": 0.2, "points": 1},
        {"start": 0.1, "stop": 0.2, "points": 10_001},
        {"volts": []},
        {"volts": [0.1], "points": 3},
        {"volts": [0.1, math.nan]},
        {"volts": [0.1], "junctions": []},
        {"volts": [0.1], "junctions": [[0, 0]]},
        {"volts": [0.1], "junctions": [[0, 0, -1]]},
        {"volts": [0.1], "compliance_amps": 0},
        {"volts": [0.1], "nplc": -1},
        {"volts": [0.1], "path": "board"},
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        single(SWEEP, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"pulse_volts": []},
        {"pulse_volts": [0.5, 0.0]},
        {"pulse_volts": [0.5, 0.5]},
        {"pulse_s": [-1e-7]},
        {"repeats": 0},
        {"reset_volts": -0.8},
    ],
)
def test_a_switching_plan_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        single(SWITCHING, **fields)


@pytest.mark.parametrize(
    ("base", "field", "given", "value", "limit"),
    [
        (SWEEP, "volts", {"volts": [0.1, -1.2, 1.1]}, -1.2, LAB.limits.device_volts),
        (SWEEP, "stop", {"start": 0.0, "stop": -1.01, "points": 3}, -1.01, LAB.limits.device_volts),
        (SWEEP, "compliance_amps", {"volts": [0.1], "compliance_amps": 0.003}, 0.003, LAB.limits.current_amps),
        (SWITCHING, "pulse_volts", {"pulse_volts": [0.5, -1.5]}, -1.5, LAB.limits.device_volts),
        (SWITCHING, "pulse_s", {"pulse_s": [1e-7, 1e-3]}, 1e-3, LAB.limits.pulse_s),
        (SWITCHING, "reset_volts", {"reset_volts": 1.5}, 1.5, LAB.limits.device_volts),
        (SWITCHING, "reset_s", {"reset_s": 1e-3}, 1e-3, LAB.limits.pulse_s),
        (SWITCHING, "max_pulses", {"max_pulses": 21}, 21, LAB.limits.max_pulses),
    ],
)
def test_single_junctions_are_kept_within_the_limits_too(
    base: dict[str, object], field: str, given: dict[str, object], value: float, limit: float
) -> None:
    with pytest.raises(PlanRefused) as refused:
        check_plan(single(base, **given), LAB)
    assert (refused.value.field, refused.value.value, refused.value.limit) == (field, value, limit)
    assert f"{value:g}" in str(refused.value) and f"{limit:g}" in str(refused.value)


@pytest.mark.parametrize(
    ("junctions", "says"), [([[32, 0, 0]], r"\[32, 0, 0\]"), ([[0, 25, 0]], "does not exist"), ([[0, 0, 0], [0, 0, 0]], "twice")]
)
def test_junctions_must_be_on_the_chip_and_named_once(junctions: list[list[int]], says: str) -> None:
    with pytest.raises(PlanRefused, match=says):
        check_plan(single(SWEEP, volts=[0.1], junctions=junctions), LAB)


def test_a_plan_of_more_results_than_an_array_should_have_is_refused() -> None:
    many = [[k, r, c] for k in range(1) for r in range(5) for c in range(25)]
    check_plan(single(SWEEP, start=0, stop=0.1, points=8_000, junctions=many), LAB)
    with pytest.raises(PlanRefused, match=r"1001000 a die, above 1000000"):
        check_plan(single(SWEEP, start=0, stop=0.1, points=8_008, junctions=many), LAB)


def test_only_kernels_that_hold_junctions_are_visited_in_their_order() -> None:
    plan = single(SWEEP, volts=[0.1])
    assert kernels_of(plan, LAB) == (0, 3)
    assert junctions_in(plan, 3) == [0, 2]
    assert junctions_in(plan, 1) == []
