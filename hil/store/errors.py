"""What the store raises."""


class StoreError(Exception):
    """Base of what the store raises."""


class NotFound(StoreError):
    """No such row or object; the text names it."""


class KeyConflict(StoreError):
    """An Idempotency-Key was used before with another body."""


class Corrupt(StoreError):
    """An object's bytes no longer match their hash."""


class Unwritable(StoreError):
    """The data directory cannot be written: disk full, read-only, no permission, or held by another program for too long.
    Nothing was changed."""


class PulseIdsExhausted(StoreError):
    """The link's 32-bit pulse numbers are used up; the store refuses rather than wrap round."""
