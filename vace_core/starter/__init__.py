"""The small model that ships with the pack, and the synthetic world it learned from."""
