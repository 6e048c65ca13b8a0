"""Puts random faults into the library and runs the tests that meet each: what survives, no test holds."""
