"""The order of the house: the story's modules and the wings, each importing only from its left."""

import ast
import graphlib
from pathlib import Path

import pytest

import sinlstm_jax

PACKAGE = Path(sinlstm_jax.__file__).parent
STORY = "signals lstm model optimizer training recipe recipes curriculum rollout".split()
ORDER = (
    "errors files measurements signals lstm kernel optimizer palette plots model window sensor "
    "networks ensemble loss training undoing recipe recipes recipe_files recording_recipes rollout "
    "evaluation runs curriculum backtest formats streams public playground commands"
).split()


def part(path):
    """Return the story's module or the wing that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path):
    """Return the modules of the package that a file imports, as paths below it."""
    above = path.relative_to(PACKAGE).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = above[: len(above) - node.level + 1]
            names = (node.module,) if node.module else tuple(alias.name for alias in node.names)
            found |= {(*base, *name.split(".")) for name in names}
    return found


def files_of(name):
    return sorted((PACKAGE / name).glob("*.py")) or [PACKAGE / f"{name}.py"]


def test_every_module_has_its_place():
    there = {part(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert there == set(ORDER)
    assert set(STORY) <= there
    depths = {len(path.relative_to(PACKAGE).parts) for path in PACKAGE.rglob("*.py")}
    assert max(depths) == 2, "wings are one level deep"


@pytest.mark.parametrize("name", ORDER)
def test_modules_import_only_from_their_left(name):
    targets = {target[0] for path in files_of(name) for target in imported(path)}
    assert targets <= {*ORDER[: ORDER.index(name)], name}


@pytest.mark.parametrize("wing", [name for name in ORDER if (PACKAGE / name).is_dir()])
def test_within_a_wing_data_flows_one_way(wing):
    inside = {
        path.stem: {target[1] for target in imported(path) if target[0] == wing and target[1:]}
        for path in files_of(wing)
    }
    graphlib.TopologicalSorter(inside).prepare()  # raises CycleError


def test_public_names_exist_and_are_all_listed():
    tree = ast.parse((PACKAGE / "public.py").read_text())
    names = [a.name for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names]
    assert sorted(names) == sorted(sinlstm_jax.__all__)
