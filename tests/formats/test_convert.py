import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from reliability_page import page_rows

from sinlstm_jax import (
    InputError,
    SineLSTM,
    load_model,
    load_pretrained,
    params_to_torch,
    save_model,
)
from sinlstm_jax.commands import ConvertOptions
from sinlstm_jax.formats.convert import convert
from sinlstm_jax.formats.export import export

TRAINED = Path(__file__).parents[1] / "data" / "trained_by_torch.pt"


@pytest.fixture
def weights():
    return params_to_torch(load_pretrained("curriculum"))


def assert_same(got, expected):
    assert list(got) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(got[name], expected[name])
        assert got[name].dtype == expected[name].dtype


def test_checkpoints_and_safetensors_both_ways(tmp_path, weights):
    save_model(load_pretrained("curriculum"), tmp_path / "run")
    convert(tmp_path / "run", tmp_path / "new" / "a.safetensors")
    assert_same(
        dict(sorted(safetensors.numpy.load_file(tmp_path / "new" / "a.safetensors").items())),
        dict(sorted(weights.items())),
    )
    convert(tmp_path / "new" / "a.safetensors", tmp_path / "B.SAFETENSORS")
    assert (tmp_path / "B.SAFETENSORS").is_file()
    convert(tmp_path / "B.SAFETENSORS", tmp_path / "back")
    assert_same(params_to_torch(load_model(tmp_path / "back")), weights)
    convert(tmp_path / "back" / "checkpoints" / "0", tmp_path / "again.safetensors")
    assert_same(
        safetensors.numpy.load_file(tmp_path / "again.safetensors"),
        safetensors.numpy.load_file(tmp_path / "new" / "a.safetensors"),
    )


def test_pytorch_files_in_every_direction(tmp_path):
    torch = pytest.importorskip("torch", reason="needs pip install '.[torch]'")
    expected = torch.load(TRAINED, weights_only=True)
    chain = [TRAINED, "a", "b.pt", "c.safetensors", "d.pth", "e.safetensors", "f", "g.pt"]
    for source, target in itertools.pairwise(chain):
        convert(tmp_path / source, tmp_path / target)
    got = torch.load(tmp_path / "g.pt", weights_only=True)
    assert list(got) == list(expected)
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_float64_goes_from_file_to_file_but_not_into_a_checkpoint(tmp_path, weights):
    double = {name: array.astype(np.float64) + 1e-12 for name, array in weights.items()}
    safetensors.numpy.save_file(double, tmp_path / "a.safetensors")
    convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    got = safetensors.numpy.load_file(tmp_path / "b.safetensors")
    for name, array in double.items():
        np.testing.assert_array_equal(got[name], array)
    with pytest.raises(InputError, match="float64, checkpoints hold float32: write"):
        convert(tmp_path / "a.safetensors", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_torch_its_files_name_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    for source, target in ((TRAINED, tmp_path / "run"), ("nothing", tmp_path / "a.pt")):
        with pytest.raises(InputError, match=r"needs PyTorch: pip install 'sinlstm-jax\[torch\]'"):
            convert(source, target)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path, weights):
    safetensors.numpy.save_file(weights, tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_text("precious")
    with pytest.raises(InputError, match=r"b.safetensors exists: give"):
        convert(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert (tmp_path / "b.safetensors").read_text() == "precious"
    with pytest.raises(InputError, match=f"{tmp_path} exists: give"):
        save_model(load_pretrained("curriculum"), tmp_path)


def test_what_ships_is_a_source(tmp_path, weights):
    convert("curriculum", tmp_path / "a.safetensors")
    assert_same(
        dict(sorted(safetensors.numpy.load_file(tmp_path / "a.safetensors").items())),
        dict(sorted(weights.items())),
    )
    with pytest.raises(InputError, match="replicate is 1: curriculum holds one model"):
        convert("curriculum", tmp_path / "b.safetensors", 1)


def test_a_folder_that_is_called_as_what_ships_is_had_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model(SineLSTM(3), "curriculum")
    for source, size in (("./curriculum", 3), ("curriculum", 15)):
        ConvertOptions(source, tmp_path / f"{size}.safetensors").execute()
        arrays = safetensors.numpy.load_file(tmp_path / f"{size}.safetensors")
        assert arrays["ip1.weight"].shape == (1, size)


FILES = {
    "safetensors named .bin": (
        lambda path, weights: safetensors.numpy.save_file(weights, path),
        "a.bin",
        r"as safetensors are: give it a name that ends with .safetensors",
    ),
    "PyTorch's file named .ckpt": (
        lambda path, _: path.write_bytes(TRAINED.read_bytes()),
        "a.ckpt",
        r"as PyTorch saves them: give it a name that ends with .pt",
    ),
    "a file of another format": (
        lambda path, _: path.write_text("who knows"),
        "a.h5",
        r"of no format that is known here",
    ),
    "text named .safetensors": (
        lambda path, _: path.write_text("not this"),
        "a.safetensors",
        "is not a safetensors file",
    ),
    "safetensors of some of the weights": (
        lambda path, weights: safetensors.numpy.save_file(without(weights, "ip1.bias"), path),
        "a.safetensors",
        "ip1.bias is missing",
    ),
    "a TorchScript archive": (
        lambda path, _: archive(path, {"data.pkl": b"\x80\x02}.", "code/__torch__.py": ""}),
        "a.pt",
        r"is a TorchScript archive: load it with torch.jit.load",
    ),
    "text named .pt": (
        lambda path, _: path.write_text("not this"),
        "a.pt",
        "not a PyTorch file of weights alone",
    ),
    "an empty file named .pt": (
        lambda path, _: path.write_text(""),
        "a.pt",
        "not a PyTorch file of weights alone",
    ),
    "no file": (lambda path, _: None, "a.safetensors", "is not a file"),
    "no folder": (lambda path, _: None, "a", "does not exist"),
}


def without(weights, name):
    return {each: array for each, array in weights.items() if each != name}


def archive(path, members):
    """Write a zip file as torch.save and torch.jit.save do."""
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"{path.stem}/{name}", content)


@pytest.mark.parametrize("form", FILES)
def test_files_that_hold_no_model_are_told_what_they_could_be(form, tmp_path, weights):
    make, name, complaint = FILES[form]
    if name.endswith(".pt"):
        pytest.importorskip("torch", reason="needs pip install '.[torch]'")
    make(tmp_path / name, weights)
    before = list(tmp_path.iterdir())
    for target in ("run", "out.safetensors"):
        with pytest.raises(InputError, match=complaint):
            convert(tmp_path / name, tmp_path / target)
    assert list(tmp_path.iterdir()) == before


def test_the_page_lists_the_files():
    assert page_rows("Files") == dict.fromkeys(FILES, "one line")


def test_new_names_that_look_like_files_are_no_folders(tmp_path):
    with pytest.raises(InputError, match=r"new.bin would be a folder, and looks like a file"):
        convert("curriculum", tmp_path / "new.bin")
    for name in ("a.onnx", "a.pt"):
        with pytest.raises(InputError, match=rf"{name} would be a folder, and looks like a file"):
            export(load_pretrained("curriculum"), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_pytorch_files_of_other_kinds_are_read_or_named(tmp_path, weights):
    torch = pytest.importorskip("torch", reason="needs pip install '.[torch]'")
    safetensors_torch = pytest.importorskip("safetensors.torch")
    half = {n: torch.from_numpy(a).bfloat16() for n, a in weights.items()}
    torch.save(half, tmp_path / "half.pt")
    safetensors_torch.save_file(half, tmp_path / "half.safetensors")
    for name in ("half.pt", "half.safetensors"):
        got = params_to_torch(convert(tmp_path / name, tmp_path / f"from_{name}.safetensors"))
        for n, value in half.items():
            assert torch.equal(torch.from_numpy(got[n]), value.float())
    linear = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(linear.parameters())
    linear(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    full = {n: torch.from_numpy(a) for n, a in weights.items()}
    step = {"epoch": 3, "optimizer": optimizer.state_dict(), "model": full}
    torch.save(step, tmp_path / "step.pt")
    assert_same(params_to_torch(convert(tmp_path / "step.pt", tmp_path / "step")), weights)


def test_a_pytorch_file_of_a_list_is_named(tmp_path):
    torch = pytest.importorskip("torch", reason="needs pip install '.[torch]'")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(InputError, match="holds a list"):
        convert(tmp_path / "list.pt", tmp_path / "out")


def test_targets_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    save_model(load_pretrained("curriculum"), tmp_path / "run")
    with pytest.raises(InputError, match="cannot be"):
        convert(tmp_path / "run", tmp_path / "file" / "a.safetensors")
    with pytest.raises(InputError, match="cannot be made"):
        convert(tmp_path / "run", tmp_path / "file" / "run")
