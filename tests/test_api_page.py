"""docs/api.md: it tells of all that is offered, and its examples run."""

import importlib
import re
from pathlib import Path

import pytest

import sinlstm_jax

PAGE = (Path(__file__).parents[1] / "docs" / "api.md").read_text()
IN_WORDS = {"RECIPES", "NO_INPUT"}  # constants


def test_all_that_is_offered_stands_there_once():
    told = re.findall(r"^::: (\S+)$", PAGE, re.MULTILINE)
    names = [path.rsplit(".", 1)[1] for path in told]
    assert sorted(names) == sorted(set(sinlstm_jax.__all__) - IN_WORDS)
    for path in told:
        module, name = path.rsplit(".", 1)
        found = getattr(importlib.import_module(module), name)
        assert found is getattr(sinlstm_jax, name)
        assert found.__module__ == module, "where it is made"
    assert all(f"`{name}`" in PAGE for name in IN_WORDS)


@pytest.mark.slow
def test_its_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        exec(block, namespace)
