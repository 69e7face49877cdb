"""docs/playground.html in real Chromium: the models that ship, side by side."""

import re
import shutil

import numpy as np
import pytest
from playground_pages import read

from sinlstm_jax import NO_INPUT, load_pretrained, rollout, rollout_with_spread
from sinlstm_jax.evaluation.baselines import sine_fit
from sinlstm_jax.evaluation.limit import limit_forecast
from sinlstm_jax.playground import ABOUT

pytest.importorskip("playwright", reason="no Playwright: pip install -e '.[browser]'")
if shutil.which("chromium") is None:
    pytest.skip("no chromium: install it from the system's packages", allow_module_level=True)

pytestmark = pytest.mark.browser

GOES_WELL = (
    *("Noise and lost samples", "Loud noise", "A gap", "Half of it lost", "Other units"),
    *("Half a second", "Clean, for 15 s", "Clean, for 30 s"),
)
FAILS = (
    *("Too fast", "Too slow", "A square wave", "Noise, to Tuned", "A louder wave, to Long"),
    "15 s, to The tutorial\u2019s",
)


@pytest.fixture
def page(open_page):
    """The committed page."""
    return open_page()


def picked(page):
    """Return the name of the model whose card is picked."""
    return list(ABOUT)[int(page.locator("#models input:checked").get_attribute("value"))]


def assert_rolled_out(shown, name, atol):
    """Check a forecast against what `rollout` makes of the same history."""
    horizon = len(shown["predictions"]) - len(shown["observed"])
    expected = np.asarray(rollout(load_pretrained(name), shown["observed"], horizon))[:, 0, 0]
    np.testing.assert_allclose(shown["predictions"], expected, rtol=0, atol=atol)


def relative_error(shown):
    """Return the squared error over that of a forecast of the wave's level, from the arrays."""
    past, level = len(shown["observed"]), shown["settings"]["level"]
    miss = (shown["predictions"] - shown["truth"])[past:]
    return np.mean(miss**2) / np.mean((shown["truth"][past:] - level) ** 2)


def test_the_page_opens_on_the_best_model_beside_all_others(page):
    shown = read(page)
    assert page.locator("#models .name").all_inner_texts() == [t for t, _ in ABOUT.values()]
    assert picked(page) == "sensor" == shown["models"][0]["name"]
    assert shown["settings"]["noise"] > 0 and np.isnan(shown["observed"]).any()
    assert page.locator("#stage-choice").is_hidden()
    horizon = shown["horizon"]
    _, spreads = rollout_with_spread(load_pretrained("sensor"), shown["observed"], horizon)
    np.testing.assert_allclose(shown["spreads"], np.asarray(spreads)[:, 0, 0], rtol=0, atol=1e-4)
    for model in shown["models"]:
        assert_rolled_out(shown | {"predictions": model["predictions"]}, model["name"], 1e-2)
    errors = [f"error {model['figures']['error']:.4f}" for model in shown["models"]]
    assert page.locator("#models .error").all_inner_texts() == errors
    assert shown["models"][0]["figures"]["error"] == min(
        model["figures"]["error"] for model in shown["models"]
    )


def test_each_model_is_picked_with_its_words_and_bands(page):
    units = {"sensor": 64, "tuned": 15, "long": 24, "curriculum": 15}
    noisy = read(page)["predictions"]
    for index, name in enumerate(ABOUT):
        page.locator("#models label").nth(index).click()
        shown = read(page)
        assert_rolled_out(shown, name, 1e-2)
        assert page.inner_text("#about").startswith(f"{units[name]} units: {ABOUT[name][1]}")
        has_band = name == "sensor"
        assert page.locator(".of-band").is_visible() == has_band
        marks = page.locator(".mark:visible").all_inner_texts()
        assert marks[0] == "trained: 0.5 to 4 Hz"
        clean = ["trained: 1", "trained: 0"]  # amplitude and level
        theirs = ["trained: 0 to 0.2 amp.", "trained: 0 to 50 %"]
        assert marks[1:] == (theirs if has_band else clean)
        stages = page.locator("#stages label:visible").count()
        assert stages == (4 if name == "curriculum" else 0)
    page.locator("#stages label:visible").first.click()
    first = read(page)
    assert first["stage"] == 0 and len(first["stages"]) == 4
    last = first["stages"][3]["predictions"]
    assert_rolled_out(first | {"predictions": last}, "curriculum", 1e-2)
    assert np.abs(first["predictions"] - last).max() > 0.1
    page.locator("#models input").nth(3).focus()
    page.keyboard.press("ArrowRight")  # around, to the first
    np.testing.assert_array_equal(read(page)["predictions"], noisy)


@pytest.mark.parametrize(("titled", "names"), [(0, GOES_WELL), (1, FAILS)])
def test_what_is_said_to_go_well_does_and_what_is_said_to_fail_fails(page, titled, names):
    group = page.get_by_role("group", name=("It goes on well", "It fails")[titled])
    assert tuple(group.locator("button").all_inner_texts()) == names
    for name in names:
        group.get_by_role("button", name=name, exact=True).click()
        shown = read(page)
        assert_rolled_out(shown, picked(page), 0.05)
        error = relative_error(shown)
        assert error == pytest.approx(shown["figures"]["error"] / shown["figures"]["silence"])
        assert error > 0.3 if titled else error < 0.05, (name, error)


def test_a_sensors_model_takes_any_units_even_samples_that_are_the_token(page):
    page.click("#reset")
    values = {"noise": 0, "dropped": 0, "level": -1, "amplitude": 1, "phase": 270, "frequency": 2}
    for name, value in values.items():
        page.fill(f"#{name}-exact", str(value))
    shown = read(page)
    assert shown["observed"][0] == NO_INPUT  # the wave's lowest sample
    assert shown["inputs"][0] != NO_INPUT
    assert_rolled_out(shown, "sensor", 1e-2)
    np.testing.assert_allclose(
        shown["truth"], -1 - np.cos(2 * np.pi * 2 * np.arange(len(shown["truth"])) / 100)
    )
    page.select_option("#shape", "square")
    truth = read(page)["truth"]
    assert {*np.round(truth, 9)} == {-2.0, 0.0}


def test_the_fitted_sine_is_sine_fits(page):
    assert page.locator(".of-fit").is_hidden()
    page.locator("#fit").check()
    for level in ("0", "4"):
        page.fill("#level-exact", level)
        shown = read(page)
        history = shown["observed"] - float(level)
        history[np.isnan(history)] = NO_INPUT
        expected = float(level) + sine_fit(history[:, None], shown["horizon"])[:, 0]
        fitted = np.array(shown["fit"])[len(history) :]
        np.testing.assert_allclose(fitted, expected, rtol=0, atol=1e-5)
        error = np.mean((fitted - shown["truth"][len(history) :]) ** 2)
        told = re.search(r"Its error: (\S+);", page.inner_text("#fit-words"))
        assert float(told[1]) == pytest.approx(error, rel=0.05, abs=1e-4)
    assert page.locator(".of-fit").is_visible()
    page.fill("#dropped", "100")
    shown = read(page)
    assert shown["fit"] is None
    assert all(x is None or np.isnan(x) for x in shown["predictions"])  # as Python's rollout
    page.locator("#summary", has_text="has no sample to go by").wait_for()  # it comes at rest
    assert "no sample to go by" in page.inner_text("main") and "NaN" not in page.inner_text("main")
    assert page.inner_text("#fit-words") == "Fewer than three samples: nothing to fit."
    page.locator("#fit").uncheck()
    assert read(page)["fit"] is None and page.inner_text("#fit-words") == ""


def test_the_limit_is_limit_forecasts(page):
    page.locator("#limit").check()
    for level, amplitude, noise in ((0, 1, 0.1), (4, 2.5, 0.3)):
        page.fill("#level-exact", str(level))
        page.fill("#amplitude-exact", str(amplitude))
        page.fill("#noise-exact", str(noise))
        shown = read(page)
        history = (shown["observed"] - level) / amplitude
        history[np.isnan(history)] = NO_INPUT
        limit = limit_forecast(history[:, None], shown["horizon"], noise)[:, 0]
        past = len(history)
        ours = np.array(shown["limit"][past:])
        np.testing.assert_allclose(ours, level + amplitude * limit, rtol=0, atol=1e-6)
        assert page.locator(".of-limit").is_visible()
        error = np.mean((ours - shown["truth"][past:]) ** 2)
        told = re.search(r"Its error: (\S+);", page.inner_text("#limit-words"))
        assert float(told[1]) == pytest.approx(error, rel=0.05, abs=1e-4)
    for name, value in (("noise", "0"), ("noise", "0.01")):  # none; and too many sums
        page.fill(f"#{name}-exact", value)
        assert read(page)["limit"] is None
        assert "turn the noise up" in page.inner_text("#limit-words")


def address_of(page):
    read(page)
    page.wait_for_timeout(600)  # it is written in a pause
    return "#" + page.url.partition("#")[2] if "#" in page.url else ""


def test_a_view_is_shared_by_its_address(page, open_page):
    assert address_of(page) == ""
    page.locator("#models input").nth(3).check()
    page.locator("#stages input:visible").nth(1).check()
    values = {"frequency": 2.345, "amplitude": 0.5, "level": 1.5, "noise": 0.05, "dropped": 7}
    for name, value in (values | {"seconds": 1.5, "horizon": 700}).items():
        page.fill(f"#{name}-exact", str(value))
    page.select_option("#shape", "square")
    page.click("#new-noise")
    page.locator("#fit").check()
    page.locator("#limit").check()
    page.locator("#fed").focus()
    for key in ("ArrowRight", "Space", "Shift+ArrowRight", "ArrowRight", "ArrowRight", "Delete"):
        page.keyboard.press(key)
    page.fill("#cursor", "200")
    shown, address = read(page), address_of(page)
    for part in ("model=curriculum", "stage=2", "frequency=2.345", "seed=2", "1-2,4"):
        assert part in address
    again = read(open_page(address=address))
    for name in ("observed", "predictions", "truth"):
        np.testing.assert_array_equal(again[name], shown[name])
    assert again["settings"] == shown["settings"]

    page.click("#reset")
    assert address_of(page) == ""
    page.evaluate(f"location.hash = {address!r}")  # as one types it, in the same page
    page.wait_for_timeout(100)
    np.testing.assert_array_equal(read(page)["predictions"], shown["predictions"])


def test_a_drawn_wave_is_in_the_address(page, open_page):
    page.click("#reset")
    page.locator("#fed").focus()
    for key in ("ArrowUp", "ArrowRight", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    shown = read(page)
    again = read(open_page(address=address_of(page)))
    assert again["settings"]["source"] == "drawn" and again["truth"] is None
    np.testing.assert_allclose(again["observed"], shown["observed"], rtol=0, atol=0.005)


@pytest.mark.parametrize(
    "address",
    [
        *("#", "#nonsense", "#model=nobody&stage=9", "#frequency=NaN&noise=-1&horizon=1e99"),
        *("#frequency=&amplitude=%E0%A4%A&seed=x&level=1e3", "#droppedByHand=a-b,3", "#stage=1.5"),
        *("#drawn=x,y", "#drawn=", "#drawn=,,,", "#shape=__proto__&fit=2&cursor=-4", "#=&&=#"),
        "#__proto__=1&constructor=2&droppedByHand=9-99999999999",
    ],
)
def test_an_address_that_makes_no_sense_is_ignored(open_page, address):
    start, shown = read(open_page()), read(open_page(address=address))
    assert shown["settings"] == start["settings"]
    np.testing.assert_array_equal(shown["predictions"], start["predictions"])


def test_samples_are_dropped_restored_and_drawn_by_keyboard(page):
    page.fill("#noise-exact", "0")
    page.fill("#dropped-exact", "0")
    before = read(page)
    fed = page.locator("#fed")
    fed.focus()
    page.keyboard.press("PageDown")
    assert read(page)["settings"]["cursor"] == 10
    assert fed.get_attribute("aria-valuenow") == "10"
    page.keyboard.press("Space")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    shown = read(page)
    assert np.flatnonzero(np.isnan(shown["observed"])).tolist() == [10, 11, 12, 13, 14]
    assert fed.get_attribute("aria-valuetext") == "sample 15 of 200, at 0.14 s: no input"
    page.keyboard.press("Space")  # restored; on the way back, the others are
    page.keyboard.press("Shift+ArrowLeft")
    assert read(page)["settings"]["droppedByHand"] == [10, 11, 12]
    page.keyboard.press("Shift+Home")
    np.testing.assert_array_equal(read(page)["predictions"], before["predictions"])

    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    shown = read(page)
    change = shown["observed"] - before["observed"]
    assert shown["settings"]["source"] == "drawn" and shown["truth"] is None
    np.testing.assert_allclose(change, [0] * 199 + [0.1], atol=1e-12)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "sine"  # nothing traps the keyboard


def test_the_dice_are_there_where_there_is_something_to_roll(page):
    button = page.locator("#new-noise")
    assert button.is_visible()
    page.fill("#noise-exact", "0")
    assert button.is_visible()  # which samples are lost is chance
    page.fill("#dropped-exact", "0")
    read(page)
    assert button.is_hidden()
    page.fill("#noise-exact", "0.1")
    read(page)
    assert button.is_visible()


def test_thumbnails_show_the_whole_forecast(page):
    page.click("text=Clean, for 15 s")
    read(page)
    canvas = page.locator("#models canvas").nth(3)  # drifts after the first seconds
    whole = canvas.screenshot()
    page.fill("#horizon-exact", "1000")
    read(page)
    assert canvas.screenshot() != whole


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 568)])
def test_a_phone_has_large_targets_and_the_first_control_soon(open_page, width, height):
    page = open_page(viewport={"width": width, "height": height}, has_touch=True)
    page.locator("#models input").nth(3).check()
    page.fill("#horizon-exact", "10")
    read(page)
    row = page.locator(".slider", has=page.locator("#horizon"))
    low = row.bounding_box()["height"]
    page.fill("#horizon-exact", "1500")
    read(page)
    assert row.bounding_box()["height"] == low  # 1500 steps do not wrap
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in page.locator("button:visible, input:visible, select:visible").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 24, control.get_attribute("id")
    page = open_page(viewport={"width": width, "height": height}, has_touch=True)
    read(page)
    for first in ("#models label", "#presets button"):
        box = page.locator(first).first.bounding_box()
        assert box["y"] + box["height"] <= 2 * height, first


@pytest.mark.parametrize("width", [1440, 768, 390, 320])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe")
    page = open_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    read(page)
    page.locator("#models input").nth(3).check()
    page.locator("#fit").check()
    page.locator("#limit").check()
    read(page)
    page.locator("#summary:not(:empty)").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
