# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Fifteen units learn to continue a sine wave
#
# A network sees one second of a sine wave. Then its input stops, and it is asked to carry on by
# itself, for four seconds, for fifteen, for as long as it can. It has never been told what a
# frequency is, yet to succeed it must measure one, remember it, and count a phase with it, all in
# the state of 15 LSTM units, which is 30 numbers.
#
# CorvusCorax made a lesson of this, first [in
# Caffe](https://github.com/CorvusCorax/Caffe-LSTM-Mini-Tutorial), following [a post by Xiaoliang
# Bai](http://www.xiaoliangbai.com/2018/01/30/Caffe-LSTM-SinWaveform-Batch), then [in
# PyTorch](https://github.com/CorvusCorax/Pytorch-LSTM-Mini-Tutorial) (GPL-3.0). This notebook
# tells its story anew in JAX, in our own words and code, and goes on where it ends: how much of
# the outcome is luck, and what a better recipe makes of the same network.
#
# It trains all that it shows, in about three minutes on one core, and what the text says of
# pictures is of the run that is kept here: other machines round otherwise, and a trained network
# is another one then. `SINLSTM_TUTORIAL=short` in the environment cuts each training down to
# seconds: then everything runs, and nothing works well.

# %%
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from flax import nnx
from rich.console import Console

import sinlstm_jax as sl
from sinlstm_jax.evaluation.baselines import fit_sine
from sinlstm_jax.palette import BASELINES, FORECAST, OBSERVED, SHADE, TRUTH, WIDE

SHORT = os.environ.get("SINLSTM_TUTORIAL") == "short"
FOLDER = Path(tempfile.mkdtemp())  # of the trained runs
SEED = 4112
PAST = 100  # steps observed: one second at 100 Hz

plt.rcParams.update({"figure.figsize": (9, 3.4), "axes.grid": True, "grid.alpha": 0.3})

# %% [markdown]
# ## The data
#
# A wave is sin(2π f (t + t₀)) at 100 samples a second, its frequency f drawn from 0.5 to 4
# Hz and its offset t₀ from 0 to 2π seconds. A training window has two parts. In the first,
# the past, the network is fed the wave. In the second, the horizon, it is fed -2, a value no sine
# wave has, which comes to mean *there is no input*. It should answer with the wave throughout.
#
# Time is the first axis everywhere, then the batch, then the feature: `[time, batch, feature]`.

# %%
inputs, targets = sl.sample_batch(jax.random.key(0), batch_size=3, past=PAST, future=50)
print("inputs", inputs.shape, "targets", targets.shape, inputs.dtype)

seconds = np.arange(150) / 100
figure, rows = plt.subplots(3, layout="constrained", sharex=True, figsize=(9, 5))
for wave, axes in enumerate(rows):
    axes.plot(seconds, targets[:, wave, 0], "k:", linewidth=2, label="what it should answer")
    axes.plot(seconds, inputs[:, wave, 0], BASELINES[0], label="what it is fed")
    axes.set_ylabel("signal")
rows[-1].set_xlabel("time (s)")
figure.legend(*rows[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# ## The cell
#
# An LSTM keeps two vectors, what it says (`hidden`) and what it remembers (`cell`). At each step
# four gates are computed from the input and from what was said last. The forget gate `f` decides
# how much of the memory stays, the input gate `i` how much of the candidate `g` is added, the
# output gate `o` how much of the result is said. In full:


# %%
def step(weights, carry, x):
    hidden, cell = carry
    gates = x @ weights.input_kernel + hidden @ weights.hidden_kernel + weights.bias
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
    return sl.LSTMCarry(hidden, cell), hidden


# %% [markdown]
# Reading a window is a scan of that step over time, and a linear layer turns the 15 hidden units
# into one number. `SineLSTM` is just that (on a CPU with a faster kernel behind the same
# equations):

# %%
model = sl.SineLSTM(hidden_size=15, rngs=nnx.Rngs(SEED))


@jax.jit
def by_hand(weights, inputs):
    return jax.lax.scan(
        lambda carry, x: step(weights, carry, x), model.initial_carry(inputs.shape[1]), inputs
    )


_, hidden = by_hand(model.cell.weights, inputs)
print("largest difference:", float(jnp.abs(model.output(hidden) - model(inputs)).max()))

# %% [markdown]
# ## A bias that is there and does not train
#
# PyTorch's LSTM adds *two* biases in each gate. One of them is superfluous: their sum is all that
# counts, and with both in training that sum moves twice as far per update. The original sets the
# input bias to zero and switches its gradient off. The hidden bias of the forget gate starts at 1,
# so that a fresh network forgets more slowly.
#
# In Flax, what trains is decided by a variable's *type*. The frozen bias is not an `nnx.Param`, so
# a gradient with respect to the parameters does not even have a place for it:

# %%
structure, trainable, frozen = nnx.split(model, nnx.Param, sl.FrozenBias)
for name, state in (("trained", trainable), ("frozen", frozen)):
    for path, value in nnx.to_pure_dict(state)["cell"].items():
        print(f"{name:8} {path:14} {value.shape}")
print("forget gate's bias:", model.cell.hidden_bias[15:30])

# %% [markdown]
# ## The loss
#
# It is the mean squared error over the whole window. The past counts too: there the network only
# has to repeat what it is being shown, and that part of the loss is soon gone. What stays is the
# horizon. Answering 0 scores 0.5, half a sine wave's squared amplitude, and a fresh network about
# as much.


# %%
def loss(trainable, batch):
    inputs, targets = batch
    predictions = nnx.merge(structure, trainable, frozen)(inputs)
    return jnp.mean((predictions - targets) ** 2)


value, gradient = jax.jit(jax.value_and_grad(loss))(trainable, (inputs, targets))
print(f"loss {value:.3f}; gradients for {list(nnx.to_pure_dict(gradient)['cell'])}")

# %% [markdown]
# ## Training is one loop on the device
#
# An eager framework asks Python for every batch and every update. Here an iteration is a pure
# function from one state to the next, and `lax.fori_loop` runs thousands without coming back. Even
# the data is made inside: iteration i draws its batch from `fold_in(key, i)`. Adam has the
# tutorial's settings, a rate of 0.001 and an epsilon of 0.02, two million times the usual. With
# gradients smaller than epsilon it behaves like plain descent with momentum.

# %%
optimizer = sl.adam(learning_rate=0.001, epsilon=0.02)


@jax.jit
def train(trainable, moments, key, iterations):
    def iterate(i, state):
        trainable, moments = state
        batch = sl.sample_batch(jax.random.fold_in(key, i), batch_size=20, past=PAST, future=50)
        updates, moments = optimizer.update(jax.grad(loss)(trainable, batch), moments, trainable)
        return jax.tree.map(jnp.add, trainable, updates), moments

    return jax.lax.fori_loop(0, iterations, iterate, (trainable, moments))


after, _ = train(trainable, optimizer.init(trainable), jax.random.key(1), 200)
print(f"after 200 iterations: {loss(after, (inputs, targets)):.3f}")

# %% [markdown]
# The package has the same loop with what one wants around it: it notes every loss, stops at
# numbers that are not finite, saves checkpoints and goes on from them. A *recipe* says what to
# train. The first experiment of the original is `short-window`: 6000 iterations with a horizon of
# 50 steps.


# %%
def trained(name, replicates=1):
    """Train a recipe with seeds from SEED on: (its losses, [iteration, seed]; the run's folder)."""
    recipe = sl.RECIPES[name]
    if SHORT:
        stages = [replace(s, iterations=40, warmup=min(s.warmup, 10)) for s in recipe.stages]
        recipe = replace(recipe, stages=tuple(stages), display_every=20)
    out = FOLDER / name
    description = sl.run(recipe, SEED, out, replicates=replicates, console=Console(quiet=True))
    seconds = sum(figures["seconds"] for figures in description["figures"])
    print(f"{name}: {seconds:.0f} s, LSTM: {description['implementation']}")
    return np.loadtxt(out / "metrics.csv", delimiter=",", skiprows=1)[:, 2:], out


def show_losses(losses, title, ends=()):
    window = 5 if SHORT else 100
    smooth = [np.convolve(x, np.ones(window) / window, "valid") for x in losses.T]
    _, axes = plt.subplots(layout="constrained")
    if losses.shape[1] == 1:
        axes.semilogy(losses, color="0.75", linewidth=0.5, label="each iteration")
    styles = ["-", "--", "-.", ":"]
    for number, curve in enumerate(smooth):
        label = f"average of {window}" + (f", seed {SEED + number}" if len(smooth) > 1 else "")
        axes.semilogy(np.arange(curve.size) + window / 2, curve, styles[number % 4], label=label)
    for end in ends:
        axes.axvline(end, color="k", linestyle="--", linewidth=1)
    axes.set(xlabel="iteration", ylabel="mean squared error", title=title)
    axes.legend()
    plt.show()


short_losses, short_run = trained("short-window")
show_losses(short_losses, "Horizon 50 from scratch")

# %% [markdown]
# A quick fall, while it learns to repeat what it is shown; a plateau, while its forecasts only
# fade out; and another fall once it learns to oscillate.
#
# ## First test: a window at once
#
# Three waves of frequencies that training is unlikely to have met exactly, fed as in training: 100
# steps of wave, then 50 of -2. All predictions come from one call.

# %%
FREQUENCIES = (1.1337, 2.1337, 3.1337)  # Hz


def test_waves(steps):
    """Sample the test waves, [PAST + steps, wave]; phases from the seed."""
    rng = np.random.default_rng(SEED)
    pieces = [sl.generate_sample(f, samples=PAST, predict=steps, rng=rng) for f in FREQUENCIES]
    return np.stack([np.concatenate([past[0], future[0]]) for _, past, _, future in pieces], 1)


def show_forecasts(waves, predictions, title):
    """Draw waves and predictions, both [PAST + steps, wave]."""
    figure, rows = plt.subplots(
        len(FREQUENCIES), layout="constrained", sharex=True, figsize=(11, 5.6)
    )
    seconds = np.arange(len(waves)) / 100
    for axes, frequency, wave, prediction in zip(
        rows, FREQUENCIES, waves.T, np.asarray(predictions).T, strict=True
    ):
        axes.axvspan(0, PAST / 100, color=SHADE)
        axes.plot(seconds[:PAST], wave[:PAST], OBSERVED, linewidth=2.5, label="observed")
        axes.plot(seconds[PAST:], wave[PAST:], TRUTH, **WIDE, label="how it goes on")
        axes.plot(seconds, prediction, FORECAST, linewidth=1.2, label="prediction")
        axes.set(ylabel="signal", ylim=(-1.4, 1.4), xlim=(0, seconds[-1]))
        axes.set_title(f"{frequency} Hz", loc="left", fontsize="medium")
    rows[-1].set_xlabel("time (s)")
    figure.suptitle(title)
    figure.legend(*rows[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    plt.show()


short_model = sl.load_model(short_run)
waves = test_waves(50)
window = jnp.asarray(waves, jnp.float32)[:, :, None].at[PAST:].set(sl.NO_INPUT)
show_forecasts(waves, short_model(window)[:, :, 0], "Windowed test: horizon 50, 6000 iterations")

# %% [markdown]
# ## Second test: step by step
#
# Nothing ties the network to a window. Its carry is all it knows, so it can be fed -2 for as long
# as one likes: here for 600 steps, twelve times what it was trained on. `rollout` observes a
# history and goes on.


# %%
def show_rollout(model, steps, title):
    waves = test_waves(steps)
    show_forecasts(waves, sl.rollout(model, waves[:PAST], steps)[:, :, 0], title)


show_rollout(short_model, 600, "Step-by-step test after horizon 50")

# %% [markdown]
# Soon after its horizon each forecast leaves its wave, and within three seconds all have come to
# rest.
#
# ## Why it drifts
#
# To continue a wave, the carry must go around in a circle, at a speed that depends on the wave. So
# there has to be a circle for each frequency, side by side, and the network must stay on the one
# it was put on. That is a fragile thing: unless neighbouring circles are kept apart to perfection,
# the carry creeps from one to the next until it reaches a circle that attracts. Training looks at
# 50 steps only, and within these the creeping costs little.
#
# One can see where the frequencies go. For waves over the whole band, this fits a sine to one
# second of the forecast, early and late. On the diagonal, the frequency is the one that was
# observed; at 0, the forecast has come to rest.


# %%
def show_drift(model, title, starts=(0, 400, 1400)):
    frequency = np.linspace(0.5, 4, 36)
    history = np.asarray(sl.sine(frequency, np.linspace(0, 2, 36) % 0.5, PAST))
    forecast = np.asarray(sl.rollout(model, history, max(starts) + 100))[PAST:, :, 0]
    _, axes = plt.subplots(layout="constrained", figsize=(6, 4.5))
    axes.plot([0.5, 4], [0.5, 4], "0.6", linewidth=1, label="unchanged")
    for start, marker, color in zip(starts, "o^x", BASELINES, strict=True):
        found, *_ = fit_sine(forecast[start : start + 100])
        seconds = f"{start / 100:g} to {start / 100 + 1:g} s ahead"
        axes.plot(frequency, found, marker, color=color, fillstyle="none", label=seconds)
    axes.set(xlabel="observed frequency (Hz)", ylabel="frequency of the forecast (Hz)")
    axes.set(title=title, ylim=(0, 5))
    axes.legend()
    plt.show()


show_drift(short_model, "Where frequencies go: trained at horizon 50")

# %% [markdown]
# In the first second the forecasts are slower than what was observed, and after four seconds all
# but a few have come to rest.
#
# ## Would a longer window do?
#
# If 50 steps show too little of the drift, then train with 200, from scratch: the second
# experiment, `long-window`, 20000 iterations.

# %%
long_losses, long_run = trained("long-window")
show_losses(long_losses, "Horizon 200 from scratch")
show_rollout(sl.load_model(long_run), 600, "Step-by-step test after horizon 200 from scratch")

# %% [markdown]
# For 15000 iterations it hardly learns: it answers with 0 soon after the past, which is safe. Only
# then it begins to swing, and loses its waves within a few seconds. Other seeds never begin: of 16,
# the median error over 400 steps is 0.46, where answering 0 has 0.5. Two thirds of the window are
# horizon now, and what is wrong there must be traced back through all its steps to the last one at
# which something was observed. How much does a prediction depend on the carry
# that it started from? Here is the norm of that derivative, for a fresh network and for one that
# had its training at horizon 50:


# %%
def memory(model, steps=200):
    """Return the norm of d prediction / d carry at the end of the past, [steps]."""
    wave = sl.sine(jnp.array([2.0]), jnp.array([0.1]), PAST)
    carry, _ = sl.observe(model, wave)

    def predictions(carry):
        return sl.forecast(model, carry, steps)[1][:, 0, 0]

    jacobian = jax.jacrev(predictions)(carry)
    return np.sqrt(sum(np.sum(np.square(part), axis=(1, 2)) for part in jacobian))


figure, axes = plt.subplots(layout="constrained")
steps = np.arange(1, 201)
fresh = np.maximum(memory(sl.SineLSTM(15, rngs=nnx.Rngs(SEED))), 1e-20)
axes.semilogy(steps, fresh, "k--", label="fresh")
axes.semilogy(steps, memory(short_model), FORECAST, label="after training at horizon 50")
axes.set(xlabel="step of the forecast", ylabel="norm of the derivative", ylim=(1e-9, 1e2))
axes.set_title("How much a prediction depends on the carry at the end of the past")
axes.legend()
plt.show()

# %% [markdown]
# In the fresh network all memory fades, by a steady factor per step: of its influence a hundredth
# is left after 25 steps, a ten-thousandth after 60. Only the first few dozen steps of a horizon
# tell it what should have been remembered. All the others say: answer with as little as possible,
# for a wave of unknown phase is best guessed by 0. At a horizon of 50 every other step is still of
# the first kind, at 200 these are outvoted. A network that already oscillates has no such trouble:
# its gradients arrive, and even grow.
#
# ## The curriculum
#
# So let it learn to oscillate at a short horizon, and then stretch it: 50 steps, 100, 200, 400,
# each stage from the weights of the one before, with a fresh Adam. As a bonus, most iterations are
# on short and cheap windows. The last stage halves the learning rate and doubles epsilon.

# %%
curriculum_losses, curriculum_run = trained("curriculum")
stage_ends = [40, 80, 120, 160] if SHORT else sl.RECIPES["curriculum"].ends
show_losses(curriculum_losses, "Horizons 50, 100, 200 and 400 (dashed: a stage ends)", stage_ends)

# %% [markdown]
# At each seam the loss jumps, since the longer window has steps in it at which the network was
# never judged. The same wave, continued after each stage:

# %%
stages = [sl.load_model(curriculum_run / "checkpoints" / str(end)) for end in stage_ends]
truth = test_waves(600)[:, 1]
figure, rows = plt.subplots(4, layout="constrained", sharex=True, figsize=(11, 6.5))
for axes, model, horizon in zip(rows, stages, (50, 100, 200, 400), strict=True):
    axes.plot(np.arange(700) / 100, truth, TRUTH, **WIDE, label="truth")
    prediction = sl.rollout(model, truth[:PAST], 600)[:, 0, 0]
    axes.plot(np.arange(700) / 100, prediction, FORECAST, linewidth=1.2, label="prediction")
    axes.axvline(1, color="k", linewidth=1)
    axes.axvline(1 + horizon / 100, color="k", linestyle="--", linewidth=1)
    axes.set(ylabel="signal", ylim=(-1.4, 1.4), xlim=(0, 7))
    axes.set_title(f"after horizon {horizon}", loc="left", fontsize="medium")
rows[-1].set_xlabel("time (s); observed up to the solid line, trained up to the dashed one")
figure.legend(*rows[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
figure.suptitle(f"{FREQUENCIES[1]} Hz, continued after each stage")
plt.show()

# %% [markdown]
# ## The long-term test
#
# 1500 steps, fifteen seconds, from one second of observation:

# %%
show_rollout(stages[-1], 1500, "Long-term test after the curriculum")
show_drift(stages[-1], "Where frequencies go: after the curriculum")

# %% [markdown]
# This is where the original ends, content: it calls such a forecast stable. Shape and amplitude
# are, and for some seconds the frequencies stay near the diagonal. But near is not on it: half a
# cycle is lost after ten seconds by a frequency that is wrong by a twentieth of a hertz. And three
# waves in a picture are soon judged too kindly, so let us count.
#
# ## What one run cannot show
#
# `rollout_errors` measures forecasts over many fixed waves, by intervals of forecast steps. Mean
# squared errors again: 0.5 is what answering 0 scores, and about 1 what a wave in random phase
# does.

# %%
INTERVALS = ((0, 50), (0, 400), (400, 900), (900, 1500))


def show_errors(models):
    print(f"{'forecast steps':28}" + "".join(f"{f'{a} to {b}':>14}" for a, b in INTERVALS))
    for name, model in models.items():
        errors = sl.rollout_errors(model, *sl.held_out_waves(256), INTERVALS).mean(axis=1)
        print(f"{name:28}" + "".join(f"{error:14.2g}" for error in errors))


show_errors(
    {
        "short-window": short_model,
        "long-window": sl.load_model(long_run),
        **{f"curriculum, stage {k}": model for k, model in enumerate(stages, 1)},
    }
)

# %% [markdown]
# And this was one seed, a lucky one. `scripts/study` trains every recipe with many, and keeps
# what came out in `docs/study.json`; each mark below is one seed. `curriculum` mostly fails: see
# [results.md](results.md#recipes-and-tricks-over-many-seeds).

# %%
here = Path("docs") if Path("docs").is_dir() else Path()
study = json.loads((here / "study.json").read_text())
names = ["short-window", "long-window", "curriculum", "fast", "tuned"]
columns = {"0 to 400": 0, "900 to 1500": 2}
figure, panels = plt.subplots(1, 2, layout="constrained", sharey=True, figsize=(10, 3.6))
for axes, (interval, column) in zip(panels, columns.items(), strict=True):
    for place, name in enumerate(names):
        errors = np.array([seed[column] for seed in study[name]["errors"]], float)
        spread = place + np.linspace(-0.25, 0.25, errors.size)
        axes.semilogy(spread, np.sort(errors), "o", markersize=3, color=FORECAST)
        axes.plot([place - 0.35, place + 0.35], [np.nanmedian(errors)] * 2, "k", linewidth=2)
    axes.axhline(0.5, color="0.4", linestyle=":")
    axes.set_xticks(range(len(names)), names, rotation=20)
    axes.set_title(f"steps {interval}; dotted: answering 0, bar: median")
panels[0].set_ylabel("mean squared error")
plt.show()

# %% [markdown]
# Two of those recipes are ours. `fast` and `tuned` have the same network, the same loss and the
# same idea of a curriculum, but another optimizer: NAdam with its usual epsilon and a long memory,
# clipped gradients, and a rate that warms up and then decays along a cosine in each stage. `fast`
# takes a seventh of the tutorial's steps. Since a run is a function of its key, several seeds are
# one `vmap`: `replicates` trains them side by side, each with the data it would have alone.

# %%
fast_losses, fast_run = trained("fast", replicates=4)
show_losses(fast_losses, "Recipe fast, four seeds at once")
fast_models = sl.load_models(fast_run)
show_errors({f"fast, seed {SEED + k}": model for k, model in enumerate(fast_models)})
show_rollout(fast_models[0], 1500, f"Long-term test: fast, seed {SEED}")

# %% [markdown]
# `tuned` spends as many steps as the tutorial's curriculum does, and carries the horizon much
# further. It holds its phase over all 1500 steps with every seed of that study; once more its
# figures, as median and worst seed:

# %%
for name in names:
    errors = np.array([seed[2] for seed in study[name]["errors"]], float)
    steps = study[name]["iteration_steps"] / 1e6
    print(f"{name:14} {steps:5.1f} million steps, error over 900 to 1500: "
          f"median {np.nanmedian(errors):.2g}, worst {np.nanmax(errors):.2g}")  # fmt: skip

# %% [markdown]
# What limits it is still a drift, now of about a millihertz.
#
# ## From here
#
# - `sinlstm curriculum --recipe tuned` trains it; `sinlstm evaluate RUN` measures it in full.
# - [porting.md](porting.md): where PyTorch, Flax and this code differ, and how closely they agree.
# - [results.md](results.md): all figures, and how the recipes were found.
# - [kernel.md](kernel.md): what computes the LSTM on a CPU.
