"""How the station was left when the service ended: told in the journal by whoever left it, read by who has to answer for it.

Rule: safe is what was verified by the worker's last report or after it. Nobody's report is no safety."""

from collections.abc import Mapping

from hil.store.protocol import Store

LEFT = "left"
WORKER, WATCHDOG = "worker", "watchdog"
INSTRUMENTS = ("smu", "crossbar", "prober")
SAFE = "safe"
SEPARATING = "separating"
"""Said of the prober until the chuck is down."""


def tell_left(store: Store, by: str, outcome: Mapping[str, str]) -> None:
    """by: WORKER, whose report is its last deed, or WATCHDOG. outcome: instrument -> "safe" or what went wrong."""
    text = "; ".join(f"{name}: {said}" for name, said in outcome.items())
    store.note(LEFT, f"the {by} left the station: {text}", {"by": by, "outcome": dict(outcome)})


def last_outcome(store: Store, after: int) -> dict[str, str] | None:
    """What is known since event `after`; None when nobody told."""
    known: dict[str, str] | None = None
    worker_has_ended = False
    while page := store.events(after):
        after = page[-1].number
        for told in (event.payload["data"] for event in page if event.kind == "station" and event.payload["what"] == LEFT):
            outcome: dict[str, str] = told["outcome"]
            # After the worker's last word nothing is switched on any more: what it verified stays verified.
            kept = known if worker_has_ended and known is not None else {}
            known = {name: SAFE if kept.get(name) == SAFE else text for name, text in outcome.items()}
            worker_has_ended |= told["by"] == WORKER
    return known


def same(one: Mapping[str, str] | None, other: Mapping[str, str] | None) -> bool:
    """Whether two outcomes say the same of every instrument; how a failure is worded, its times and ports, is no news."""
    return _verdicts(one) == _verdicts(other)


def _verdicts(outcome: Mapping[str, str] | None) -> dict[str, str] | None:
    if outcome is None:
        return None
    return {name: text if text in (SAFE, SEPARATING) else "failed" for name, text in outcome.items()}


def unsafe(outcome: Mapping[str, str] | None) -> str | None:
    """One line naming every instrument not verified safe; None when all are."""
    known = outcome or dict.fromkeys(INSTRUMENTS, "nobody told")
    failed = [f"{name}: {text}" for name, text in known.items() if text != SAFE]
    return "; ".join(failed) or None
