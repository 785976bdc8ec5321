"""Property tests find the same examples every time, and a busy machine never fails one for being slow."""

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")
