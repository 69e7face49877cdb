import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sinlstm_jax.checkpoints import Checkpoints


class Pair(NamedTuple):
    left: dict
    right: tuple


def tree(value):
    return Pair({"a": jnp.full((3,), value), "b": jnp.int32(7)}, (jnp.ones((2, 2)) * value,))


def assert_equal(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, got, expected)
    assert [x.dtype for x in jax.tree.leaves(got)] == [x.dtype for x in jax.tree.leaves(expected)]


def test_trees_and_meta_come_back_as_they_were(tmp_path):
    with Checkpoints(tmp_path / "kept") as checkpoints:
        checkpoints.save(3, {"seed": 1, "name": "x"}, first=tree(1.5), second={"only": jnp.ones(1)})
    with Checkpoints(tmp_path / "kept", create=False) as checkpoints:
        assert checkpoints.steps() == [3]
        assert checkpoints.meta(3) == {"seed": 1, "name": "x"}
        assert_equal(checkpoints.restore(3, "first", tree(0.0)), tree(1.5))
        assert_equal(
            checkpoints.restore(3, "second", {"only": jnp.zeros(1)}), {"only": jnp.ones(1)}
        )


def test_relative_folders_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Checkpoints("here") as checkpoints:
        checkpoints.save(1, {}, tree=tree(1.0))
    assert (tmp_path / "here" / "1").is_dir()


def test_the_latest_two_and_the_kept_steps_stay(tmp_path):
    with Checkpoints(tmp_path, keep=[20, 40]) as checkpoints:
        for step in range(10, 71, 10):
            checkpoints.save(step, {}, tree=tree(step))
        assert checkpoints.steps() == [20, 40, 60, 70]
        assert_equal(checkpoints.restore(20, "tree", tree(0)), tree(20))


def test_a_kill_leaves_no_step_half_deleted(tmp_path, monkeypatch):
    removed = []
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: removed.append(Path(path)))
    with Checkpoints(tmp_path) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, {}, tree=tree(step))
    # Steps leave in one move; what is taken apart file by file is no step any more.
    assert set(removed) == {tmp_path / "deleted"}
    assert (tmp_path / "deleted" / "1").is_dir()
    with Checkpoints(tmp_path, create=False) as checkpoints:
        assert checkpoints.steps() == [2, 3]
    monkeypatch.undo()
    with Checkpoints(tmp_path, create=False):
        pass
    assert (tmp_path / "deleted").exists()  # which reads only
    with Checkpoints(tmp_path):
        assert not (tmp_path / "deleted").exists()


def test_arrays_may_be_overwritten_while_saving_goes_on(tmp_path):
    array = np.zeros(1_000_000, np.float32)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {}, tree={"a": array})
        array[:] = 1
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(1, "tree", {"a": array})["a"]
    np.testing.assert_array_equal(restored, np.zeros_like(array))


def test_arrays_may_be_donated_while_saving_goes_on(tmp_path):
    array = jnp.zeros(10_000_000) + 1
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {}, tree={"a": array})
        overwritten = jax.jit(lambda x: x + 1, donate_argnums=0)(array)
        assert array.is_deleted()  # saving holds no reference that would stop it
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(1, "tree", {"a": overwritten})["a"]
    np.testing.assert_array_equal(restored, np.ones(10_000_000))


def test_saving_a_step_again_is_an_error(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(5, {}, tree=tree(1.0))
        with pytest.raises(FileExistsError, match="step 5"):
            checkpoints.save(5, {}, tree=tree(2.0))


def test_what_was_left_half_written_is_not_a_checkpoint(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(5, {}, tree=tree(1.0))
    half = tmp_path / "6.orbax-checkpoint-tmp"
    half.mkdir()
    with Checkpoints(tmp_path, create=False) as checkpoints:
        assert checkpoints.steps() == [5]
    assert half.exists()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [5]
        checkpoints.save(7, {}, tree=tree(2.0))  # waits for the clearing away
        assert not half.exists()
