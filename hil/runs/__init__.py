"""Runs: from a plan to stored maps. `submit` and `supervisor` import no driver; the web process uses those two alone."""
