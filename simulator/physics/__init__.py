"""Junctions, defects, dies, wafers. Pure numbers: no instrument, no clock."""
