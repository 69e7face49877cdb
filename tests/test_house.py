"""The order of the modules: each imports only from those above it."""

import ast
from pathlib import Path

import pytest

import sinlstm_jax

PACKAGE = Path(sinlstm_jax.__file__).parent
ORDER = (
    "errors files signals baselines demodulation model rollout evaluation training torch_weights "
    "checkpoints loading plots evaluation_plots pictures evaluation_report progress run_folder "
    "recipes curriculum convert cli"
).split()


def imported(module):
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    return {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level == 1}


def test_every_module_has_its_place():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {*ORDER, "__init__"}


@pytest.mark.parametrize("module", ORDER)
def test_modules_import_only_from_above(module):
    assert imported(module) <= set(ORDER[: ORDER.index(module)])


@pytest.mark.parametrize("module", ["plots", "checkpoints"])
def test_plots_and_checkpoints_know_no_training(module):
    assert not imported(module) & {"training", "curriculum"}


def test_public_names_exist_and_are_all_listed():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    names = [a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names]
    assert sorted(names) == sorted(sinlstm_jax.__all__)
