import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sinlstm_jax import InputError
from sinlstm_jax.errors import SaveFailed
from sinlstm_jax.runs.checkpoints import Checkpoints


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
        checkpoints.wait()
        assert checkpoints.steps() == [20, 40, 60, 70]
        assert_equal(checkpoints.restore(20, "tree", tree(0)), tree(20))


def test_a_kill_leaves_no_step_half_deleted(tmp_path, monkeypatch):
    removed = []
    monkeypatch.setattr(shutil, "rmtree", lambda path, **_: removed.append(Path(path)))
    with Checkpoints(tmp_path) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, {}, tree=tree(step))
    # Steps leave in one move; what is taken apart file by file is no step any more.
    assert set(removed) == {tmp_path / "deleted", tmp_path / "saving"}
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
    half = tmp_path / "saving" / "6.orbax-checkpoint-tmp"
    half.mkdir(parents=True)
    with Checkpoints(tmp_path, create=False) as checkpoints:
        assert checkpoints.steps() == [5]
    assert half.exists()
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [5]
        assert not half.exists()


def damaged(path, rng):
    """Damage a file in one of four ways: how."""
    content, how = path.read_bytes(), rng.choice(["emptied", "truncated", "flipped", "deleted"])
    if how == "emptied":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[: rng.integers(len(content))])
    elif how == "flipped":
        position, bit = rng.integers(len(content)), rng.integers(8)
        flipped = content[position] ^ (1 << bit)
        path.write_bytes(content[:position] + bytes([flipped]) + content[position + 1 :])
    else:
        path.unlink()
    return how


def test_damage_to_any_file_is_found(tmp_path):
    rng, seen = np.random.default_rng(0), set()
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(5, {"seed": 1}, first=tree(1.0), second={"a": np.arange(5000.0)})
        checkpoints.wait()
        assert checkpoints.damage(5) is None
        files = [path for path in (tmp_path / "5").rglob("*") if path.is_file()]
        full = [path for path in files if path.stat().st_size]
        assert {path.name for path in full} >= {"manifest.json", "metadata", "manifest.ocdbt"}
        for path in full * 4:
            content = path.read_bytes()
            seen.add(damaged(path, rng))
            # A manifest that differs in a space, or says the same, is none the worse.
            if path.name != "manifest.json":
                assert checkpoints.damage(5).startswith(str(path.relative_to(tmp_path / "5")))
            elif not path.exists():
                assert checkpoints.damage(5).startswith("it has no manifest.json")
            path.write_bytes(content)
            assert checkpoints.damage(5) is None
        (tmp_path / "5" / "manifest.json").write_text("")
        assert checkpoints.damage(5) == "manifest.json cannot be read"
    assert len(seen) == 4


def test_a_step_of_another_format_is_refused(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(5, {}, tree=tree(1.0))
        checkpoints.wait()
        manifest = tmp_path / "5" / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 2'))
        with pytest.raises(InputError, match="5 has format 2, this version of the package reads 1"):
            checkpoints.damage(5)


def test_what_is_set_aside_is_no_step_and_not_lost(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        for value in (1.0, 2.0):
            checkpoints.save(5, {}, tree=tree(value))
            checkpoints.wait()
            checkpoints.set_aside([5])
            assert checkpoints.steps() == []
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == []
    shutil.move(tmp_path / "damaged" / "5-1", tmp_path / "7")
    shutil.move(tmp_path / "damaged" / "5", tmp_path / "5")
    with Checkpoints(tmp_path) as checkpoints:
        for step, value in ((5, 1.0), (7, 2.0)):
            assert checkpoints.damage(step) is None
            assert_equal(checkpoints.restore(step, "tree", tree(0.0)), tree(value))


def test_a_full_disk_leaves_the_last_step_as_it_was(small_disk):
    with Checkpoints(small_disk / "run") as checkpoints:
        checkpoints.save(5, {}, tree=tree(1.0))
        checkpoints.save(6, {}, tree={"a": np.random.default_rng(0).random(600_000)})
        with pytest.raises(SaveFailed, match=r"run/6 cannot be written \(.*No space left"):
            checkpoints.wait()
        assert checkpoints.steps() == [5]
        assert not (small_disk / "run" / "saving").exists()
        assert checkpoints.damage(5) is None
        checkpoints.save(6, {}, tree=tree(2.0))  # where there is room again
        checkpoints.wait()
        assert_equal(checkpoints.restore(6, "tree", tree(0.0)), tree(2.0))


def test_a_read_only_disk_leaves_the_last_step_as_it_was(small_disk):
    with Checkpoints(small_disk / "run") as checkpoints:
        checkpoints.save(5, {}, tree=tree(1.0))
        checkpoints.wait()
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        checkpoints.save(6, {}, tree=tree(2.0))
        with pytest.raises(SaveFailed, match=r"run/6 cannot be written \(.*[Rr]ead-only"):
            checkpoints.wait()
    with Checkpoints(small_disk / "run", create=False) as checkpoints:
        assert checkpoints.steps() == [5]
        assert_equal(checkpoints.restore(5, "tree", tree(0.0)), tree(1.0))
