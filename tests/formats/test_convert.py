import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sinlstm_jax import InputError, load_model, load_pretrained, params_to_torch, save_model
from sinlstm_jax.formats.convert import convert
from sinlstm_jax.formats.export import export

TRAINED = Path(__file__).parents[1] / "data" / "trained_by_torch.pt"


@pytest.fixture
def weights():
    return params_to_torch(load_pretrained())


def assert_same(got, expected):
    assert list(got) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(got[name], expected[name])
        assert got[name].dtype == expected[name].dtype


def test_checkpoints_and_safetensors_both_ways(tmp_path, weights):
    save_model(load_pretrained(), tmp_path / "run")
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
        save_model(load_pretrained(), tmp_path)


def test_sources_that_are_no_models_are_named(tmp_path, weights):
    (tmp_path / "broken.safetensors").write_text("not this")
    del weights["ip1.bias"]
    safetensors.numpy.save_file(weights, tmp_path / "partial.safetensors")
    for source, complaint in (
        ("missing.safetensors", "is not a file"),
        ("broken.safetensors", "is not a safetensors file"),
        ("partial.safetensors", "ip1.bias is missing"),
        ("nowhere", "does not exist"),
    ):
        with pytest.raises(InputError, match=complaint):
            convert(tmp_path / source, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_what_ships_is_a_source(tmp_path, weights):
    convert("pretrained", tmp_path / "a.safetensors")
    assert_same(
        dict(sorted(safetensors.numpy.load_file(tmp_path / "a.safetensors").items())),
        dict(sorted(weights.items())),
    )
    with pytest.raises(InputError, match="replicate is 1: pretrained holds one model"):
        convert("pretrained", tmp_path / "b.safetensors", 1)


def test_other_suffixes_are_told_what_they_could_be(tmp_path, weights):
    safetensors.numpy.save_file(weights, tmp_path / "a.bin")
    (tmp_path / "b.ckpt").write_bytes(TRAINED.read_bytes())
    (tmp_path / "c.h5").write_text("who knows")
    for source, target, complaint in (
        ("a.bin", "run", r"as safetensors are: give it a name that ends with .safetensors"),
        ("b.ckpt", "run", r"as PyTorch saves them: give it a name that ends with .pt"),
        ("c.h5", "run", r"of no format that is known here"),
        ("pretrained", "new.bin", r"new.bin would be a folder, and looks like a file"),
    ):
        source = source if source == "pretrained" else tmp_path / source
        with pytest.raises(InputError, match=complaint):
            convert(source, tmp_path / target)
    for name in ("a.onnx", "a.pt"):
        with pytest.raises(InputError, match=rf"{name} would be a folder, and looks like a file"):
            export(load_pretrained(), tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 3


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
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:  # as torch.jit.save writes it
        archive.writestr("script/data.pkl", b"\x80\x02}.")
        archive.writestr("script/code/__torch__.py", "")
    with pytest.raises(InputError, match=r"is a TorchScript archive: load it with torch.jit.load"):
        convert(tmp_path / "script.pt", tmp_path / "script")


def test_broken_pytorch_files_are_named(tmp_path):
    torch = pytest.importorskip("torch", reason="needs pip install '.[torch]'")
    (tmp_path / "broken.pt").write_text("not this")
    (tmp_path / "empty.pt").write_text("")
    torch.save([1, 2], tmp_path / "list.pt")
    for source, complaint in (
        ("broken.pt", "not a PyTorch file of weights alone"),
        ("empty.pt", "not a PyTorch file of weights alone"),
        ("list.pt", "holds a list"),
    ):
        with pytest.raises(InputError, match=complaint):
            convert(tmp_path / source, tmp_path / "out")


def test_targets_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    save_model(load_pretrained(), tmp_path / "run")
    with pytest.raises(InputError, match="cannot be"):
        convert(tmp_path / "run", tmp_path / "file" / "a.safetensors")
    with pytest.raises(InputError, match="cannot be made"):
        convert(tmp_path / "run", tmp_path / "file" / "run")
