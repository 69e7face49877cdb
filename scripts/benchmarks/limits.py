"""`python -m scripts.benchmarks.limits`: how far the kernel is from what a core can do.

Writes the table of docs/kernel.md.
"""

import ctypes
import os
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

SIZES = ((15, 20), (15, 256), (64, 20), (128, 20), (256, 20))  # units, series
WINDOW = 150  # steps
SECONDS, REPEATS = 0.15, 7
ROUNDS = 1000  # of a loop in limits.cc, called at once
HEADER = [
    *("part", "units", "series", "multiply-adds", "sigmoid, tanh", "GFLOP/s", "time"),
    *("at least, products", "at least, functions", "at least / time"),
]


class Counts(NamedTuple):
    """Vectors that a part works on, per series and step."""

    products: int  # multiplied and added
    sigmoids: int = 0
    tangents: int = 0


def counts(units: int, lanes: int) -> dict[str, Counts]:
    """Return what the kernel does for one series and step, with one input.

    Forward, each of the four gates takes a multiply-add per input and unit. Backward, each takes
    one per unit for the gradient of the units, and one per input and unit for that of the weights.
    """
    vectors = -(-units // lanes)
    forward = Counts(4 * vectors * (1 + units), 3 * vectors, 2 * vectors)
    return {"forward": forward, "backward": Counts(4 * vectors * (1 + 2 * units))}


def main() -> None:
    """Measure and write the table."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    # Only now: JAX counts the cores as it is imported.
    from ..pages import DOCS, cpu_name, fill_in, markdown
    from .timing import alternate

    with tempfile.TemporaryDirectory() as folder:
        library = _compiled(Path(folder))
        lanes = library.lanes()
        works = _loops(library) | _layers()
        times = {name: min(t) for name, t in alternate(works, SECONDS, REPEATS)[0].items()}
    rows = []
    for units, series in SIZES:
        forward, both = (times[part, units, series] for part in ("forward", "both"))
        measured = {"forward": forward, "backward": both - forward}
        for part, count in counts(units, lanes).items():
            products = count.products * times["multiply_adds"]
            functions = count.sigmoids * times["sigmoids"] + count.tangents * times["tangents"]
            rate = 2 * lanes * count.products / measured[part] / 1e9
            rows.append(
                [
                    *(part, units, series, count.products),
                    f"{count.sigmoids}, {count.tangents}" if functions else "",
                    f"{rate:.0f}",
                    *(f"{1e9 * t:.0f} ns" for t in (measured[part], products, functions)),
                    f"{(products + functions) / measured[part]:.2f}",
                ]
            )
    peak = 2 * lanes / times["multiply_adds"] / 1e9
    said = (
        f"Measured on one core of {cpu_name()}, whose vectors have {lanes} lanes. Alone, it does "
        f"{peak:.0f} GFLOP/s of multiply-adds, a vector's sigmoid in "
        f"{1e9 * times['sigmoids']:.1f} ns and its tanh in {1e9 * times['tangents']:.1f} ns."
    )
    table = f"{said}\n\n{markdown(HEADER, rows)}"
    print(table)
    fill_in(DOCS / "kernel.md", {"limits": table})


def _compiled(folder: Path) -> ctypes.CDLL:
    """Return limits.cc, compiled as the kernel is."""
    from sinlstm_jax.kernel import library

    source, target = Path(__file__).with_suffix(".cc"), folder / "limits.so"
    include = f"-I{library.SOURCE.parent}"
    command = [*library._compiler(), *library.FLAGS, *library.TUNING, include, str(source)]
    subprocess.run([*command, "-o", str(target)], check=True)
    return ctypes.CDLL(str(target))


def _loops(library: ctypes.CDLL) -> dict:
    """Return what a core does at its best; a unit of the works is a vector."""
    from .timing import Work

    values = (ctypes.c_float * (library.vectors() * library.lanes()))(*[0.5] * library.lanes())

    def work(function, size: int) -> Work:
        def run(count: int) -> None:
            for _ in range(count):
                function(ctypes.c_int64(ROUNDS), values)

        return Work(run, ROUNDS * size)

    return {
        "multiply_adds": work(library.multiply_adds, library.sums()),
        "sigmoids": work(library.sigmoids, library.vectors()),
        "tangents": work(library.tangents, library.vectors()),
    }


def _layers() -> dict:
    """Return the layer forward, and forward and backward; a unit is a step of a series."""
    import jax
    import jax.numpy as jnp

    from sinlstm_jax import LSTMCarry
    from sinlstm_jax.kernel.layer import fused_lstm
    from sinlstm_jax.lstm import LSTMWeights

    from .timing import Work

    def layer(weights, carry, inputs):
        return jnp.sum(fused_lstm(weights, carry, inputs)[1])

    def work(program, units: int, series: int) -> Work:
        shapes = [(1, 4 * units), (units, 4 * units), (4 * units,)]
        keys = jax.random.split(jax.random.key(units), 4)
        drawn = [jax.random.normal(k, s) / units for k, s in zip(keys, shapes, strict=False)]
        carry = LSTMCarry(*jnp.zeros((2, series, units)))
        inputs = jax.random.normal(keys[3], (WINDOW, series, 1))

        def run(count: int) -> None:
            for _ in range(count):
                jax.block_until_ready(program(LSTMWeights(*drawn), carry, inputs))

        return Work(run, WINDOW * series)

    parts = {"forward": jax.jit(layer), "both": jax.jit(jax.value_and_grad(layer))}
    return {
        (part, *sizes): work(program, *sizes) for sizes in SIZES for part, program in parts.items()
    }


if __name__ == "__main__":
    main()
