"""How well the starter model does its tasks, in numbers and pictures."""

from __future__ import annotations

from .report import Rival, Row, Score, numbers, table
from .sheet import evaluation_sheet
from .starter import evaluate

__all__ = ["Rival", "Row", "Score", "evaluate", "evaluation_sheet", "numbers", "table"]
