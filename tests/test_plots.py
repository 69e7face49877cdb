from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from sinlstm_jax.plots import Forecast, StreamForecasts, plot_forecasts, plot_loss, plot_streams


def colours(path):
    """Return how many pixels are (vermillion, pale blue, black) enough to be seen."""
    red, green, blue = np.moveaxis(imread(path)[:, :, :3], -1, 0)
    return (
        np.sum((red > 0.7) & (green < 0.4) & (blue < 0.4)),
        np.sum((blue > 0.9) & (green > 0.6) & (red < 0.7)),
        np.sum((red < 0.1) & (green < 0.1) & (blue < 0.1)),
    )


def darkness(line):
    """Return how far a line's pixels are from white in grey: 1 is black."""
    red, green, blue = to_rgb(line.get_color())
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    return (1 - grey) * (line.get_alpha() or 1)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be saved."""
    figures = []
    monkeypatch.setattr("sinlstm_jax.plots.save_figure", lambda figure, _: figures.append(figure))
    return figures


def waves(frequencies, past=100, future=200):
    time = np.arange(past + future) / 100
    truths = [np.sin(2 * np.pi * frequency * time) for frequency in frequencies]
    return [
        Forecast(f"{frequency:g} Hz", truth, 0.5 * truth)
        for frequency, truth in zip(frequencies, truths, strict=True)
    ]


def test_forecasts_show_observed_truth_and_prediction(tmp_path):
    path = tmp_path / "forecasts.png"
    plot_forecasts(path, waves([1.0, 2.0, 3.0]), past=100, title="three waves")
    assert all(count > 500 for count in colours(path))
    assert list(tmp_path.iterdir()) == [path]


def test_forecasts_are_told_apart_without_colour(drawn):
    plot_forecasts(Path("x.png"), waves([1.0]), past=100, title="one wave")
    (axes,) = drawn[0].axes
    observed, truth, prediction = axes.lines
    # The thin and dark prediction is on the wide and pale truth, whose edges it leaves free.
    assert observed.get_linestyle() == truth.get_linestyle() == prediction.get_linestyle() == "-"
    assert 2 * prediction.get_linewidth() < truth.get_linewidth()
    assert prediction.get_zorder() > truth.get_zorder()
    assert darkness(prediction) > 2 * darkness(truth)
    assert darkness(observed) == 1 and observed.get_linewidth() > 1.5 * prediction.get_linewidth()
    np.testing.assert_allclose(observed.get_xdata(), np.arange(100) / 100)
    np.testing.assert_allclose(truth.get_xdata(), np.arange(99, 300) / 100)
    assert axes.get_xlabel() == "time (s)"
    assert axes.get_ylabel() == "signal"


def test_loss_is_drawn_with_its_average(drawn):
    losses = np.array([4.0, 2.0, 1.0, 3.0, 5.0])
    plot_loss(Path("x.png"), losses[None], average_over=2, title="loss")
    (axes,) = drawn[0].axes
    each, average = axes.lines
    np.testing.assert_array_equal(each.get_ydata(), losses)
    np.testing.assert_array_equal(average.get_ydata(), [3.0, 2.0, 5.0])
    np.testing.assert_array_equal(average.get_xdata(), [0.5, 2.5, 4.0])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("iteration", "mean squared error")


def test_a_likelihood_is_drawn_on_a_linear_axis(drawn):
    losses = np.array([[1.0, 0.5, -0.5, -1.0]])
    plot_loss(Path("x.png"), losses, 2, "loss", "negative log-likelihood")
    (axes,) = drawn[0].axes
    assert (axes.get_yscale(), axes.get_ylabel()) == ("linear", "negative log-likelihood")
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [0.75, -0.75])


def test_the_band_of_a_forecast_is_shaded_after_what_was_observed(drawn):
    (wave,) = waves([1.0])
    plain, wave = wave, wave._replace(low=wave.prediction - 1, high=wave.prediction + 2, band=0.9)
    plot_forecasts(Path("x.png"), [plain, wave], past=100, title="with a band, and without")
    first, axes = drawn[0].axes
    (band,) = axes.collections
    assert band.get_label() == "90% band" and not first.collections
    told = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert told == ["observed", "true continuation", "prediction", "90% band"]
    points = band.get_paths()[0].vertices
    assert points[:, 0].min() == 1.0
    after = wave.prediction[100:]
    np.testing.assert_allclose(points[:, 1].min(), after.min() - 1)
    np.testing.assert_allclose(points[:, 1].max(), after.max() + 2)


def test_losses_of_replicates_are_drawn_as_a_band_without_those_that_failed(drawn):
    losses = np.array([[4.0, 2.0, 1.0, 3.0], [6.0, 6.0, 4.0, 4.0], [8.0, 8.0, 9.0, np.nan]])
    plot_loss(Path("x.png"), losses, average_over=2, title="loss")
    (axes,) = drawn[0].axes
    (median,), (band,) = axes.lines, axes.collections
    np.testing.assert_array_equal(median.get_ydata(), [6.0, 3.0])
    points = {tuple(point) for point in band.get_paths()[0].vertices}
    assert points == {(0.5, 3.0), (0.5, 8.0), (2.5, 2.0), (2.5, 4.0)}
    labels = {text.get_text() for text in drawn[0].legends[0].get_texts()}
    assert labels == {"lowest to highest seed", "median of 3 seeds, average of 2 iterations"}


def test_loss_goes_to_a_png(tmp_path):
    plot_loss(tmp_path / "loss.png", np.linspace(1, 0.1, 50)[None], average_over=10, title="loss")
    assert colours(tmp_path / "loss.png")[0] > 100


def test_continuations_show_gaps_and_tell_lines_apart_without_colour(drawn):
    times = 7 + np.arange(150) / 100
    signal = np.sin(times)[:, None] * np.array([1.0, 3.0])
    observed = signal[:100].copy()
    observed[[10, 30], 0] = np.nan
    streams = StreamForecasts(["a", "b"], times, observed, signal[100:])
    plot_streams(Path("x.png"), streams, "two streams")
    for axes, column, name, gaps in zip(drawn[0].axes, (0, 1), "ab", ([10, 30], []), strict=True):
        before, missing, after = axes.lines
        np.testing.assert_array_equal(before.get_ydata(), observed[:, column])
        np.testing.assert_allclose(missing.get_xdata(), times[gaps])
        np.testing.assert_array_equal(after.get_xdata(), times[100:])
        np.testing.assert_array_equal(after.get_ydata(), signal[100:, column])
        assert before.get_linestyle() == "-" and missing.get_marker() == "x"
        assert after.get_linestyle() == "--"
        assert axes.get_title(loc="left") == name
        assert axes.get_ylim()[1] > np.abs(signal[:, column]).max()
    assert drawn[0].axes[1].get_xlabel() == "time (s)"


def test_of_dates_the_axis_counts_from_the_first_one(drawn):
    times = 1.7e9 + 600.0 * np.arange(60)
    streams = StreamForecasts(["a"], times, np.ones((50, 1)), np.ones((10, 1)), begin="2023-11-14")
    plot_streams(Path("x.png"), streams, "a day")
    (axes,) = drawn[0].axes
    assert axes.get_xlabel() == "time (h) since 2023-11-14"
    np.testing.assert_allclose(axes.lines[-1].get_xdata(), np.arange(50, 60) / 6)


def test_of_many_streams_the_first_are_drawn(drawn):
    names = [f"stream {i}" for i in range(30)]
    streams = StreamForecasts(names, np.arange(9), np.zeros((5, 30)), np.zeros((4, 30)))
    plot_streams(Path("x.png"), streams, "many")
    assert [axes.get_title(loc="left") for axes in drawn[0].axes] == names[:8]
    assert drawn[0].get_suptitle() == "many (the first 8 of 30 streams)"
