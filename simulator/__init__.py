"""The pretended lab: physics, words, bytes; time is an argument. Shares only firmware_protocol with the rest."""
