"""The playground in real Chromium; skipped where there is none, or no Playwright."""

import io
import re
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image
from playground_pages import REST, read
from playground_reference import float64_rollout

from sinlstm_jax import (
    NO_INPUT,
    Observation,
    SensorLSTM,
    SineLSTM,
    Sines,
    Tones,
    load_model,
    rollout,
    rollout_with_spread,
    save_model,
)
from sinlstm_jax.evaluation.phase import frequency_error, track
from sinlstm_jax.playground import run_data, write_page

pytest.importorskip("playwright", reason="no Playwright: pip install -e '.[browser]'")
if shutil.which("chromium") is None:
    pytest.skip("no chromium: install it from the system's packages", allow_module_level=True)

from tests.playground.test_playground import COMMITTED, Decays, a_recording, a_run, data_in

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def tutorials(tmp_path_factory):
    """The page of the tutorial's curriculum alone, with its stages."""
    path = tmp_path_factory.mktemp("page") / "page.html"
    run = {"title": None, "about": None}  # as of a run of one's own
    write_page([data_in(COMMITTED.read_text())[-1] | run], path)
    return path


@pytest.fixture
def page(open_page, tutorials):
    return open_page(tutorials)


def wave(frequency, steps, phase=0.0, amplitude=1.0):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(steps) / 100 + np.deg2rad(phase))


def assert_near(ours, expected, atol=1e-12):
    np.testing.assert_allclose(ours, expected, rtol=0, atol=atol)


def assert_continued(shown, weights):
    """Check the forecast of what is fed, and the states, against JAX's in float64."""
    predictions, hidden = float64_rollout(weights, shown["inputs"][:, None])
    assert_near(shown["predictions"], predictions[:, 0], 1e-6)
    assert_near(shown["states"].reshape(hidden[:, 0].shape), hidden[:, 0], 1e-6)


def test_every_step_of_a_long_forecast_is_jaxs_in_float64(page):
    page.fill("#frequency-exact", "2.1337")
    page.fill("#phase-exact", "25")
    page.fill("#horizon-exact", "1500")
    for index, stage in enumerate(data_in(COMMITTED.read_text())[-1]["stages"]):
        page.locator("#stages input").nth(index).check()
        shown = read(page)
        assert (shown["stage"], len(shown["predictions"])) == (index, 1600)
        truth = wave(2.1337, 1600, 25)
        assert_near(shown["truth"], truth)
        assert_near(shown["inputs"], np.where(np.arange(1600) < 100, truth, NO_INPUT))
        assert_continued(shown, stage["weights"])
        on_the_card = shown["stages"][index]["predictions"]
        np.testing.assert_array_equal(on_the_card, shown["predictions"])


def test_another_model_with_a_name_that_bites(open_page, tmp_path):
    model = SineLSTM(6, rngs=nnx.Rngs(4))
    model.cell.input_bias[...] += 0.25
    save_model(model, tmp_path / "run")
    data = run_data(tmp_path / "run") | {"name": "</script><b>x</b>"}
    write_page([data], tmp_path / "page.html")
    page = open_page(tmp_path / "page.html")
    assert_continued(read(page), data["stages"][0]["weights"])
    assert page.inner_text("#origin") == "The network is of your run </script><b>x</b>."
    assert page.inner_text("#states-count") == "6"
    assert page.locator("#stages .name").all_inner_texts() == ["</script><b>x</b>"]


def test_figures_are_those_of_the_forecast(page):
    page.fill("#frequency-exact", "1.1337")
    page.fill("#horizon-exact", "1500")
    page.locator("#stages input").nth(1).check()  # it swings too slowly
    shown = read(page)
    forecast, truth = shown["predictions"][100:], wave(1.1337, 1600)[100:]
    squared = (forecast - truth) ** 2
    assert shown["figures"]["error"] == pytest.approx(squared.mean(), rel=1e-9)
    assert page.inner_text("#error") == f"{squared.mean():.4f}"
    assert page.inner_text("#error-note") == f"answering 0: {np.mean(truth**2):.4f}"
    worst = np.sqrt(squared.max())
    assert page.inner_text("#miss") == f"{worst:.2f}"
    assert page.inner_text("#miss-note") == f"at {(squared.argmax() + 100) / 100:.2f} s"
    for stage in shown["stages"][2:]:  # the first two do not swing like sine waves for long
        values = np.array(stage["predictions"])[100:, None]
        frequency = np.array([1.1337])
        followed = track(values, frequency, 2 * np.pi * frequency)
        expected = 1.1337 + frequency_error(followed)[0]
        assert stage["figures"]["frequency"] == pytest.approx(expected, rel=0.01)
    estimate = shown["figures"]["frequency"]
    assert page.inner_text("#estimate") == f"{estimate:.2f} Hz"
    assert "1.1337 Hz, inside the trained band" in page.inner_text("#estimate-note")
    page.locator("#summary", has_text=f"swings at {estimate:.2f} Hz for 15.0 s").wait_for()
    page.fill("#frequency-exact", "5")
    page.locator("#estimate-note", has_text="5 Hz, outside the trained band").wait_for()


def test_every_slider_moves_what_it_says(page):
    before = read(page)
    for name, value in {"frequency": 3, "phase": 90, "amplitude": 0.5, "horizon": 800}.items():
        page.fill(f"#{name}", str(value))
    shown = read(page)
    assert_near(shown["truth"], wave(3, 900, 90, 0.5))
    assert_near(shown["inputs"][:100], wave(3, 100, 90, 0.5))
    assert page.input_value("#frequency-exact") == "3"
    assert shown["figures"]["error"] != before["figures"]["error"]

    page.fill("#seconds", "2")
    shown = read(page)
    assert len(shown["observed"]) == 200 and len(shown["inputs"]) == 1000

    page.fill("#seconds", "4")
    page.fill("#noise", "0.5")
    noisy = read(page)
    clean = wave(3, 400, 90, 0.5)
    noise = noisy["observed"] - clean
    assert noise.std() == pytest.approx(0.25, rel=0.15)  # half of the amplitude
    assert abs(noise.mean()) < 0.1
    assert_near(noisy["truth"], wave(3, 1200, 90, 0.5))
    page.fill("#noise", "0.1")
    assert_near(read(page)["observed"] - clean, noise / 5)
    page.click("#new-noise")
    assert np.abs(read(page)["observed"] - clean - noise / 5).max() > 0.02

    page.fill("#noise", "0")
    page.fill("#dropped", "30")
    shown = read(page)
    missing = np.isnan(shown["observed"])
    assert missing.mean() == pytest.approx(0.3, abs=0.1)
    expected = np.where(missing, NO_INPUT, clean)
    assert_near(shown["inputs"][:400], expected)
    page.fill("#dropped", "100")
    assert (read(page)["inputs"] == NO_INPUT).all()
    page.click("#restore")
    assert not np.isnan(read(page)["observed"]).any()

    page.click("#reset")
    np.testing.assert_array_equal(read(page)["predictions"], before["predictions"])


def test_fields_take_exact_values_and_put_bad_ones_right(page):
    page.fill("#frequency-exact", "1.23456")
    assert read(page)["settings"]["frequency"] == 1.23456
    for name, given, expected in (
        ("frequency", "99", 8),
        ("frequency", "", 8),  # emptied: as it was
        ("amplitude", "-1", 0),
        ("horizon", "12.4", 12),
        ("horizon", "1e9", 3000),
    ):
        page.fill(f"#{name}-exact", given)
        page.press(f"#{name}-exact", "Enter")
        page.press(f"#{name}-exact", "Tab")
        assert read(page)["settings"][name] == expected
        assert page.input_value(f"#{name}-exact") == str(expected)


def test_stages_are_picked_with_mouse_and_keyboard(page):
    shown = read(page)
    assert shown["stage"] == 3
    names = page.locator("#stages .name").all_inner_texts()
    assert names == ["50 steps", "100 steps", "200 steps", "400 steps"]
    page.locator("#stages label").first.click()
    assert read(page)["stage"] == 0
    page.keyboard.press("ArrowRight")
    after = read(page)
    assert after["stage"] == 1
    np.testing.assert_array_equal(after["predictions"], shown["stages"][1]["predictions"])
    errors = page.locator("#stages .error").all_inner_texts()
    assert errors == [f"error {stage['figures']['error']:.4f}" for stage in shown["stages"]]
    assert len(set(errors)) == 4


def drag(page, *points):
    """Drag over the chart of what is fed; points as samples and values."""
    page.locator("#fed").scroll_into_view_if_needed()
    box = page.locator("#fed").bounding_box()
    past = len(read(page)["observed"])
    steps = past + max(4, int(past / 8 + 0.5))
    top, bottom = box["y"] + 20, box["y"] + box["height"] - 34 - 26
    for index, (sample, value) in enumerate(points):
        across = (box["width"] - 54) / (steps - 1)
        x = box["x"] + 44 + sample * across
        y = bottom - (value + 2.25) * (bottom - top) / 4.5
        page.mouse.move(x, y)
        if index == 0:
            page.mouse.down()
    page.mouse.up()


def test_samples_dropped_by_hand_become_the_token(page):
    before = read(page)
    page.get_by_label("drop samples").check()
    drag(page, (30, 0), (50, 0), (59, 1))
    shown = read(page)
    gap = np.flatnonzero(np.isnan(shown["observed"]))
    assert (gap[0], gap[-1], gap.size) == (30, 59, 30)
    assert (shown["inputs"][30:60] == NO_INPUT).all()
    np.testing.assert_array_equal(shown["predictions"][:30], before["predictions"][:30])
    assert np.abs(shown["predictions"] - before["predictions"])[30:].max() > 0.01
    page.locator("#summary", has_text="30 of them missing").wait_for()
    drag(page, (30, 0), (40, 0))  # begins on one that is dropped: restores
    assert np.flatnonzero(np.isnan(read(page)["observed"]))[0] == 41
    page.click("#restore")
    np.testing.assert_array_equal(read(page)["predictions"], before["predictions"])


def test_a_drawn_wave_is_continued(page):
    drawn = 0.8 * np.cos(2 * np.pi * 2 * np.arange(100) / 99)
    drag(page, *((sample, drawn[sample]) for sample in range(0, 100, 3)))
    shown = read(page)
    assert shown["settings"]["source"] == "drawn" and shown["truth"] is None
    assert_near(shown["inputs"][:100], drawn, 0.05)
    assert_continued(shown, data_in(COMMITTED.read_text())[-1]["stages"][3]["weights"])
    assert page.inner_text("#error") == "\u2013"
    page.locator("#summary", has_text="what you drew").wait_for()
    assert page.locator(".of-truth").is_hidden()
    page.click("#sine")
    shown = read(page)
    assert_near(shown["truth"], wave(1.7, 600))
    assert page.locator("#sine").is_hidden()

    drag(page, (50, 0), (70, 0.5))  # what is not drawn over is not observed
    shown = read(page)
    assert np.isnan(shown["observed"]).sum() == 100 - 21
    drag(page, (20, 1.5), (50, 0))  # the next stroke goes on with it
    assert np.isnan(read(page)["observed"]).sum() == 100 - 51
    page.fill("#frequency", "2")
    assert read(page)["settings"]["source"] == "sine"


def test_values_are_read_off_with_pointer_and_keyboard(page):
    shown = read(page)
    page.locator("#cursor").focus()
    page.keyboard.press("ArrowRight")
    read_off = page.inner_text("#readout")
    prediction, truth = (f"{shown[name][101]:.3f}" for name in ("predictions", "truth"))
    expected = f"1.01 s: network {prediction}, truth {truth}, fed no input"
    assert read_off == expected.replace("-", "\u2212")
    assert page.get_attribute("#cursor", "aria-valuetext") == read_off
    box = page.locator("#forecast").bounding_box()
    page.mouse.move(box["x"] + 44, box["y"] + 50)
    assert re.match(r"0\.00 s: network \S+, truth 0\.000, fed 0\.000", page.inner_text("#readout"))


def test_everything_is_reached_by_keyboard_and_has_a_name(open_page, tutorials):
    page = open_page(tutorials, "#noise=0.1")
    read(page)
    reached, focus = set(), "document.activeElement"
    for _ in range(60):
        page.keyboard.press("Tab")
        name = page.evaluate(f"{focus}.id || {focus}.name || {focus}.textContent.trim()")
        if page.evaluate(f"{focus} === document.body"):
            break
        reached.add(name)
        outlined = page.evaluate(
            f"[{focus}, {focus}.parentElement].some("
            "(each) => getComputedStyle(each).outlineStyle === 'solid')"
        )
        assert outlined, name
    sliders = {"frequency", "phase", "amplitude", "noise", "dropped", "seconds", "horizon"}
    assert reached >= sliders | {f"{name}-exact" for name in sliders} | {"stage", "tool", "cursor"}
    assert reached >= {"new-noise", "restore", "reset", "Too fast", "fed", "fit", "shape"}
    page.locator("#frequency").focus()
    page.keyboard.press("ArrowRight")
    assert read(page)["settings"]["frequency"] == pytest.approx(1.71)
    unnamed = page.evaluate(
        """[...document.querySelectorAll("input")].filter(
          (each) => !each.labels.length && !each.getAttribute("aria-label")).length"""
    )
    assert unnamed == 0
    assert page.locator("[aria-live=polite]#summary").count() == 1


def test_every_wave_to_try_changes_the_wave(page):
    seen = [read(page)["predictions"].tolist()]
    page.locator("#stages input").nth(2).check()
    for button in page.locator("#presets button").all():
        button.click()
        shown = read(page)
        assert shown["stage"] == 2
        assert np.isfinite(shown["predictions"]).all()
        seen.append(shown["predictions"].tolist())
    assert len({tuple(each) for each in seen}) == len(seen) == 9


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_is_wider_than_a_phone(open_page, width):
    page = open_page(viewport={"width": width, "height": 740}, has_touch=True)
    page.fill("#horizon-exact", "3000")
    read(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for canvas in page.locator("canvas:visible").all():
        box = canvas.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["height"] >= 40
    page.locator("#frequency").scroll_into_view_if_needed()
    box = page.locator("#forecast").bounding_box()  # stays in sight
    assert box["y"] >= 0 and box["y"] + box["height"] < 740


def test_dark_and_light_follow_the_system_and_have_the_contrast_that_wcag_asks_for(open_page):
    page = open_page(color_scheme="light")
    read(page)
    assert min(lightness(page)) > 200
    assert_contrasts(page)
    page.emulate_media(color_scheme="dark")
    read(page)
    assert max(lightness(page)) < 60
    assert_contrasts(page)


def lightness(page):
    """Return how light the page is, and how light the chart where the wave was observed."""
    pixels = Image.open(io.BytesIO(page.screenshot())).convert("L")
    box = page.locator("#forecast").bounding_box()
    return pixels.getpixel((2, 2)), pixels.getpixel((int(box["x"]) + 50, int(box["y"]) + 30))


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def assert_contrasts(page):
    def luminance_of(name):
        style = "getComputedStyle(document.documentElement)"
        return luminance(page.evaluate(f"{style}.getPropertyValue('--{name}').trim()"))

    for ground in ("paper", "card", "band"):
        for name, least in {"ink": 4.5, "muted": 4.5, "truth": 3, "prediction": 3}.items():
            darker, lighter = sorted((luminance_of(name), luminance_of(ground)))
            assert (lighter + 0.05) / (darker + 0.05) >= least, (name, ground)


def test_a_long_forecast_takes_less_than_a_frame(page):
    page.fill("#horizon-exact", "1500")
    times = []
    for phase in range(10):
        page.fill("#phase", str(phase))
        times.append(page.evaluate(REST + ".then(() => playground.milliseconds)"))
    assert min(times) < 1000 / 60


SIGNALS = {
    "fast": Sines((5, 40), amplitude=(1, 2), level=(-1, 1), sampling_rate=1000),
    "quiet": Sines((200, 200), amplitude=(0.01, 0.01), level=(3, 3), sampling_rate=44100),
    "slow": Sines((1e-5, 5e-5), sampling_rate=1 / 3600),
    "tone": Tones(1),
    "tones": Tones(3, power=2.0),
    "harmonics": Tones(3, (1, 8), harmonic=True, sampling_rate=50),
    "chords": Tones(7),
    "recording": a_recording(),
    "decays": Decays(),
    "gauge": Sines(amplitude=(1, 2), level=(5, 8)),  # to a SensorLSTM
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on each signal, and its page."""
    folder = tmp_path_factory.mktemp("runs")
    for name, signal in SIGNALS.items():
        network = SensorLSTM if name == "gauge" else SineLSTM
        observation = Observation(noise=(0, 0.1))
        a_run(folder / name, signal=signal, past=60, observation=observation, network=network)
        write_page([run_data(folder / name, own=signal)], folder / f"{name}.html")
    return folder


def turned(page):
    """Return the names of all that can be turned."""
    return [each.get_attribute("id") for each in page.locator("#sliders [type=range]").all()]


def assert_rolled_out(shown, model):
    """Check the forecast against what `rollout` makes of the same history."""
    expected = np.asarray(rollout(model, shown["observed"], len(shown["inputs"]) - shown["past"]))
    assert_near(shown["predictions"], expected[:, 0, 0], 1e-4)


@pytest.mark.parametrize("name", SIGNALS)
def test_every_control_of_every_signal_moves_the_picture(open_page, runs, name):
    page = open_page(runs / f"{name}.html")
    model = load_model(runs / name)
    shown = read(page)
    start = page.locator("#forecast").screenshot()
    assert_rolled_out(shown, model)
    assert len(shown["observed"]) == 60
    unmoved = []
    for control in turned(page):
        page.click("#reset")
        before = read(page)
        slider = page.locator(f"#{control}")
        low, high = (float(slider.get_attribute(end)) for end in ("min", "max"))
        slider.fill(str(low + (high - low) / 4))
        after = read(page)
        assert_rolled_out(after, model)
        assert after["settings"][control] != before["settings"][control]
        if page.locator("#forecast").screenshot() == start:
            unmoved.append(control)
    assert unmoved == []
    for button in page.locator("#presets button").all():
        button.click()
        assert_rolled_out(read(page), model)
        assert page.locator("#forecast").screenshot() != start, button.inner_text()
    page.click("#reset")
    np.testing.assert_array_equal(read(page)["predictions"], shown["predictions"])
    unnamed = """[...document.querySelectorAll("input")].filter(
      (each) => !each.labels.length && !each.getAttribute("aria-label")).length"""
    assert page.evaluate(unnamed) == 0
    for button in page.locator("button:visible").all():
        assert button.bounding_box()["height"] >= 24


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("width", [320, 1440])
def test_no_signals_page_is_wider_than_its_window(open_page, runs, name, width):
    page = open_page(runs / f"{name}.html", viewport={"width": width, "height": 740})
    read(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_sine_waves_of_any_amplitude_level_and_rate(open_page, runs):
    page = open_page(runs / "fast.html")
    names = "frequency phase amplitude level noise dropped seconds horizon".split()
    assert turned(page) == names
    marks = page.locator(".mark:visible").all_inner_texts()
    expected = "5 to 40 Hz", "1 to 2", "\u22121 to 1", "0 to 0.1 amp."
    assert marks == [f"trained: {each}" for each in expected]
    for name, value in {"frequency": 30, "phase": 90, "amplitude": 1.25, "level": 0.5}.items():
        page.fill(f"#{name}-exact", str(value))
    page.fill("#noise", "0.2")
    page.fill("#seconds", "0.24")
    shown = read(page)
    truth = 0.5 + wave(3, 740, 90, 1.25)  # 30 Hz at 1000 Hz
    assert_near(shown["truth"], truth)
    noise = shown["observed"] - truth[:240]
    assert noise.std() == pytest.approx(0.2 * 1.25, rel=0.2)  # of the wave's amplitude
    assert page.inner_text("#estimate-note") == "true: 30 Hz, inside the trained band"
    page.fill("#frequency-exact", "70")
    page.locator("#estimate-note", has_text="70 Hz, outside the trained band").wait_for()
    page.locator("#summary", has_text="After 240 noisy samples of a sine wave of 70 Hz").wait_for()
    page.fill("#cursor", "243")
    assert page.inner_text("#readout").startswith("0.243 s: network ")


def test_a_network_that_says_how_sure_it_is_has_a_band(open_page, runs):
    page, model = open_page(runs / "gauge.html"), load_model(runs / "gauge")
    page.fill("#level-exact", "6.5")
    shown = read(page)
    _, spreads = rollout_with_spread(model, shown["observed"], len(shown["inputs"]) - 60)
    assert_near(list(shown["spreads"]), np.asarray(spreads)[:, 0, 0], 1e-5)
    page.fill("#cursor", "100")
    reach = 1.6448536 * np.array(shown["spreads"])[100]
    ends = (shown["predictions"][100] + sign * reach for sign in (-1, 1))
    expected = "90 % within {:.3f} to {:.3f}".format(*ends).replace("-", "\u2212")
    assert expected in page.inner_text("#readout")
    assert "less the mean of what is observed" in page.inner_text("#scaled")
    assert "level" in turned(page)


def test_tones_are_those_of_the_signal(open_page, runs):
    page = open_page(runs / "tones.html")
    numbers = (1, 2, 3)
    assert turned(page)[:6] == [f"{what}{n}" for what in ("frequency", "strength") for n in numbers]
    seen = set()
    for _ in range(4):
        page.click("#new-noise")
        shown = read(page)
        chosen = shown["settings"]
        drawn = [
            jnp.array([[chosen[f"{what}{n}"] for n in numbers]], jnp.float32)
            for what in ("frequency", "turn", "strength")
        ]
        assert (drawn[0] >= 0.5).all() and (drawn[0] <= 4).all()
        drawn[2] *= jnp.sqrt(2 * SIGNALS["tones"].power / jnp.sum(drawn[2] ** 2))
        expected = np.asarray(SIGNALS["tones"].values(tuple(drawn), 560))[:, 0]
        assert_near(shown["truth"], expected, 1e-4)
        seen.add(np.asarray(drawn[0]).tobytes())
    assert len(seen) == 4
    assert "the truth, measured alike: " in page.inner_text("#estimate-note")
    page.fill("#frequency2-exact", "7")
    page.locator("#estimate-note", has_text="outside the trained band").wait_for()

    page = open_page(runs / "harmonics.html")
    assert turned(page)[:4] == ["frequency1", "strength1", "strength2", "strength3"]
    page.fill("#frequency1-exact", "2")
    shown = read(page)
    saw = sum(wave(2 * n, 1200)[::2] / n for n in numbers)  # at 50 Hz
    saw *= np.sqrt(0.5 / (sum(n**-2 for n in numbers) / 2))
    assert_near(shown["truth"], saw[: len(shown["truth"])])
    page.locator("#summary", has_text="3 harmonics of 2 Hz").wait_for()

    page = open_page(runs / "chords.html")
    assert turned(page) == ["noise", "dropped", "seconds", "horizon"]
    before = read(page)
    page.click("#new-noise")
    assert np.abs(read(page)["truth"] - before["truth"]).max() > 0.1


def test_windows_of_a_recording_have_its_gaps_and_units(open_page, runs):
    page = open_page(runs / "recording.html")
    (data,) = data_in((runs / "recording.html").read_text())
    values = np.array(data["windows"]["values"], float)
    assert page.inner_text("#signal") == "The recording"
    page.fill("#window", "5")
    page.fill("#horizon-exact", "700")
    shown = read(page)
    np.testing.assert_array_equal(shown["truth"][:560], values[4])
    assert np.isnan(shown["truth"][560:]).all()  # nothing is known there
    missing = np.isnan(values[4][:60])
    assert missing.any()
    assert_near(shown["inputs"][:60], np.where(missing, NO_INPUT, values[4][:60]))
    known = ~np.isnan(shown["truth"]) & (np.arange(760) >= 60)
    miss = (shown["predictions"] - shown["truth"])[known]
    assert shown["figures"]["error"] == pytest.approx(np.mean(miss**2))
    mean, scale = SIGNALS["recording"].scaling
    assert page.inner_text("#miss") == f"{scale * np.abs(miss).max():.2f}"
    page.locator("#summary", has_text=f"window 5, {missing.sum()} of them missing").wait_for()

    page.fill("#noise", "0.3")
    noisy = read(page)
    noise = (noisy["observed"] - values[4][:60])[~missing]
    assert noise.std() == pytest.approx(0.3, rel=0.3)
    page.fill("#noise", "0")
    page.fill("#seconds", "0.4")  # less is observed, and the forecast begins where it did
    shown = read(page)
    np.testing.assert_array_equal(shown["truth"][:520], values[4][40:])
    page.fill("#cursor", "15")
    at = SIGNALS["recording"].scaling.undo(shown["truth"][15])
    assert re.match(rf"0\.30 s: network [\d.]+, truth {at:.3f}, fed ", page.inner_text("#readout"))
    page.fill("#cursor", "719")
    assert "truth" not in page.inner_text("#readout")
    assert page.inner_text("#scaled") == f": a sample less {mean:.4g}, over {scale:.4g}"


def test_a_signal_of_ones_own_is_in_its_units(open_page, runs):
    page = open_page(runs / "decays.html")
    assert page.inner_text("#every") == "500 ms"
    shown = read(page)
    page.fill("#cursor", "0")
    first = 10 + 0.5 * shown["truth"][0]
    assert f"truth {first:.2f}" in page.inner_text("#readout")
    page.locator("#training", has_text="windows of Decays such as these, with noise").wait_for()
    assert read(page)["settings"]["source"] == "window"
    drag(page, (10, 0), (30, 0.5))
    assert read(page)["truth"] is None
    assert page.inner_text("#sine") == "Back to the signal"
    page.click("#sine")
    np.testing.assert_array_equal(read(page)["truth"], shown["truth"])
