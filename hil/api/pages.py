"""Paging by `?limit=&cursor=`. A cursor is the key of the last item of the page before: stable while items are added."""

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=1000, description="items on the page")]


def page_by_key(items: Sequence[Item], key: Callable[[Item], str], limit: int, cursor: str | None) -> tuple[list[Item], str | None]:
    """One page of items sorted by key, and the cursor of the next; None on the last page."""
    rest = [item for item in items if cursor is None or key(item) > cursor]
    return rest[:limit], key(rest[limit - 1]) if len(rest) > limit else None


def page_newest_first(fetched: Sequence[Item], key: Callable[[Item], str], limit: int) -> tuple[list[Item], str | None]:
    """Of limit + 1 items fetched: the page, and the cursor of the next when there was one more."""
    return list(fetched[:limit]), key(fetched[limit - 1]) if len(fetched) > limit else None
