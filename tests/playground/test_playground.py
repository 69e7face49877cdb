import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from playground_reference import arrays_in, float64_rollout

from sinlstm_jax import (
    NO_INPUT,
    InputError,
    Observation,
    Recipe,
    Recording,
    Signal,
    SineLSTM,
    Sines,
    Stage,
    Tones,
    held_out_waves,
    load_pretrained,
    rollout,
    save_model,
)
from sinlstm_jax.commands import main as cli
from sinlstm_jax.model import split_model
from sinlstm_jax.playground import ABOUT, page, pretrained_data, run_data, shipped_data, write_page
from sinlstm_jax.recipes import RECIPES, SHIPPED
from sinlstm_jax.runs.record import RunRecord
from sinlstm_jax.runs.signals import keep_signal
from sinlstm_jax.signals.observation import CLEAN
from sinlstm_jax.signals.signal import Scaling
from sinlstm_jax.signals.sines import SINES

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "playground.html"


def data_in(html):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html)
    return json.loads(text)


def a_run(
    folder,
    stages=((10, 200), (20, 300)),
    signal: Signal = SINES,
    observation=CLEAN,
    past=30,
    network=SineLSTM,
    **changes,
):
    """Make a folder as training leaves it: a checkpoint per stage, run.json, and its signal."""
    models = [network(3, rngs=nnx.Rngs(step)) for _, step in stages]
    for (_, step), model in zip(stages, models, strict=True):
        save_model(model, folder / f"saved-{step}")
        checkpoint = folder / f"saved-{step}" / "checkpoints" / "0"
        shutil.copytree(checkpoint, folder / "checkpoints" / str(step))
        shutil.rmtree(folder / f"saved-{step}")
    recipe = Recipe(
        *("mine", "for tests", (Stage(10, 200),), 10),
        past=past,
        signal=signal,
        observation=observation,
    )
    record = RunRecord.new(recipe, [7, 8], device="cpu", implementation="scan").to_json()
    rest = {"iterations": 200, "seconds": 1.0, "implementation": "scan", "averaged_over": 10}
    rest["replicates"] = []
    figures = [
        rest | {"stage": i, "horizon": horizon, "checkpoint": f"checkpoints/{step}"}
        for i, (horizon, step) in enumerate(stages, 1)
    ]
    (folder / "run.json").write_text(json.dumps(record | {"figures": figures} | changes))
    keep_signal(folder, signal)
    return models


def a_recording(held_out=0.25, length=4000):
    """Make a recording at 50 Hz around 50, with gaps all over."""
    step = np.arange(length)
    samples = 50 + 3 * np.sin(step / 7)
    samples[step % 90 < 4] = np.nan
    return Recording(samples, 50.0, held_out)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Decays(Signal):
    """Levels that fade, between 0 and 100, in kilograms: a law that no page knows."""

    sampling_rate: float = 2.0
    scaling = Scaling(10.0, 0.5)

    def draw(self, key, batch_size):
        return jax.random.uniform(key, (batch_size,), jnp.float32, 20.0, 100.0)

    def values(self, drawn, steps):
        return drawn[None, :] * jnp.exp(-jnp.arange(steps)[:, None] / 200.0)


def assert_holds(stage, model):
    _, weights, frozen = split_model(model)
    weights["cell"]["input_bias"] = frozen["cell"]["input_bias"]
    jax.tree.map(np.testing.assert_array_equal, weights, arrays_in(stage["weights"]))


def test_a_page_holds_every_stage_of_its_run_to_the_bit(tmp_path):
    models = a_run(tmp_path / "run")
    write_page([run_data(tmp_path / "run")], tmp_path / "new" / "page.html")
    (data,) = data_in((tmp_path / "new" / "page.html").read_text())
    origin = [data[name] for name in ("name", "recipe", "seed", "past")]
    assert origin == ["run", "mine", 7, 30]
    assert [stage["horizon"] for stage in data["stages"]] == [10, 20]
    for stage, model in zip(data["stages"], models, strict=True):
        assert_holds(stage, model)


def test_a_run_before_its_first_stages_end_is_one_stage(tmp_path):
    _, latest = a_run(tmp_path / "run", figures=[])
    data = run_data(tmp_path / "run")
    assert [stage["horizon"] for stage in data["stages"]] == [None]
    assert data["recipe"] == "mine"
    assert_holds(data["stages"][0], latest)


def test_a_run_whose_networks_were_made_into_one_is_that_one(tmp_path):
    a_run(tmp_path / "run")
    joined = SineLSTM(6)
    save_model(joined, tmp_path / "run" / "ensemble")
    for name in ("run", "run/ensemble"):
        data = run_data(tmp_path / name)
        assert (data["past"], len(data["stages"])) == (30, 1)
        assert_holds(data["stages"][0], joined)
    data = run_data(tmp_path / "run")
    assert (data["recipe"], data["stages"][0]["horizon"]) == ("mine", 20)
    assert len(run_data(tmp_path / "run", replicate=0)["stages"]) == 2


def test_a_checkpoint_and_a_model_without_a_run_are_one_stage(tmp_path):
    first, _ = a_run(tmp_path / "run")
    data = run_data(tmp_path / "run" / "checkpoints" / "200")
    assert (data["name"], data["recipe"], len(data["stages"])) == ("200", None, 1)
    assert_holds(data["stages"][0], first)
    model = SineLSTM(2)
    model.cell.input_bias[...] += 0.25
    save_model(model, tmp_path / "saved")
    assert_holds(run_data(tmp_path / "saved")["stages"][0], model)


def test_the_page_is_of_the_model_for_sensors_where_none_is_named():
    data, recipe = pretrained_data(), RECIPES["sensor"]
    assert (data["name"], data["past"]) == ("sensor", recipe.past)
    assert data["observation"] == recipe.observation.describe()
    assert_holds(data["stages"][-1], load_pretrained())


def test_a_page_tells_what_its_run_learnt_and_saw(tmp_path):
    data = pretrained_data("curriculum")
    plain = {"scaling": {"mean": 0.0, "scale": 1.0}}
    assert data["signal"] == SINES.describe() | plain
    assert (data["is_tutorials"], data["past"]) == (True, 100)
    assert (data["observation"], data["windows"]) == (CLEAN.describe(), None)
    fast = Sines(frequency=(5, 40), level=(-1, 1), sampling_rate=1000)
    noisy = Observation(noise=(0, 0.2), missing=(0, 0.5))
    for name, signal, observation in (
        ("noisy", SINES, noisy),
        ("fast", fast, CLEAN),
        ("tones", Tones(3, harmonic=True), noisy),
    ):
        a_run(tmp_path / name, signal=signal, observation=observation)
        for path in (tmp_path / name, tmp_path / name / "checkpoints" / "200"):
            data = run_data(path)
            assert data["signal"] == signal.describe() | plain
            assert data["observation"] == observation.describe()
            assert (data["is_tutorials"], data["past"]) == (signal == SINES, 30)
            assert data["windows"] is None


def test_windows_of_a_recording_are_those_held_out(tmp_path):
    recording = a_recording()
    a_run(tmp_path / "run", signal=recording)
    data = run_data(tmp_path / "run")
    assert data["signal"]["sampling_rate"] == 50
    assert data["signal"]["scaling"] == recording.scaling._asdict()
    values = np.array(data["windows"]["values"], float)  # None becomes NaN
    assert values.shape == (12, 30 + 500)  # half of what is held out
    expected, amplitude = recording.held_out(12, 30, 500)
    np.testing.assert_allclose(values, expected.T, rtol=5e-5)
    assert 0 < np.isnan(values).mean() < 0.1
    assert data["windows"]["amplitude"] == amplitude.tolist()


def test_windows_are_as_many_and_as_long_as_a_small_page_has_room_for(tmp_path):
    long, short = a_recording(length=40000), a_recording(0.1, 1000)
    for name, signal, past, shape in (
        ("long", long, 100, (7, 1600)),
        ("past", long, 5000, (1, 6500)),
        ("short", short, 30, (12, 30 + 50)),
        ("tight", a_recording(0.01, 1000), 30, (1, 30 + 10)),  # no more than a stage's horizon
    ):
        a_run(tmp_path / name, signal=signal, past=past)
        data = run_data(tmp_path / name)
        assert np.shape(data["windows"]["values"]) == shape, name
        assert len(page([data])) < 200_000


def test_a_signal_of_ones_own_needs_its_recipe(tmp_path, monkeypatch, capsys):
    a_run(tmp_path / "run", signal=Decays())
    with pytest.raises(InputError, match=r"was trained on Decays\(.*: give --recipe MODULE:NAME"):
        run_data(tmp_path / "run")
    data = run_data(tmp_path / "run", own=Decays())
    assert np.shape(data["windows"]["values"]) == (7, 1530)
    assert (data["signal"]["class"], data["signal"]["sampling_rate"]) == ("Decays", 2)
    assert data["signal"]["scaling"] == {"mean": 10, "scale": 0.5}

    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe_of_decays.py").write_text(
        "from sinlstm_jax import Recipe, Stage\n"
        f"from {Decays.__module__} import Decays\n"
        "mine = Recipe('mine', 'for tests', (Stage(10, 200),), 10, past=30, signal=Decays())\n"
    )
    cli.main(["playground", "run", "--recipe", "recipe_of_decays:mine"])
    assert "playground.html: 2 stages" in capsys.readouterr().out
    assert data_in((tmp_path / "run" / "playground.html").read_text()) == [data]


def test_a_class_that_inherits_from_ours_has_windows_too(tmp_path):
    @jax.tree_util.register_static
    @dataclass(frozen=True)
    class Louder(Sines):
        def values(self, drawn, steps):
            return 2 * super().values(drawn, steps)

    a_run(tmp_path / "run", signal=Louder())
    windows = np.array(run_data(tmp_path / "run", own=Louder())["windows"]["values"])
    assert 1.9 < windows.max() < 2.1


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist: give a run's folder"):
        run_data(tmp_path / "nowhere")
    a_run(tmp_path / "gone", stages=((10, 200),))
    shutil.rmtree(tmp_path / "gone" / "checkpoints" / "200")
    with pytest.raises(InputError, match=r"checkpoints/200 does not exist: give"):
        run_data(tmp_path / "gone")
    for name, figures in (("old", [{"horizon": 10}]), ("odd", [1])):
        a_run(tmp_path / name, figures=figures)
        with pytest.raises(InputError, match=f"{name} is of another version of this package"):
            run_data(tmp_path / name)
    model = SineLSTM(2)
    model.output.bias[...] = jnp.array([np.inf])
    save_model(model, tmp_path / "infinite")
    with pytest.raises(InputError, match="weights that are not finite"):
        run_data(tmp_path / "infinite")


def test_a_page_needs_nothing_from_elsewhere_and_is_small():
    html = page([pretrained_data("curriculum")])
    assert "{{" not in html
    outside = [
        *re.findall(r"""\b(?:src|href)=["']?([^"' >]+)""", html),
        *re.findall("@import", html),
    ]
    assert [each[:5] for each in outside] == ["data:"]
    assert "default-src 'none'" in html
    assert len(html) < 100_000
    assert len(COMMITTED.read_bytes()) < 300 * 1024


def test_names_cannot_break_out_of_the_page():
    name = "</script><b>&amp;{{script}}<!--"
    html = page([pretrained_data("curriculum") | {"name": name}])
    assert data_in(html)[0]["name"] == name
    assert html.count("</script>") == 2
    assert "<b>&amp;" not in html
    assert "<title>Sine LSTM playground: &lt;/script&gt;" in html


def test_the_committed_page_is_what_the_sources_make_of_the_shipped_weights():
    html = COMMITTED.read_text()
    models = data_in(html)
    assert page(models) == html, "run python -m scripts.publish.playground_page"
    assert [model["name"] for model in models] == [*ABOUT] and {*ABOUT} == {*SHIPPED}
    for model in models:
        assert_holds(model["stages"][-1], load_pretrained(model["name"]))
        assert len(model["stages"]) == 1 or model["name"] == "curriculum"
    assert [stage["horizon"] for stage in models[-1]["stages"]] == [50, 100, 200, 400]


def test_the_page_of_what_ships_takes_the_stages_of_the_run_that_it_is_of(tmp_path):
    a_run(tmp_path / "run")
    with pytest.raises(InputError, match="run did not end with the weights that ship: give"):
        shipped_data(tmp_path / "run")
    first, _ = a_run(tmp_path / "right")
    last = tmp_path / "right" / "checkpoints" / "300"
    shutil.rmtree(last)
    save_model(load_pretrained("curriculum"), tmp_path / "saved")
    shutil.copytree(tmp_path / "saved" / "checkpoints" / "0", last)
    models = shipped_data(tmp_path / "right")
    assert [len(model["stages"]) for model in models] == [1, 1, 1, 2]
    assert_holds(models[-1]["stages"][0], first)
    assert_holds(models[0]["stages"][0], load_pretrained("sensor"))


def test_float32_and_float64_differ_as_little_as_the_page_says():
    history = held_out_waves(256).values(0, 100)
    ours = np.asarray(rollout(load_pretrained("curriculum"), history, 1500))[:, :, 0]
    inputs = np.concatenate([history, np.full((1500, 256), NO_INPUT)])
    exact, _ = float64_rollout(pretrained_data("curriculum")["stages"][0]["weights"], inputs)
    assert 1e-5 < np.abs(ours - exact).max() < 1e-3
    assert "differ by less than 0.001 over 1500 steps" in " ".join(COMMITTED.read_text().split())


@pytest.mark.parametrize(
    ("run", "page"),
    [
        ("run", "run/playground.html"),
        ("run/checkpoints/200", "run/playground-200.html"),
    ],
)
def test_a_page_goes_into_its_runs_folder(tmp_path, monkeypatch, capsys, run, page):
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path / "run")
    cli.main(["playground", run])
    assert re.search(r"playground\S*\.html: \d stages?, \d+ KiB; open it", capsys.readouterr().out)
    assert (tmp_path / page).is_file()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["curriculum"], "curriculum ships, and has no folder of its own: give --out"),
        (["curriculum", "--out", "page.txt"], "page.txt does not end in .html: give"),
        (
            ["curriculum", "--out", "file/page.html"],
            "file/page.html cannot be written (File exists)",
        ),
        (["nowhere"], "nowhere does not exist: give a run's folder"),
        (
            ["curriculum", "--out", "page.html", "--recipe", "smoke"],
            "--recipe is 'smoke': curriculum ships, and learnt known waves: leave it out",
        ),
    ],
)
def test_bad_input_leaves_nothing(tmp_path, monkeypatch, capsys, arguments, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("sys.argv", ["sinlstm", "playground", *arguments])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    output, errors = capsys.readouterr()
    assert (exit.value.code, output) == (2, "")
    assert errors.startswith("error: ") and complaint in errors and errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
