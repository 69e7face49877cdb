"""Weights in files as a stranger might send them: they run nothing, allocate nothing."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from sinlstm_jax import InputError, SineLSTM, params_from_torch, params_to_torch
from sinlstm_jax.formats.convert import _check_torch_file, convert

pytestmark = pytest.mark.usefixtures("bounded_memory")
SIZE = 3
TERABYTES = 10**13
DEEP = "[" * 100_000


def safetensors_file(path, header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


ENTRY = {"dtype": "F32", "shape": [TERABYTES], "data_offsets": [0, 4 * TERABYTES]}


@pytest.mark.parametrize(
    "header",
    [
        {"ip1.weight": ENTRY},
        {"ip1.weight": {**ENTRY, "data_offsets": [0, 4]}},
        {"ip1.weight": {**ENTRY, "shape": [2**62, 2**62]}},
        {"ip1.weight": {**ENTRY, "shape": [1], "data_offsets": [-4, 0]}},
        {"ip1.weight": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}},
        {"ip1.weight": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}},
        {"ip1.weight": {"dtype": "F4", "shape": [8], "data_offsets": [0, 4]}},
        {"ip1.weight": {"dtype": "F32", "shape": [0, TERABYTES], "data_offsets": [0, 0]}},
        {"a": DEEP},
        DEEP.encode(),
        b"null",
    ],
    ids=lambda header: str(header)[:60],
)
def test_safetensors(tmp_path, header):
    safetensors_file(tmp_path / "a.safetensors", header, b"\0" * 4)
    with pytest.raises(InputError):
        convert(tmp_path / "a.safetensors", tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_safetensors_whose_header_is_said_to_be_endless(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(InputError, match="is not a safetensors file"):
        convert(tmp_path / "a.safetensors", tmp_path / "b")


class Bomb:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class Hungry:
    """A pickle that asks for ten terabytes."""

    def __reduce__(self):
        return bytearray, (TERABYTES,)


def torch_file(path, content, compression=zipfile.ZIP_STORED, **others):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        for name, other in others.items():
            archive.writestr(f"archive/{name}", other)


def packed(value, protocol=2):
    file = io.BytesIO()
    pickle.dump(value, file, protocol)
    return file.getvalue()


@pytest.mark.parametrize("protocol", [0, 2])
def test_pickles_that_do_more_than_hold_tensors(tmp_path, protocol):
    for value in (Bomb(tmp_path / "made"), {"a": Hungry()}, {"a": np.zeros(3)}):
        torch_file(tmp_path / "a.pt", packed(value, protocol))
        with pytest.raises(ValueError, match="it asks for"):
            _check_torch_file(tmp_path / "a.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_archives_that_unpack_to_more_than_they_are(tmp_path):
    torch_file(tmp_path / "a.pt", packed({}), zipfile.ZIP_DEFLATED, data=b"\0" * 2**26)
    assert (tmp_path / "a.pt").stat().st_size < 2**18
    with pytest.raises(ValueError, match="its entries are packed"):
        _check_torch_file(tmp_path / "a.pt")
    # Nor is any packed entry as `torch.save` writes it, even one that does not shrink.
    noise = np.random.default_rng(0).bytes(1000)
    torch_file(tmp_path / "b.pt", packed({}), zipfile.ZIP_DEFLATED, data=noise)
    assert (tmp_path / "b.pt").stat().st_size > 1000 + len(packed({}))
    with pytest.raises(ValueError, match="its entries are packed"):
        _check_torch_file(tmp_path / "b.pt")


@pytest.mark.parametrize("content", [b"", b"PK\3\4", packed({}), b"\x80" * 1000])
def test_what_is_not_an_archive(tmp_path, content):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(zipfile.BadZipFile):
        _check_torch_file(tmp_path / "a.pt")


def test_a_file_from_before_pytorch_1_6_says_so(tmp_path):
    magic = 0x1950A86A20F9469CFC6C  # the first thing in it, pickled
    (tmp_path / "a.pt").write_bytes(packed(magic) + packed(1001))
    with pytest.raises(InputError, match=r"as PyTorch before 1.6 saved it: load it there, and"):
        _check_torch_file(tmp_path / "a.pt")


def test_a_file_with_one_flipped_bit_is_damaged(tmp_path):
    torch_file(tmp_path / "a.pt", packed({}), data=b"weights")
    _check_torch_file(tmp_path / "a.pt")
    content = (tmp_path / "a.pt").read_bytes()
    assert content.count(b"weights") == 1
    (tmp_path / "a.pt").write_bytes(content.replace(b"weights", b"veights"))
    with pytest.raises(ValueError, match="archive/data in it is damaged"):
        _check_torch_file(tmp_path / "a.pt")


def test_pytorch_itself_loads_none_of_them(tmp_path):
    torch = pytest.importorskip("torch", reason="needs pip install '.[torch]'")
    entries = {n: torch.from_numpy(a) for n, a in params_to_torch(SineLSTM(SIZE)).items()}
    torch.save(entries, tmp_path / "good.pt")
    convert(tmp_path / "good.pt", tmp_path / "good")
    torch.save({n: torch.nn.Parameter(a) for n, a in entries.items()}, tmp_path / "parameters.pt")
    convert(tmp_path / "parameters.pt", tmp_path / "parameters")
    torch.save(entries, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"as PyTorch before 1.6 saved it"):
        convert(tmp_path / "old.pt", tmp_path / "old")
    odd = {"ip1.bias": torch.zeros(1).bfloat16(), "lstm.bias_hh_l0": torch.zeros(12).long()}
    torch.save(entries | odd, tmp_path / "odd.pt")
    with pytest.raises(InputError, match=r"hh_l0 is int64: give float32 or float64$"):
        convert(tmp_path / "odd.pt", tmp_path / "odd")
    for bias, kind in (
        (torch.zeros(1, device="meta"), "torch.strided on meta"),
        (torch.zeros(1).to_sparse(), "torch.sparse_coo on cpu"),
    ):
        with pytest.raises(InputError, match=f"ip1.bias is {kind}: give float32 or float64"):
            params_from_torch(entries | {"ip1.bias": bias})
    one = torch.zeros(1)
    huge = {**entries, "ip1.weight": one.expand(1, TERABYTES)}
    torch.save(huge, tmp_path / "huge.pt")
    torch.save({**entries, "a": Bomb(tmp_path / "made")}, tmp_path / "bomb.pt")
    torch.save({**entries, "a": Hungry()}, tmp_path / "hungry.pt")
    torch_file(tmp_path / "late.pt", packed({"a": Bomb(tmp_path / "made")}, protocol=4))
    for name in ("huge", "bomb", "hungry", "late"):
        with pytest.raises(InputError):
            convert(tmp_path / f"{name}.pt", tmp_path / name)
    assert not (tmp_path / "made").exists()


def test_weights_that_are_only_announced_to_be_many(tmp_path):
    safetensors.numpy.save_file(
        params_to_torch(SineLSTM(SIZE)), tmp_path / "a.safetensors"
    )  # what a file holds is bounded by its size; a view in memory is not
    arrays = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    arrays["ip1.weight"] = np.broadcast_to(np.float32(0), (1, TERABYTES))
    with pytest.raises(InputError, match=r"ip1\.weight has shape"):
        params_from_torch(arrays)
