"""Files made hostile by rule: each is read, or refused in a sentence."""

from __future__ import annotations

import mutants
import pytest

import vace_core
from vace_core.errors import VaceError

COUNT = 100  # the first of the 300 that benchmarks/hostile_files.py also gives to ComfyUI


def test_every_hostile_file_is_read_or_refused_in_a_sentence(tmp_path):
    cryptic, kinds = {}, set()
    for mutant in mutants.mutants(tmp_path, COUNT):
        kinds.add(mutant.kind)
        try:
            mutants.read(mutant, vace_core)
        except VaceError as error:
            if len(str(error)) > 3000 or not str(error).endswith("."):
                cryptic[mutant.name] = str(error)[:300]
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | pytest.fail.Exception):
                raise
            cryptic[mutant.name] = f"{type(error).__name__}: {error}"[:300]
    assert (kinds, cryptic) == (set(mutants.SHARES), {})
