"""The colours of the pictures, as people see them whose eyes lack one kind of cones."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from sinlstm_jax.palette import BASELINES, FORECAST, GUIDE, OBSERVED, TRUTH, VARIANT

# Machado, Oliveira and Fernandes (2009), severity 1: of linear RGB.
SEEN = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = np.array(  # of linear sRGB, each row over that of white
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
XYZ /= XYZ.sum(axis=1, keepdims=True)


def lab(colour, seen):
    """Return a colour as an eye sees it, in CIELAB, in which distances are about alike to it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    share = XYZ @ np.clip(seen @ linear, 0, 1)
    x, y, z = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(colours, seen):
    """Return the least distance of two colours of some."""
    pairs = itertools.combinations([lab(colour, np.array(seen)) for colour in colours], 2)
    return min(np.linalg.norm(one - other) for one, other in pairs)


@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN)
def test_colours_are_told_apart(seen):
    colours = (OBSERVED, TRUTH, FORECAST, *BASELINES, VARIANT, GUIDE)
    assert nearest(colours, seen) > 15


def test_the_distance_is_a_published_one_and_small_between_red_and_green():
    assert lab("#ff0000", np.eye(3)) == pytest.approx([53.24, 80.09, 67.20], abs=0.1)
    assert nearest(("tab:red", "tab:green"), SEEN["deuteranopia"]) < 15
