"""Checkpoints as a stranger might send them: they allocate nothing, and are named."""

import json

import pytest
import tensorstore

from sinlstm_jax import InputError, SineLSTM, load_model, run, save_model
from sinlstm_jax.files import LARGEST_JSON, read_json
from sinlstm_jax.recipe import Recipe, Stage

pytestmark = [
    pytest.mark.usefixtures("bounded_memory"),
    # Orbax, when one file fails it, does not wait for the others.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SIZE = 3
DEEP = "[" * 100_000


@pytest.fixture
def saved(tmp_path):
    save_model(SineLSTM(SIZE, implementation="scan"), tmp_path / "run")
    (step,) = (tmp_path / "run" / "checkpoints").iterdir()
    load_model(tmp_path / "run")
    return step


def sign(step):
    """Write the manifest anew, as whoever tampers with a checkpoint would."""
    from sinlstm_jax.runs import checkpoints

    manifest = json.loads((step / checkpoints.MANIFEST).read_text())
    manifest["files"] = {name: checkpoints._sha256(step / name) for name in manifest["files"]}
    (step / checkpoints.MANIFEST).write_text(json.dumps(manifest))


META = {"hidden_size": SIZE, "replicates": 1}


@pytest.mark.parametrize(
    "meta",
    [
        *("", "null", "[]", DEEP, "{}", '{"replicates": 1}', '{"replicates": ' + "9" * 10**5 + "}"),
        *({**META, "hidden_size": size} for size in (0, 2, 4, 4096, 10**6, 10**30, "3", None, [3])),
        *({**META, "replicates": count} for count in (0, -1, 2, 10**9, 10**30, "1", None)),
        " " * (LARGEST_JSON + 1),
    ],
    ids=lambda meta: str(meta)[:40],
)
def test_meta_of_a_checkpoint(saved, meta):
    (saved / "meta" / "metadata").write_text(meta if isinstance(meta, str) else json.dumps(meta))
    sign(saved)
    with pytest.raises(InputError):
        load_model(saved)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [10**6, 10**6], "chunks": [10**6, 10**6]},
        {"shape": [1, 10**12, 12]},
        {"chunks": [1, 50_000, 50_000]},
        {"shape": [1, SIZE, 4 * SIZE + 1]},
        {"dtype": "<f8"},
        {"dtype": "|O"},
        {"compressor": {"id": "none such"}},
        {"filters": [{"id": "none such"}]},
        {"zarr_format": 7},
    ],
    ids=str,
)
def test_arrays_that_a_checkpoint_announces(saved, change):
    store = {"driver": "ocdbt", "base": f"file://{saved}/model/"}
    store = tensorstore.KvStore.open(store).result()
    key = "weights.cell.hidden_kernel/.zarray"
    announced = json.loads(store.read(key).result().value)
    store.write(key, json.dumps(announced | change)).result()
    sign(saved)
    with pytest.raises(InputError):
        load_model(saved)


@pytest.mark.parametrize("name", ["_METADATA", "manifest.ocdbt"])
@pytest.mark.parametrize("text", ["", "null", DEEP, '{"tree_metadata": {}}'], ids=lambda x: x[:20])
def test_what_describes_a_checkpoint(saved, name, text):
    (saved / "model" / name).write_text(text)
    sign(saved)
    with pytest.raises(InputError):
        load_model(saved)


@pytest.mark.parametrize("name", ["/dev/zero", "../../../../../../../../dev/zero", "a\0b", "."])
def test_a_manifest_names_only_files_of_its_own(saved, name):
    manifest = json.loads((saved / "manifest.json").read_text())
    manifest["files"] |= {name: "0" * 64}
    (saved / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="damaged"):
        load_model(saved)


@pytest.mark.parametrize("text", [DEEP, "[]", "nul", '{"figures": 1}', " " * (LARGEST_JSON + 1)])
def test_a_description_of_a_run(tmp_path, text):
    recipe = Recipe("tiny", "tiny", (Stage(1, 1),), display_every=1)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json that is damaged|of another version of this"):
        run(recipe, 0, tmp_path)
    assert (tmp_path / "run.json").read_text() == text


def test_json_of_ours_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
