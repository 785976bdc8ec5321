"""Trained networks as they were handed in: a checkpoint is a file named by its sha256, with what its header says; what was found of
it since, evaluations and a report, stands beside it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select

from hil.store import schema
from hil.store.errors import NotFound
from hil.store.records import EvaluationRecord, ModelRecord
from hil.store.shelf import Shelf

_models, _evaluations = schema.models, schema.model_evaluations


def _record(row: Row[Any]) -> ModelRecord:
    return ModelRecord(row.id, row.at, row.by, row.header, row.size_bytes, row.report)


def _find(connection: Connection, model_id: str) -> Row[Any]:
    row = connection.execute(select(_models).where(_models.c.id == model_id)).one_or_none()
    if row is None:
        raise NotFound(f"model {model_id[:80]} does not exist; GET /api/v1/models lists those that do")
    return row


class Models(Shelf):
    def put_model(self, data: bytes, header: Mapping[str, Any], by: str) -> ModelRecord:
        """See Store."""
        sha256 = self._objects.put(data)
        with self._db.write() as connection:
            if connection.execute(select(_models.c.id).where(_models.c.id == sha256)).first() is None:
                values = {"id": sha256, "at": self._now(), "by": by, "header": dict(header), "size_bytes": len(data)}
                connection.execute(_models.insert().values(values))
            return _record(_find(connection, sha256))

    def model(self, model_id: str) -> ModelRecord:
        """See Store."""
        with self._db.read() as connection:
            return _record(_find(connection, model_id))

    def models(self, limit: int = 100, before: str | None = None) -> list[ModelRecord]:
        """See Store."""
        query = select(_models).order_by(_models.c.seq.desc()).limit(limit)
        with self._db.read() as connection:
            if before is not None:
                query = query.where(_models.c.seq < _find(connection, before).seq)
            return [_record(row) for row in connection.execute(query)]

    def put_report(self, model_id: str, page: bytes) -> ModelRecord:
        """See Store."""
        with self._db.read() as connection:
            _find(connection, model_id)
        report = self._objects.put(page)
        with self._db.write() as connection:
            connection.execute(_models.update().where(_models.c.id == model_id).values(report=report))
            return _record(_find(connection, model_id))

    def add_evaluation(self, model_id: str, body: Mapping[str, Any], by: str) -> EvaluationRecord:
        """See Store."""
        with self._db.write() as connection:
            _find(connection, model_id)
            at = self._now()
            connection.execute(_evaluations.insert().values(model=model_id, at=at, by=by, body=dict(body)))
            return EvaluationRecord(at, by, dict(body))

    def evaluations(self, model_id: str) -> list[EvaluationRecord]:
        """See Store."""
        query = select(_evaluations).where(_evaluations.c.model == model_id).order_by(_evaluations.c.number)
        with self._db.read() as connection:
            _find(connection, model_id)
            return [EvaluationRecord(row.at, row.by, row.body) for row in connection.execute(query)]
