"""Whatever a user hands over: finite numbers of the annotated shapes, or the one error.

A table of borders: public functions that check what they are given, and the commands. A few
examples of each in the suite; with `--hypothesis-profile thousands` (conftest.py), many.
"""

import contextlib
import io
import math
import re
import tempfile
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_recipe

import sinlstm_jax as sl
from sinlstm_jax import commands, curriculum, playground
from sinlstm_jax.commands import main as cli
from sinlstm_jax.errors import shown
from sinlstm_jax.formats import convert, export

SIZE = 3  # hidden units, so that few programs are compiled
MODEL = sl.SineLSTM(SIZE, implementation="scan")
SENSOR = sl.SensorLSTM(SIZE, implementation="scan")
STREAM = sl.Forecaster(MODEL)
TINY = tiny_recipe(sl.Stage(2, 2), display_every=1, past=2, batch_size=1, hidden_size=2)
TOO_LONG = (sl.Stage(1, 2**31 - 1),) * 2
EXTREMES = [0.0, -0.0, math.nan, math.inf, 1e-45, 3e38, -3e38]
ODD_ARRAYS = [
    *(np.zeros(shape) for shape in ((0,), (2, 0), (), (1, 1, 1, 1))),
    *(np.array([x]) for x in ("a", 1j, None)),
    np.array([2**70], object),
    np.array([np.nan, 1.0]),
    np.array([True, False]),
    np.arange(3),
    np.array(["2001-01-01"], "datetime64[s]"),
    jnp.ones(2, jnp.bfloat16),
    jnp.ones(2, bool),
]
# Integers are small or beyond int32: what lies between may be valid, and fill the memory.
junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 4) | st.integers(2**31, 2**70),
    st.sampled_from([-1, 0, 2**31, 2**32, 2**63, 10**400]),
    st.builds(lambda: -(10**5000)),  # too long for hypothesis to print
    st.floats(width=32) | st.floats() | st.sampled_from(EXTREMES),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.lists(st.integers(-2, 2), max_size=2),
    st.dictionaries(st.text(max_size=1), st.none(), max_size=1),
    st.sampled_from([object(), print, {1}, range(3), ..., np.float32(1), np.int8(-1), "\0", "é\n"]),
    st.sampled_from(ODD_ARRAYS),
)


def arrays(values, *shapes):
    """Draw arrays of these shapes, of values that are drawn."""
    return st.sampled_from(shapes).flatmap(
        lambda shape: st.lists(values, min_size=math.prod(shape), max_size=math.prod(shape)).map(
            lambda drawn: np.array(drawn, np.float64).reshape(shape)
        )
    )


def one_of(*values):
    return st.sampled_from(values)


def named(value) -> str:
    """Return a value as a message may name it."""
    if not isinstance(value, str | Path):
        return shown(value)
    return str(value) if str(value).isprintable() else repr(str(value))[1:-1]


class Argument(NamedTuple):
    """What fits an argument, and what perhaps does not."""

    good: st.SearchStrategy
    bad: st.SearchStrategy = junk


finite = st.floats(-1e6, 1e6, width=32)
model = Argument(one_of(MODEL, sl.SineLSTM(SIZE)))  # whichever implementations there are
size = Argument(one_of(1, 2))
past = ((2,), (2, 1), (2, 2), (2, 2, 1))
history = Argument(arrays(finite, *past), arrays(st.floats(width=32), *past) | junk)
shapes = ((1, SIZE), (2, SIZE), (0, SIZE), (1, SIZE + 1))
carry = Argument(
    arrays(st.floats(-1, 1), (1, SIZE), (2, SIZE)).map(
        lambda x: sl.LSTMCarry(*[jnp.float32(x)] * 2)
    ),
    arrays(finite, *shapes).map(lambda x: (x, x)) | st.tuples(junk, junk) | junk,
)
positive = arrays(st.floats(1e-3, 100), (2,))
spoilt_pair = arrays(st.floats(), (2,), (1,)) | junk
waves = Argument(
    st.builds(sl.Waves, positive, positive), st.tuples(spoilt_pair, spoilt_pair) | junk
)
intervals = Argument(
    one_of(((0, 2),), [(0, 1), (3, 4)]), st.lists(st.tuples(junk, junk) | junk) | junk
)
pair = Argument(one_of((0.5, 2.0), [1, 1]), st.tuples(junk, junk) | junk)
rate = Argument(one_of(100, 44.1))
clean = Argument(st.just(sl.Observation()))
names = one_of("", ".", "..", "a", "a/b", "/dev/null", "x" * 5000, "\0", "\ud800") | junk
TORCH, STATE = sl.params_to_torch(MODEL), STREAM.state()


def spoilt(entries):
    """Draw a dict with some of its values replaced, or none of that kind."""
    changes = st.dictionaries(st.sampled_from(sorted(entries)), junk, min_size=1, max_size=2)
    more = st.dictionaries(st.text(max_size=2), junk, max_size=1)
    return st.builds(lambda *parts: {**entries, **parts[0], **parts[1]}, changes, more) | junk


def settings(**fields):
    return {name: Argument(one_of(*values)) for name, values in fields.items()}


# Each border: a function of its arguments in this order, and what those are called in messages (a
# pattern). A setting's class answers with its numbers, a stream with a forecast.
BORDERS: dict[str, tuple[Callable, dict[str, Argument]]] = {
    "generate_sample": (
        lambda *a: sl.generate_sample(*a[:-1], rng=a[-1]),
        {"f": Argument(st.none() | st.floats(0.1, 10)), "t0": Argument(st.none() | finite)}
        | {"batch_size": size, "predict": size, "samples": size}
        | {"rng": Argument(st.builds(np.random.RandomState, st.just(1)) | st.none())},
    ),
    "Sines": (
        lambda *a: astuple(sl.Sines(*a)),
        dict.fromkeys(("frequency", "offset", "amplitude", "level"), pair)
        | {"sampling.rate": rate},
    ),
    "Tones": (
        lambda *a: astuple(sl.Tones(*a)),
        {"count": size, "frequency": pair, "harmonic": Argument(st.booleans())}
        | {"power": Argument(one_of(0.5, 2)), "sampling.rate": rate},
    ),
    "Observation": (
        lambda *a: [x for x in astuple(sl.Observation(*a)) if x is not None],
        {"noise": Argument(one_of((0, 0.2), [0.1, 0.1])), "missing": Argument(one_of((0, 1)))}
        | {"gap": Argument(one_of((0, 2), [3, 3])), "shortest_past": Argument(one_of(None, 2))},
    ),
    "Recording": (
        lambda *a: sl.Recording(*a).scaling,
        {"samples|recording": Argument(one_of([1, 2, None, 4, 5, 6], [[1, 2, 3], np.arange(9)]))}
        | {"sampling.rate": rate, "held_out": Argument(one_of(0, 0.5))},
    ),
    "SineLSTM": (
        lambda *a: sl.params_to_torch(sl.SineLSTM(a[0], implementation=a[1])),
        {"hidden_size": size} | settings(implementation=("auto", "scan")),
    ),
    "SensorLSTM": (
        lambda *a: sl.params_to_torch(sl.SensorLSTM(a[0], implementation=a[1])),
        {"hidden_size": size} | settings(implementation=("auto", "scan")),
    ),
    "rollout_with_spread": (
        sl.rollout_with_spread,
        {"model": Argument(st.just(SENSOR), model.bad), "history": history, "horizon": size},
    ),
    "rollout": (sl.rollout, {"model": model, "history": history, "horizon": size}),
    "observe": (sl.observe, {"model": model, "history": history}),
    "forecast": (sl.forecast, {"model": model, "carry": carry, "steps": size}),
    "stepper": (
        lambda model: sl.stepper(model)(model.initial_carry(1), jnp.ones((1, 1))),
        {"model": model},
    ),
    "forecast_function": (
        lambda model, *a: sl.forecast_function(model)(*a),
        {"model": model, "history": history, "horizon": size},
    ),
    "Forecaster": (
        lambda *a: sl.Forecaster(*a).forecast(1),
        {"model": model, "batch_size": Argument(one_of(None, 1)), "window": Argument(st.none())},
    ),
    "Forecaster.observe": (
        STREAM.observe,
        {"samples": Argument(one_of(None, 1, 0.5, [0.1, None]), history.bad)},
    ),
    "Forecaster.forecast": (STREAM.forecast, {"steps": size}),
    "Forecaster.from_state": (
        lambda state: sl.Forecaster.from_state(MODEL, state).forecast(1),
        {"state|window": Argument(st.just(STATE), spoilt(STATE))},
    ),
    "params_from_torch": (
        lambda state: sl.params_to_torch(sl.params_from_torch(state)),
        {"state dict": Argument(st.just(TORCH), spoilt(TORCH))},
    ),
    "params_to_torch": (sl.params_to_torch, {"model": model}),
    "load_model": (
        lambda *a: sl.params_to_torch(sl.load_model(*a)),
        {"path": Argument(st.just("../saved"), names), "replicate": Argument(one_of(None, 0))},
    ),
    "load_signal": (
        lambda *a: sl.load_signal(*a).sampling_rate,
        {"path": Argument(st.just("../saved"), names), "own|signal": Argument(st.just(None))},
    ),
    "load_models": (
        lambda path: [sl.params_to_torch(model) for model in sl.load_models(path)],
        {"path": Argument(st.just("../saved"), names)},
    ),
    "load_pretrained": (lambda: sl.params_to_torch(sl.load_pretrained("curriculum")), {}),
    "save_model": (
        sl.save_model,
        {"model": model, "folder|path": Argument(one_of("a", "a/b"), names)},
    ),
    "rollout_errors": (
        sl.rollout_errors,
        {"model": model, "frequency|offset": Argument(positive, spoilt_pair)}
        | {"offset|frequency": Argument(positive, spoilt_pair)}
        | {"interval|first|last": intervals, "past": size},
    ),
    "evaluate": (
        lambda *a: sl.evaluate(*a).error_over_time,
        {"forecaster": Argument(st.just(sl.forecast_function(MODEL)), junk | st.just(max))}
        | {"waves|frequency|offset": waves, "horizon": size, "past": size},
    ),
    "held_out_waves": (sl.held_out_waves, {"count": size}),
    "Stage": (
        lambda *a: sl.Stage(*a).went_wrong(np.ones((2, 5), np.float32)),
        {"horizon": size, "iterations": Argument(one_of(2, 3))}
        | settings(learning_rate=(0.01,), epsilon=(0.02,), b1=(0.9, 0), b2=(0.999,))
        | settings(nesterov=(True, False), clip_norm=(None, 0.1), warmup=(0, 1))
        | settings(final_fraction=(1, 0.5), undo_above=(None, 0.5))
        | settings(error_floor=(0.5, 0.1))  # without one, a beta is refused
        | settings(past=(None, 7), afresh=(False, True), beta=(0, 0.5))
        | settings(muon_learning_rate=(None, 0.01)),
    ),
    "Recipe": (
        lambda *a: sl.Recipe(*a).ends,
        {"name|called": Argument(st.just("a")), "summary|called": Argument(st.just("b"))}
        | {"stages|iterations": Argument(st.just((sl.Stage(1, 1),)), junk | st.just(TOO_LONG))}
        | {"display_every": size, "past": size, "batch_size": size, "hidden_size": size}
        | {"signal": Argument(one_of(sl.Sines(), sl.Tones())), "observation": clean}
        | {"network": Argument(one_of("SineLSTM", "SensorLSTM")), "forget_bias": Argument(finite)},
    ),
    "run": (
        lambda *a: sl.run(*a[:3], replicates=a[3], checkpoint_every=a[4], implementation=a[5]),
        {"recipe": Argument(one_of(TINY, replace(TINY, past=3)))}
        | {"seed": Argument(one_of(0, 2**31))}
        | {"out|folder|path": Argument(st.just("run"), names), "replicates|seed": size}
        | {"checkpoint_every": size}
        | settings(implementation=("auto", "scan")),
    ),
}
# What the story is built of says shapes in annotations; values and errors take what they are given.
BUILDING_BLOCKS = set(
    """
    adam draw_waves init_state sample_batch sample_batches sine train_chunk train_stage train_step
    LSTMCell FrozenBias Failure LSTMCarry Signal TrainState Waves
    NO_INPUT RECIPES Diverged InputError Interrupted SaveFailed
    """.split()
)


def test_every_public_name_is_a_border_or_a_building_block():
    assert {name.split(".")[0] for name in BORDERS} | BUILDING_BLOCKS == set(sl.__all__)


class Accepted(BaseException):
    """The arguments would do: training, or writing, would begin."""


@contextlib.contextmanager
def nothing_begins(module, name):
    def accept(*_, **__):
        raise Accepted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, accept)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model in it, beside which others are made."""
    folder = tmp_path_factory.mktemp("borders")
    sl.save_model(MODEL, folder / "saved")
    return folder


@pytest.mark.filterwarnings("error", "ignore:nothing was observed yet")
@pytest.mark.parametrize("name", BORDERS)
@given(data=st.data())
def test_a_border_computes_or_names_what_does_not_fit(folder, name, data):
    function, arguments = BORDERS[name]
    wrong = data.draw(st.sets(st.sampled_from(sorted(arguments)))) if arguments else set()
    values = {
        word: data.draw(argument.bad if word in wrong else argument.good)
        for word, argument in arguments.items()
    }
    empty = Path(tempfile.mkdtemp(dir=folder))
    with contextlib.chdir(empty), nothing_begins(curriculum, "fresh_models"):
        try:
            result = function(*values.values())
        except Accepted:
            assert name == "run"
            return
        except sl.InputError as error:
            line = str(error)
            assert "\n" not in line and 0 < len(line) < 2000
            assert any(re.search(word, line) or named(values[word]) in line for word in wrong), line
            assert not list(empty.iterdir())
            return
    for array in jax.tree.leaves(result):
        assert np.isfinite(array).all()


words = st.one_of(
    st.integers().map(str),
    one_of("0", "-1", "1e3", "nan", "inf", "1_000", "٣", "9" * 5000, str(2**31)),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    one_of("", " ", "-", "--", "--seed", "auto", "x" * 5000, "/dev/null/x", "a/../b"),
)
CURRICULUM = {
    "--recipe": "smoke tuned",
    "--seed": f"1 {2**32 - 1}",
    "--replicates": "1 2",
    "--out": "run",
    "--checkpoint-every": "7",
    "--display-every": "3",
    "--hidden-size": "2 64 100 4096",
    "--batch-size": "1 1000",
    "--device": "cpu gpu tpu None",
    "--implementation": "auto scan",
    "--coordinator": "localhost:1",
    "--processes": "0",
    "--process-index": "-1 7",
}
FORECAST = {
    "--model": "curriculum nowhere",
    "--steps": "1 400",
    "--every": "50",
    "--window": "100",
    "--out": "a.csv",
    "--picture": "a.png",
    "--device": "cpu",
    "--scale": "auto none run",
    "--resample": "model 5",
    "--column": "a",
    "--rate": "0 50",
    "--delimiter": "; ab",
    "--decimal": ",",
    "--missing": "NA",
    "--header": "yes no",
}
EVALUATE = {"--out": "a", "--horizon": "400 399", "--device": "cpu"}
TRAIN = {"--past": "0 5", "--effort": "0 1", "--held-out": "0 0.5 2", "--rate": "0 5"}
TRAIN |= {"--column": "a", "--seed": "1", "--hidden-size": "0 5", "--out": "a"}
# Each command: where what is accepted would begin, positional words, and options.
COMMANDS = {
    "curriculum": ((curriculum, "fresh_models"), "", CURRICULUM),
    "evaluate": ((commands.evaluate, "make_folder"), "curriculum nowhere zero", EVALUATE),
    "convert": ((convert, "convert"), "a.pt b.safetensors c", {"--replicate": "0 1"}),
    "forecast": ((commands.forecast, "standard_input"), "", FORECAST),
    "train": ((commands.train, "import_jax"), "nowhere.csv", TRAIN),
    "export": ((export, "export"), "curriculum nowhere a", {}),
    "playground": (
        (playground, "write_page"),
        "curriculum nowhere",
        {"--out": "a.html a"},
    ),
}


@st.composite
def command_lines(draw, positional, options):
    """Draw words and options, with values that fit or with any; and sometimes stray words."""
    line = draw(st.lists(one_of(*positional.split()) | words, max_size=2)) if positional else []
    for option in draw(st.lists(st.sampled_from([*sorted(options), None]), max_size=4)):
        if option is None:
            line.append(draw(words))
        else:
            line += [option, draw(one_of(*options[option].split()) | words)]
    return line


@pytest.mark.parametrize("name", COMMANDS)
@given(data=st.data())
def test_a_command_accepts_or_says_one_line(folder, name, data):
    beginning, positional, options = COMMANDS[name]
    line = data.draw(command_lines(positional, options))
    line = [data.draw(one_of(name, name, name) | words), *line]
    # Without arguments `forecast` would read standard input.
    empty, output, errors = Path(tempfile.mkdtemp(dir=folder)), io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(empty),
        nothing_begins(*beginning),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        try:
            cli.main(line)
        except Accepted:
            return
        except SystemExit as stop:
            if stop.code:
                assert (stop.code, output.getvalue()) == (2, ""), errors.getvalue()
                assert re.fullmatch("error: .*\n", errors.getvalue())
    assert not list(empty.iterdir())
