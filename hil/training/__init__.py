"""Training networks on measured dies. Rule: maps come over HTTP alone; nothing here knows the simulator's truth or the store."""
