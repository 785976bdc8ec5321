"""The OpenAPI document itself."""

from typing import Any

from fastapi import APIRouter, Request

from hil.api.auth import Reader
from hil.api.problems import documented

router = APIRouter(tags=["document"])


@router.get("/openapi.json", responses=documented())
async def openapi(request: Request, _: Reader) -> dict[str, Any]:
    """This document."""
    return request.app.openapi()
