"""The probe card: how much it has worn, and what an operator did about it. Rule: that is said, never guessed, and not while a run runs."""

from collections.abc import Callable

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from hil.api.auth import Operator, Reader, who
from hil.api.context import Context, Services
from hil.api.models import Card, CardBody
from hil.api.problems import Problem, documented
from hil.api.strict import StrictRoute
from hil.api.views import card_view
from hil.model.runs import RunState
from hil.store.records import CardRecord

NEWEST = 1000
router = APIRouter(prefix="/station/card", tags=["station"], route_class=StrictRoute)


@router.get("", responses=documented())
async def get_card(context: Context, _: Reader) -> Card:
    """Touchdowns of the probe card, since its last cleaning, and how many are left of the budgets."""
    return card_view(await run_in_threadpool(context.store.card), context.lab.limits)


@router.post("", responses=documented(400, 409, 413, 415, 422, 507))
async def new_card(context: Context, token: Operator, body: CardBody) -> Card:
    """Another probe card was put in: its touchdowns are counted from nothing. 409 while a run is running."""
    return await run_in_threadpool(_act, context, lambda: context.store.new_card(who(token), body.name))


@router.post("/cleaned", responses=documented(409, 507))
async def card_cleaned(context: Context, token: Operator) -> Card:
    """Somebody cleaned the needles by hand: the interval to the next cleaning begins anew. 409 while a run is running."""
    return await run_in_threadpool(_act, context, lambda: context.store.card_cleaned(who(token)))


def _act(services: Services, act: Callable[[], CardRecord]) -> Card:
    running = next((run.id for run in services.store.runs(limit=NEWEST) if run.state is RunState.RUNNING), None)
    if running is not None:
        raise Problem(409, f"run {running} is running: nobody has the probe card in hand; pause it first (hil pause {running})")
    return card_view(act(), services.lab.limits)
