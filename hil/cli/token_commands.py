"""`hil token`: tokens are made and revoked on the store itself, so that no service has to run and none can be asked."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from hil.cli.options import AsJson, CommandFailed, Data, data_dir
from hil.cli.output import aligned, emit
from hil.store import open_store
from hil.store.database import FILE_NAME
from hil.store.protocol import Store
from hil.store.records import TokenRecord

tokens = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, list and revoke tokens.")


@contextmanager
def _store(data: Data, create: bool = False) -> Generator[Store, None, None]:
    """create: make the store where there is none. Raises CommandFailed when there is none or the directory cannot be made,
    StoreError when it is no store."""
    directory = data_dir(data)
    if not create and not (directory / FILE_NAME).exists():
        raise CommandFailed(f"--data {directory}: there is no store; give the directory that `hil serve` uses")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandFailed(f"--data {directory}: {error.strerror}") from error
    store = open_store(directory)
    try:
        yield store
    finally:
        store.close()


@tokens.command(epilog="Example: hil token create --scope operate --name bench --data hil-data")
def create(
    scope: Annotated[Literal["read", "operate", "admin"], typer.Option(help="What it allows; each contains the one before.")],
    name: Annotated[str, typer.Option(help="Who or what will use it.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. It is shown once; the store keeps only its hash."""
    with _store(data, create=True) as store:
        record, token = store.create_token(scope, name)
    emit(as_json, {"id": record.id, "token": token, "scope": record.scope}, f"{token}\nexport HIL_TOKEN={token}  # scope {record.scope}")


@tokens.command("list", epilog="Example: hil token list --data hil-data")
def list_tokens(data: Data = None, as_json: AsJson = False) -> None:
    """Tokens, without their secrets."""
    with _store(data) as store:
        found = store.tokens()
    rows = [["id", "scope", "name", "created", "last used", "state"], *map(_cells, found)]
    emit(as_json, [asdict(record) for record in found], aligned(rows) if found else "no tokens; `hil token create --scope read` makes one")


def _cells(record: TokenRecord) -> list[str]:
    state = "valid" if record.revoked_at is None else f"revoked {record.revoked_at}"
    return [record.id, record.scope, record.name, record.created_at, record.last_used_at or "never", state]


@tokens.command(epilog="Example: hil token revoke 3k9x2m1a --data hil-data")
def revoke(token_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)], data: Data = None, as_json: AsJson = False) -> None:
    """Make a token invalid at once."""
    with _store(data) as store:
        record = store.revoke_token(token_id)
    emit(as_json, asdict(record), f"token {record.id} ({record.name}) revoked at {record.revoked_at}")
