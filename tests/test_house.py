"""The order of the modules: each imports only from those above it."""

import ast
from pathlib import Path

import pytest

import sinlstm_jax

PACKAGE = Path(sinlstm_jax.__file__).parent
ORDER = (
    "errors files strangers interruption processes pace background seeds signals baselines "
    "demodulation lstm native implementation model rollout evaluation optimizer training "
    "replicates torch_weights checkpoints loading streaming samples continuing plots "
    "evaluation_plots pictures evaluation_report progress run_folder recipes standing figures "
    "closing_tables run_stage curriculum convert export playground command_files commands cli"
).split()


NATIVE = "__init__ layer library".split()  # the package that stands in ORDER as one module


def imported(module):
    """Return the modules of the package that one of them, or a package in it, imports."""
    if (PACKAGE / module).is_dir():
        return set().union(*(_imported(path, 2) for path in (PACKAGE / module).glob("*.py")))
    return _imported(PACKAGE / f"{module}.py", 1)


def _imported(path, level):
    nodes = ast.walk(ast.parse(path.read_text()))
    return {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.level == level}


def test_every_module_has_its_place():
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {path.stem for path in PACKAGE.glob("*.py")} | packages == {*ORDER, "__init__"}
    assert {path.stem for path in (PACKAGE / "native").glob("*.py")} == set(NATIVE)


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
