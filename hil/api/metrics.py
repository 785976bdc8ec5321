"""Prometheus figures, read from the store when asked. Rule: nothing is counted in memory, so a restart loses nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hil.api.context import Services
from hil.api.views import worker_alive
from hil.model.runs import RunState
from hil.store.protocol import Store
from hil.store.records import RunRecord

PAGE = 1000
WIRE_COUNTS = ("sent", "received", "errors", "retransmitted")
LINK_COUNTS = {
    "sent": ("frames_sent", "frames, SCPI messages or prober commands sent"),
    "received": ("frames_received", "frames, SCPI messages or prober replies received"),
    "errors": ("errors", "what came and could not be used, whatever the reason"),
    "retransmitted": ("frames_retransmitted", "frames sent again because no answer came in time"),
    "late": ("late_replies", "answers that nobody waited for any more"),
    "naks": ("naks", "frames the other end asked for because they were missing"),
    "timeouts": ("timeouts", "answers that did not come in time"),
    "reconnects": ("reconnects", "times the link was opened anew"),
}
"""Count of a link -> name of its figure, and what it says. Names in the store are those of drivers.values.WireCounts."""
REJECTED = "rejected_"


def registry_of(services: Services) -> CollectorRegistry:
    """A registry of its own per app: two apps in one process never share a figure."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StoreCollector(services))
    return registry


def every_run(store: Store) -> Iterator[RunRecord]:
    """All runs, newest first, a page at a time."""
    before: str | None = None
    while page := store.runs(limit=PAGE, before=before):
        yield from page
        before = page[-1].id


class StoreCollector(Collector):
    """Turns rows into figures at each scrape."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        runs = list(every_run(self._services.store))
        yield _runs_by_state(runs)
        yield _wire_messages(runs)
        yield from _links(self._services.store.links())
        yield self._newest_maps()
        yield from self._switches()
        yield from self._card()

    def _newest_maps(self) -> Metric:
        store = self._services.store
        figure = GaugeMetricFamily("hil_dies_measured", "dies with a newest map of this kind", labels=["wafer", "kind"])
        for wafer in store.wafers():
            for kind in ("conductance", "defects"):
                figure.add_metric([wafer.name, kind], len(store.newest_maps(wafer.name, kind)))
        return figure

    def _switches(self) -> Iterator[Metric]:
        station = self._services.store.station()
        yield GaugeMetricFamily("hil_worker_alive", "1 while the worker reports", value=worker_alive(station, self._services.now()))
        yield GaugeMetricFamily("hil_estop_latched", "1 while the emergency stop is latched", value=station.estop is not None)
        may_be_on = station.may_be_on is not None
        yield GaugeMetricFamily("hil_output_may_be_on", "1 while the SMU's output could not be verified off", value=may_be_on)
        yield GaugeMetricFamily("hil_queue_held", "1 while a failed run holds the queue", value=station.held is not None)
        yield CounterMetricFamily("hil_events", "events written so far", value=self._services.store.last_event())

    def _card(self) -> Iterator[Metric]:
        card = self._services.store.card()
        yield GaugeMetricFamily("hil_card_touchdowns", "touchdowns with the probe card", value=card.touchdowns)
        yield GaugeMetricFamily("hil_card_touchdowns_since_cleaning", "of those, since its last cleaning", value=card.since_cleaning)


def _runs_by_state(runs: list[RunRecord]) -> Metric:
    figure = GaugeMetricFamily("hil_runs", "runs by state", labels=["state"])
    numbers = Counter(run.state for run in runs)
    for state in RunState:
        figure.add_metric([state.value], numbers[state])
    return figure


def _wire_messages(runs: list[RunRecord]) -> Metric:
    """Summed over runs. `what` retransmitted is the link's retransmits."""
    figure = CounterMetricFamily("hil_wire_messages", "messages over the wires, all runs", labels=["wire", "what"])
    totals: Counter[tuple[str, str]] = Counter()
    for run in runs:
        for wire, counts in run.wires.items():
            totals.update({(wire, what): int(counts.get(what) or 0) for what in WIRE_COUNTS})
    for (wire, what), number in sorted(totals.items()):
        figure.add_metric([wire, what], number)
    return figure


def _links(links: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    """Of all instruments, also outside of runs. More than one frame in a thousand sent again is a bad cable: an alarm."""
    for count, (name, text) in LINK_COUNTS.items():
        figure = CounterMetricFamily(f"hil_link_{name}", text, labels=["instrument"])
        for instrument, counts in sorted(links.items()):
            figure.add_metric([instrument], int(counts.get(count) or 0))
        yield figure
    rejected = CounterMetricFamily("hil_link_frames_rejected", "frames that were damaged, by how", labels=["instrument", "reason"])
    for instrument, counts in sorted(links.items()):
        for name in sorted(name for name in counts if name.startswith(REJECTED)):
            rejected.add_metric([instrument, name.removeprefix(REJECTED)], int(counts[name]))
    yield rejected
