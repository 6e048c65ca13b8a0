"""The fault list of the node pack: one measured number for each row. `../reliability.py` runs it."""
