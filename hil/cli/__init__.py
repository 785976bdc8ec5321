"""The `hil` command line. Rule: a command reads its words, asks another room and prints; it decides nothing about instruments or data."""
