"""One script per promise: `python -m benchmarks.NAME` prints its figure beside the bound or the peer, in one run."""
