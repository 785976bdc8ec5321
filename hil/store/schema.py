"""Tables of the catalogue. Rule 1: a row makes a thing exist. Rule 2: order is a number the database counts up, never a
clock. Times are UTC text (ISO 8601, Z); a die is two integer columns; JSON columns hold what no query asks for."""

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table

SCHEMA_VERSION = 1
"""Kept in `PRAGMA user_version`. Raise it with every change of a table and add the step that brings old files up. A table more
is no change: it is made when it is missing, and an older release does not see it."""

metadata = MetaData()

wafers = Table(
    "wafers",
    metadata,
    Column("name", String, primary_key=True),
    Column("dies", JSON, nullable=False),
    Column("created_at", String, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("wafer", String, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("plan_hash", String, nullable=False),
    Column("state", String, nullable=False),
    Column("wanted", String),
    Column("done", Integer, nullable=False, default=0),
    Column("total", Integer, nullable=False),
    Column("unit", String, nullable=False),
    Column("requested_by", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("started_at", String),
    Column("ended_at", String),
    Column("error", String),
    Column("wires", JSON, nullable=False),
    # Place in the queue: lowest first. A resumed run takes a place below every other, so that it goes on next.
    Column("place", Integer, nullable=False),
    Index("runs_by_state", "state", "place"),
    sqlite_autoincrement=True,
)

keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", String, primary_key=True),
    Column("body_sha256", String, nullable=False),
    Column("run", String, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
)

steps = Table(
    "steps",
    metadata,
    Column("run", String, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("x", Integer, nullable=False),
    Column("y", Integer, nullable=False),
    Column("kernel", Integer),
    Column("flagged", Integer, nullable=False, default=0),
    Column("done_at", String),
)

step_arrays = Table(
    "step_arrays",
    metadata,
    Column("run", String, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("name", String, primary_key=True),
    Column("npy", LargeBinary, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    # No foreign key: what happened stays told when a queued run is deleted.
    Column("run", String),
    Column("at", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("payload", JSON, nullable=False),
    Index("events_of_run", "run", "number"),
    sqlite_autoincrement=True,
)

maps = Table(
    "maps",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("wafer", String, nullable=False),
    Column("x", Integer, nullable=False),
    Column("y", Integer, nullable=False),
    Column("run", String, ForeignKey("runs.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("state", String),
    Column("object", String, nullable=False),
    Column("line_object", String),
    Column("confidence_object", String),
    Column("measured_at", String, nullable=False),
    Column("meta", JSON, nullable=False),
    Index("maps_newest", "wafer", "kind", "x", "y", "state", "seq"),
    Index("maps_of_run", "run"),
    sqlite_autoincrement=True,
)

map_parts = Table(
    "map_parts",
    metadata,
    Column("map", String, ForeignKey("maps.id"), primary_key=True),
    # uncertainty, uncorrected.
    Column("name", String, primary_key=True),
    Column("object", String, nullable=False),
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    # Serial number, and which calibration of it: 1, 2, ...
    Column("board", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("run", String, ForeignKey("runs.id"), nullable=False),
    Column("made_at", String, nullable=False),
    Column("expires_at", String, nullable=False),
    Column("values_object", String, nullable=False),
    Column("covariance_object", String, nullable=False),
    Column("document", JSON, nullable=False),
    Index("calibrations_of_board", "board", "seq"),
    sqlite_autoincrement=True,
)

station = Table(
    "station",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("snapshot", JSON, nullable=False),
    Column("estop", JSON(none_as_null=True)),
    Column("held", String),
    Column("heartbeat_at", String),
    Column("may_be_on", String),
    Column("resets", Integer, nullable=False, default=0),
    # Highest pulse id handed out or seen on the controller.
    Column("last_pulse_id", Integer, nullable=False, default=0),
)

pulse_intents = Table(
    "pulse_intents",
    metadata,
    Column("first_id", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("run", String),
    Column("wafer", String),
    Column("x", Integer),
    Column("y", Integer),
    Column("pulse_volts", Float, nullable=False),
    Column("pulse_s", Float, nullable=False),
    Column("at", String, nullable=False),
    # {"executed": n, "refused": n, "unknown": n}; null until the fate of every pulse is known.
    Column("outcome", JSON(none_as_null=True)),
)

pulse_sessions = Table(
    "pulse_sessions",
    metadata,
    # Ids from here on, up to the next row, were set aside for this controller, in this session with it.
    Column("first_id", Integer, primary_key=True, autoincrement=False),
    Column("serial", String, nullable=False),
    Column("session", Integer, nullable=False),
)

links = Table(
    "links",
    metadata,
    Column("instrument", String, primary_key=True),
    # What went over its wire in the life of this store; numbers only ever grow.
    Column("counts", JSON, nullable=False),
)

needle_log = Table(
    "needle_log",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", String, nullable=False),
    # touchdown, cleaning, counted (the prober's counter and ours were compared), overtravel (of the prober, lent or given back), alignment
    # (in doubt, or sure again), card (another one was put in).
    Column("kind", String, nullable=False),
    # How often the needles came down for it; 0 where the prober refused to move.
    Column("count", Integer, nullable=False),
    Column("wafer", String),
    Column("x", Integer),
    Column("y", Integer),
    Column("run", String),
    # Which touchdown of its contact: 1, 2, ...
    Column("attempt", Integer),
    # So many of the die, and with the card, with this one: what a trend is drawn over.
    Column("on_die", Integer),
    Column("on_card", Integer),
    # Null until it is known: a touchdown that was cut short keeps it.
    Column("finding", String),
    Column("ohms", Float),
    Column("overtravel_um", Float),
    # The prober's own count afterwards, and whose.
    Column("counter", Integer),
    Column("prober", String),
    Column("by", String),
    Column("text", String),
    Index("needle_log_of_die", "wafer", "x", "y"),
    Index("needle_log_by_kind", "kind", "number"),
    sqlite_autoincrement=True,
)

models = Table(
    "models",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    # sha256 of the checkpoint's bytes, which are an object of the store.
    Column("id", String, nullable=False, unique=True),
    Column("at", String, nullable=False),
    Column("by", String, nullable=False),
    Column("header", JSON, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("report", String),
    sqlite_autoincrement=True,
)

model_evaluations = Table(
    "model_evaluations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("model", String, ForeignKey("models.id"), nullable=False),
    Column("at", String, nullable=False),
    Column("by", String, nullable=False),
    Column("body", JSON, nullable=False),
    Index("evaluations_of_model", "model", "number"),
    sqlite_autoincrement=True,
)

live_requests = Table(
    "live_requests",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("run", String, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("request", JSON, nullable=False),
    Column("at", String, nullable=False),
    # asked, then taken or withdrawn; taken, then answered or refused.
    Column("state", String, nullable=False),
    Column("answer", String),
    Column("meta", JSON(none_as_null=True)),
    Column("error", String),
    Index("live_requests_of_run", "run", "state", "number"),
    sqlite_autoincrement=True,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("secret_sha256", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("last_used_at", String),
    Column("revoked_at", String),
)
