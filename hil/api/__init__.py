"""REST over the store. Rule: nothing here talks to an instrument; a wish goes into the store as a row, and the worker acts on it."""
