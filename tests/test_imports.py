"""What is imported by what: each in a process of its own, by the modules that are there after."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sinlstm_jax
from sinlstm_jax.commands import SUBCOMMANDS

HEAVY = (
    "numpy jaxtyping jax flax optax orbax matplotlib pandas rich safetensors torch tensorboardX"
).split()
COMPUTING = {"numpy", "jaxtyping", "jax", "flax", "optax", "rich"}
CURRICULUM = "curriculum --recipe smoke --batch-size 1 --hidden-size 1 --out run"


def imported_by(program, cwd=None):
    """Return which of HEAVY a program imports; whatever it prints goes to standard error."""
    program = (
        f"import contextlib, sys\nwith contextlib.redirect_stdout(sys.stderr):\n  {program}\n"
        f"print(*(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], text=True, capture_output=True, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def by_command(line, code=0, cwd=None):
    """Return which of HEAVY a command imports that ends with a code."""
    return imported_by(
        "from sinlstm_jax.commands.main import main\n"
        f"  try: main({line.split()})\n"
        "  except SystemExit as stop: code = stop.code or 0\n"
        "  else: code = 0\n"
        f"  assert code == {code}, code",
        cwd,
    )


@pytest.mark.parametrize("line", ["--help", *(f"{name} --help" for name in SUBCOMMANDS)])
def test_help_imports_nothing_that_computes(line):
    assert by_command(line) == set()


def test_the_version_needs_nothing_that_computes():
    assert by_command("--version") == set()
    assert imported_by("import sinlstm_jax; sinlstm_jax.__version__") == set()


def test_the_list_of_recipes_needs_no_jax():
    assert by_command("curriculum --list-recipes") == {"rich"}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "training",
        "curriculum --sed 1",
        "curriculum --seed x",
        "curriculum --recipe smok",
        "curriculum --hidden-size 0",
        "curriculum --replicates 0",
        "forecast --steps 0",
        "playground curriculum",
    ],
)
def test_wrong_options_are_named_without_jax(line, tmp_path):
    assert by_command(line, 2, tmp_path) == set()


@pytest.mark.slow
def test_commands_import_what_they_need(tmp_path):
    (tmp_path / "s.csv").write_text("1\n0\n")
    assert by_command("forecast s.csv --steps 1", cwd=tmp_path) == {*COMPUTING, "pandas"}
    assert by_command("playground curriculum --out p.html", cwd=tmp_path) == COMPUTING
    assert by_command("convert curriculum m.safetensors", cwd=tmp_path) == {
        *COMPUTING,
        "safetensors",
    }
    assert by_command(CURRICULUM, cwd=tmp_path) == {*COMPUTING, "orbax", "matplotlib"}


def test_the_package_alone_imports_nothing():
    assert imported_by("import sinlstm_jax") == set()


def test_its_names_bring_neither_checkpoints_nor_pictures():
    assert imported_by("from sinlstm_jax import *") == COMPUTING


@pytest.mark.parametrize("name", sinlstm_jax.__all__)
def test_each_public_name_can_be_had_and_is_listed(name):
    exec(f"from sinlstm_jax import {name}", {})
    assert name in dir(sinlstm_jax)


def test_other_names_are_refused_as_modules_do():
    with pytest.raises(AttributeError, match=r"^module .sinlstm_jax. has no attribute .rolout.$"):
        _ = sinlstm_jax.rolout
    with pytest.raises(ImportError, match="cannot import name 'rolout' from 'sinlstm_jax'"):
        exec("from sinlstm_jax import rolout", {})


@pytest.mark.parametrize(
    "first",
    [
        "pass",
        "import sinlstm_jax.rollout",
        "import sinlstm_jax.rollout as other",
        "from sinlstm_jax import rollout",
        "from sinlstm_jax import *",
        "import sinlstm_jax.evaluation.errors",
        "import sinlstm_jax.runs.pictures",
        "import sinlstm_jax.curriculum",
        "import importlib; importlib.import_module('sinlstm_jax.rollout')",
    ],
)
def test_rollout_is_the_function_in_whatever_order_modules_are_imported(first):
    imported_by(
        f"{first}\n"
        "  import sinlstm_jax, sys\n"
        "  from sinlstm_jax import rollout\n"
        "  import sinlstm_jax.rollout\n"
        "  module = sys.modules['sinlstm_jax.rollout']\n"
        "  assert rollout is sinlstm_jax.rollout is module.rollout\n"
        "  assert rollout.__code__.co_name == 'rollout'"
    )


def test_modules_are_attributes_as_if_all_had_been_imported():
    imported_by("import sinlstm_jax; assert sinlstm_jax.runs.loading.load_model")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("JAX_ENABLE_X64", "maybe"), ("JAX_NUM_CPU_DEVICES", "many")],
)
@pytest.mark.parametrize("line", ["forecast s.csv", CURRICULUM, "evaluate curriculum --out r"])
def test_a_variable_that_jax_does_not_take_is_named_on_one_line(variable, value, line, tmp_path):
    (tmp_path / "s.csv").write_text("1\n0\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("sinlstm"), *line.split()],
        env={**os.environ, variable: value},
        text=True,
        capture_output=True,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {variable} is '{value}', which JAX does not know (")
    assert done.stderr.count("\n") == 1
