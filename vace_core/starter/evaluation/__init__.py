"""How well the starter model does its tasks, in numbers and pictures."""

from __future__ import annotations

from .comparison import SPLITS, compare, held_out
from .report import Rival, Row, Score, numbers, table
from .sheet import evaluation_sheet

__all__ = ["SPLITS", "Rival", "Row", "Score", "compare", "evaluation_sheet", "held_out", "numbers", "table"]
