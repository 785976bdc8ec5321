"""The probe card over REST: its wear, and what an operator says he did about it."""

import httpx
import pytest

from hil.store.records import Touch
from tests.support.service import Service, running_run

CARD = "/api/v1/station/card"


def touched(service: Service, *ohms: float) -> None:
    log = service.store.needle_log()
    log.at("W1", "r1")
    for counter, each in enumerate(ohms, 1):
        log.made(log.book((-3, 0), counter), Touch(counter, "contact", each))


def test_the_card_shows_what_is_left_of_its_budgets(service: Service, http: httpx.Client) -> None:
    touched(service, 8.0, 9.0)
    body = http.get(CARD).json()
    assert (body["name"], body["touchdowns"], body["left"]) == ("first card", 2, 99_998)
    assert (body["since_cleaning"], body["left_before_cleaning"], body["counter"]) == (2, 998, 2)
    assert http.get("/api/v1/station").json()["card"] == body


def test_another_card_is_said_by_an_operator_and_begins_at_nothing(service: Service, http: httpx.Client) -> None:
    touched(service, 8.0)
    body = http.post(CARD, json={"name": "Q-114"}).json()
    assert (body["name"], body["by"], body["touchdowns"]) == ("Q-114", "operate-token", 0)
    assert http.get(CARD).json() == body


def test_cleaned_needles_are_said_by_an_operator(service: Service, http: httpx.Client) -> None:
    touched(service, 8.0)
    body = http.post(CARD + "/cleaned").json()
    assert (body["touchdowns"], body["since_cleaning"]) == (1, 0)


@pytest.mark.parametrize("path", [CARD, CARD + "/cleaned"])
def test_nobody_changes_or_cleans_a_card_while_a_run_runs_or_without_being_an_operator(service: Service, path: str) -> None:
    with service.client("read") as reader:
        assert reader.post(path, json={"name": "Q"}).status_code == 403
    running_run(service.store)
    with service.client() as http:
        refused = http.post(path, json={"name": "Q"})
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert "pause it first" in refused.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 101}, {"name": "Q", "touchdowns": 3}])
def test_a_card_has_a_name_and_nothing_else(http: httpx.Client, body: dict[str, object]) -> None:
    assert http.post(CARD, json=body).status_code == 422


def test_the_station_shows_the_trend_and_a_wafer_each_dies_last_contact(service: Service, http: httpx.Client) -> None:
    http.put("/api/v1/wafers/W1")
    touched(service, 8.0, 9.5)
    trend = http.get("/api/v1/station").json()["contact_trend"]
    assert [(each["die"], each["ohms"], each["touchdowns"], each["on_die"], each["wafer"]) for each in trend] == [
        ([-3, 0], 8.0, 1, 1, "W1"),
        ([-3, 0], 9.5, 2, 2, "W1"),
    ]
    dies = {(die["x"], die["y"]): die for die in http.get("/api/v1/wafers/W1").json()["dies"]}
    assert (dies[-3, 0]["touchdowns"], dies[-3, 0]["contact_ohms"], dies[-3, 0]["contact"]) == (2, 9.5, "contact")
    assert (dies[0, 0]["touchdowns"], dies[0, 0]["contact_ohms"], dies[0, 0]["contact"]) == (0, None, None)


def test_wear_can_be_watched_with_the_other_figures(service: Service, http: httpx.Client) -> None:
    touched(service, 8.0, 9.0)
    service.store.card_cleaned("anna")
    lines = http.get("/metrics").text.splitlines()
    assert "hil_card_touchdowns 2.0" in lines and "hil_card_touchdowns_since_cleaning 0.0" in lines
