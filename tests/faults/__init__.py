"""The faults that the link must survive, by number, each with its promised outcome in its name, on both ends where a board takes part.

1 to 4, 6, 8, 9, 14, 15, 16, 21: bytes and virtual time. 5, 7, 10, 11, 13, 22: the driver on sockets and pseudo-terminals.
12, 17 to 20: the service and its store.
"""
