"""How well the starter model does its tasks, in numbers and pictures."""

from __future__ import annotations

from .comparison import SPLITS, compare, held_out
from .report import Rival, Row, Score, numbers, table
from .sheet import sheet_of

__all__ = ["SPLITS", "Rival", "Row", "Score", "compare", "held_out", "numbers", "sheet_of", "table"]
