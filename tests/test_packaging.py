"""What is said of the package in more than one place is the same in each."""

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path

import sinlstm_jax
from scripts.publish import check_wheel

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_version_and_license_are_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    version = re.search(r"^version: (.*)$", citation, re.MULTILINE)[1]
    released = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert PROJECT["version"] == version == released[0] == metadata.version("sinlstm-jax")
    assert sinlstm_jax.__version__ == version
    assert re.search(r"^license: (.*)$", citation, re.MULTILINE)[1] == PROJECT["license"]


def test_the_wheel_is_checked_on_every_python_that_is_promised():
    first, last = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    promised = tuple(f"3.{minor}" for minor in range(int(first), int(last)))
    assert check_wheel.PYTHONS == promised


def test_the_tests_that_each_python_runs_are_there():
    assert all((ROOT / "tests" / f"{name}.py").is_file() for name in check_wheel.TESTS)


def test_the_package_says_that_it_is_typed():
    assert resources.files("sinlstm_jax").joinpath("py.typed").is_file()


def test_it_is_found_beside_a_folder_of_its_name(tmp_path):
    (tmp_path / "sinlstm_jax").mkdir()  # a clone is called so, and scripts may lie beside it
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    code = "from sinlstm_jax import InputError"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
