"""The page of a table: every method's figures, in pairs, in one file."""

import re
from dataclasses import replace

import numpy as np

from hil.report.training_report import Sensitivity, TableData, training_page


def data() -> TableData:
    rng = np.random.default_rng(1)
    errors = {"10x-0.3": {name: mean + rng.random((3, 12)) for name, mean in (("conventional", 20.0), ("placed", 3.0))}}
    losses = {"software": np.geomspace(0.1, 5, 3)[:, None] * (1 + rng.random((3, 4)))}
    growth = np.full((32, 25, 25), np.nan, np.float32)
    growth[:20] = rng.random((20, 25, 25))
    found = Sensitivity(
        (0, 1, 10), losses, {"software": 10 * losses["software"]}, {"software": 0.123}, {"software: one short": growth}, 640
    )
    seconds = {("10x-0.3", "placed"): 19.0}
    curves = {("10x-0.3", "placed"): [1.0, 0.5]}
    return TableData(
        "100-76-10x3 <b>",
        10_000,
        errors,
        {"10x-0.3": 2.9},
        {"placed": "placement"},
        seconds,
        curves,
        found,
        ["one seed left out"],
        origins={"10x-0.3": "simulated; seed=7"},
    )


def test_the_page_holds_every_methods_figures_and_what_they_stand_on() -> None:
    page = training_page(data())
    for text in (
        "conventional",
        "Origin of the maps: simulated; seed=7.",
        "placed",
        "one seed left out",
        "12 dies, 3 seeds",
        "placement",
        "0.1230",
    ):
        assert text in page
    row = re.search(r"<tr><td>placed</td>(.*?)</tr>", page)
    assert row is not None
    mean = float(data().errors["10x-0.3"]["placed"].mean())
    assert f"{mean:.2f}" in row[1]
    assert f"{mean - 2.9:+.2f}" in row[1]
    assert "p (Wilcoxon, dies)" in page
    assert "Means over 4 random dies a count; the first 640 test images" in page


def test_networks_side_by_side_are_each_held_against_their_own_software_network() -> None:
    one = data()
    both = {"10x-0.3, a": one.errors["10x-0.3"], "10x-0.3, b": one.errors["10x-0.3"]}
    page = training_page(replace(one, errors=both, baseline_percent={"10x-0.3, a": 2.9, "10x-0.3, b": 1.4}, curves={}, sensitivity=None))
    mean = float(one.errors["10x-0.3"]["placed"].mean())
    for baseline in (2.9, 1.4):
        assert f"{mean - baseline:+.2f}" in page
    assert "software on ideal devices 2.90 %, 1.40 %" in page


def test_the_page_needs_nothing_else_and_escapes_what_it_is_given() -> None:
    page = training_page(data())
    assert page.count("data:image/png;base64,") == 5
    assert "<script" not in page
    assert "http" not in page
    assert "10x3 &lt;b&gt;" in page


def test_the_same_data_give_the_same_page() -> None:
    assert training_page(data()) == training_page(data())
