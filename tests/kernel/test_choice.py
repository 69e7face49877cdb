import functools
import types

import jax
import pytest

from sinlstm_jax import InputError, SineLSTM
from sinlstm_jax.kernel import library
from sinlstm_jax.kernel.choice import IMPLEMENTATIONS, choose_implementation


@pytest.fixture
def no_kernel(monkeypatch):
    monkeypatch.setattr(library, "_load_at_first", lambda: "there is no C++ compiler")


@pytest.fixture
def kernel(monkeypatch):
    monkeypatch.setattr(library, "_load_at_first", lambda: None)


def test_auto_is_the_kernel_where_there_is_one(kernel, said):
    chosen = [choose_implementation(wanted, 512) for wanted in IMPLEMENTATIONS]
    assert dict(zip(IMPLEMENTATIONS, chosen, strict=True)) == {
        "auto": "fused",
        "scan": "scan",
        "fused": "fused",
    }
    assert not said()


def test_auto_does_without_a_compiler_and_says_so_once(no_kernel, said):
    assert {choose_implementation("auto", size) for size in (15, 16, 15)} == {"scan"}
    assert SineLSTM(4).implementation == "scan"
    assert said() == ["computing with the plain scan: there is no C++ compiler"]


def test_auto_does_with_too_many_units_and_says_so_once(kernel, said):
    assert [choose_implementation("auto", 513) for _ in range(3)] == ["scan"] * 3
    assert said() == [
        "computing with the plain scan: the kernel takes at most 512 hidden units, not 513"
    ]


def test_scan_asks_for_no_kernel(monkeypatch, said):
    monkeypatch.setattr(library, "_load_at_first", functools.partial(pytest.fail, "loaded"))
    assert choose_implementation("scan", 15) == "scan"
    assert not said()


@pytest.mark.parametrize(
    "device", ["gpu", types.SimpleNamespace(platform="gpu")], ids=["name", "device"]
)
def test_other_platforms_are_the_scans_and_nothing_is_said(device, kernel, said, monkeypatch):
    monkeypatch.setattr(jax, "config", types.SimpleNamespace(jax_default_device=device))
    assert choose_implementation("auto", 15) == "scan"
    with pytest.raises(InputError, match="the kernel is for cpu and this is gpu"):
        choose_implementation("fused", 15)
    assert not said()


def test_what_cannot_be_had_is_named_with_the_way_out(no_kernel):
    way_out = r"give 'scan' \(--implementation scan\)$"
    with pytest.raises(InputError, match=f"'fused', but there is no C.. compiler: {way_out}"):
        choose_implementation("fused", 15)
    with pytest.raises(InputError, match=f"at most 512 hidden units, not 513: {way_out}"):
        SineLSTM(513, implementation="fused")


def test_unknown_implementations_are_named():
    with pytest.raises(
        InputError, match=r"^implementation is 'fast': give one of auto, scan, fused$"
    ):
        choose_implementation("fast", 15)
