"""Plans check themselves, and the station's limits check them again, naming value and limit."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hil.model.lab import LabConfig
from hil.model.plans import PLAN, PlanRefused, check_plan, kernels_of, plan_hash, route

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
