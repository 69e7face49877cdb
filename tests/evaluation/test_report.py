import numpy as np
import pytest

from sinlstm_jax import InputError, Recording, Sines, Tones, load_pretrained, rollout
from sinlstm_jax.evaluation.baselines import sine_fit, zero
from sinlstm_jax.evaluation.errors import Waves, forecast_function, held_out_waves
from sinlstm_jax.evaluation.report import FIRST_400, checked_horizon, limits, report, trial
from sinlstm_jax.evaluation.sines import evaluate, grid_waves, in_trained_band
from sinlstm_jax.evaluation.windows import SPOILINGS, Spoiling, robustness, spoil
from sinlstm_jax.signals.signal import NO_INPUT, HeldOut
from sinlstm_jax.signals.sines import SINES


def test_an_evaluation_holds_a_models_errors_by_interval_and_by_step():
    model, (frequency, offset) = load_pretrained("curriculum"), held_out_waves(5)
    evaluation = evaluate(forecast_function(model), Waves(frequency, offset), 900)
    assert evaluation.intervals == ((0, 50), (0, 100), (0, 200), (0, 400), (400, 900))
    truth = np.sin(2 * np.pi * frequency * (np.arange(1000)[:, None] / 100 + offset))
    squared = (np.asarray(rollout(model, truth[:100], 900))[:, :, 0] - truth)[100:] ** 2
    expected = [squared[first:last].mean(axis=0) for first, last in evaluation.intervals]
    np.testing.assert_allclose(evaluation.errors, expected, rtol=1e-9)
    np.testing.assert_allclose(evaluation.error_over_time, squared.mean(axis=1), rtol=1e-9)


def test_an_evaluation_knows_a_forecast_that_runs_too_fast():
    """The forecaster continues with 0.01 Hz more and 0.8 of the amplitude, phase unbroken."""
    waves, past = Waves(np.array([1.0, 2.5]), np.array([0.2, 0.7])), 60

    def too_fast(history, horizon):
        assert history.shape == (past, 2)
        ahead = np.arange(horizon)[:, None] / 100
        start = 2 * np.pi * waves.frequency * (past / 100 + waves.offset)
        return 0.8 * np.sin(start + 2 * np.pi * (waves.frequency + 0.01) * ahead)

    evaluation = evaluate(too_fast, waves, 6000, past)
    np.testing.assert_allclose(evaluation.frequency_error, 0.01, rtol=0.01)
    np.testing.assert_allclose(np.nanmedian(evaluation.track.amplitude, axis=0), 0.8, rtol=0.01)
    # 0.1 rad after 1.59 s, half a cycle after 50 s.
    np.testing.assert_allclose(evaluation.slightly_lost, 159, atol=20)
    np.testing.assert_allclose(evaluation.lost, 5000, atol=30)


@pytest.mark.slow
def test_a_sine_fit_is_exact_on_every_wave_there_is():
    measured = report(sine_fit, trial(SINES, 1500))
    assert measured.sines is not None
    for evaluation in measured.sines:
        assert evaluation.errors.max() < 1e-20
        assert np.abs(evaluation.frequency_error).max() < 1e-10
        assert (evaluation.lost == np.inf).all() and (evaluation.slightly_lost == np.inf).all()
    for spoiling, error in zip(SPOILINGS, measured.robustness, strict=True):
        assert (error < 1e-20) == (spoiling.noise == 0)


def test_zero_scores_a_half_on_the_grid_and_has_no_phase():
    evaluation = evaluate(zero, Waves(*grid_waves()[:2]), 500)
    np.testing.assert_allclose(evaluation.errors.mean(axis=1), 0.5, rtol=1e-12)
    assert np.isfinite(evaluation.lost).all() and np.isnan(evaluation.frequency_error).all()


def test_the_grid_reaches_beyond_the_trained_band_in_all_phases():
    waves = grid_waves()
    inside = in_trained_band(waves.frequency)
    assert waves.frequency[inside].min() == 0.5 and waves.frequency[inside].max() == 4
    assert waves.frequency.min() < 0.5 and waves.frequency.max() > 4
    phases = (waves.frequency * waves.offset).reshape(-1, 4)
    np.testing.assert_allclose(phases, np.tile([0, 0.25, 0.5, 0.75], (39, 1)), atol=1e-12)


def test_histories_are_spoilt_as_asked():
    history, rng = np.zeros((100, 1000)), np.random.default_rng(0)
    np.testing.assert_array_equal(spoil(history, Spoiling(), rng), history)
    spoilt = spoil(history, Spoiling(noise=0.1, missing=0.2), rng)
    missing = spoilt == NO_INPUT
    assert missing.mean() == pytest.approx(0.2, abs=0.005)
    assert spoilt[~missing].std() == pytest.approx(0.1, rel=0.01)


def test_robustness_is_the_error_after_spoilt_histories_against_the_clean_wave():
    seen = []

    def watching(history, horizon):
        seen.append(history)
        return np.zeros((horizon, history.shape[1]))

    errors = robustness(watching, trial(SINES, 400).spoilt, 100)
    truth = held_out_waves(256).values(100, 100 + FIRST_400[1])
    np.testing.assert_allclose(errors, np.mean(truth**2))
    clean = held_out_waves(256).values(0, 100)
    for spoiling, history in zip(SPOILINGS, seen, strict=True):
        missing = history == NO_INPUT
        assert missing.mean() == pytest.approx(spoiling.missing, abs=0.01)
        assert (history - clean)[~missing].std() == pytest.approx(spoiling.noise, rel=0.02)


def recording(steps, gap=0):
    samples = 3 * np.sin(np.arange(steps) / 7) + 50
    samples[steps - 60 : steps - 60 + gap] = np.nan
    return Recording(samples, 50.0)


@pytest.mark.parametrize(
    ("steps", "horizon", "expected"),
    [
        (4000, 5000, 400),  # 800 are held out, and half of them leave windows enough
        (4000, 450, 400),
        (9000, 5000, 900),
        (1000, 400, 100),
        (250, 400, 50),
        (100000, 10000, 10000),
    ],
)
def test_of_a_recording_intervals_are_forecast_as_half_its_tail_holds(steps, horizon, expected):
    assert checked_horizon(horizon, recording(steps)) == expected


def test_too_short_a_horizon_or_recording_is_named():
    with pytest.raises(InputError, match="horizon is 399: give at least 400 steps"):
        checked_horizon(399, recording(4000))
    with pytest.raises(InputError, match="49 steps of the signal are held out: it takes 50"):
        checked_horizon(400, recording(245))


def test_a_recordings_report_counts_what_is_known_in_its_held_out_tail():
    signal, past = recording(1000, gap=10), 30
    tried = trial(signal, 200, past)
    assert (tried.horizon, tried.judged, tried.waves) == (200, (0, 200), None)
    measured = report(zero, tried)
    assert measured.sines is None and measured.held_out.intervals == ((0, 50), (0, 100), (0, 200))
    # The only window: the tail has 200 samples, of which ten are missing.
    trained, tail = np.split(3 * np.sin(np.arange(1000) / 7) + 50, [800])
    scaled = (tail - trained.mean()) / (np.sqrt(2) * trained.std())
    known = np.delete(scaled, np.arange(140, 150))
    np.testing.assert_allclose(measured.held_out.errors[2], np.mean(known**2), rtol=1e-5)
    np.testing.assert_allclose(measured.held_out.errors[1], np.mean(scaled[:100] ** 2), rtol=1e-5)
    expected = np.where(np.isin(np.arange(200), np.arange(140, 150)), np.nan, scaled**2)
    np.testing.assert_allclose(measured.held_out.error_over_time, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(measured.robustness, np.mean(known**2), rtol=1e-5)


@pytest.mark.parametrize(
    ("signal", "known"),
    [
        (Tones(), []),
        (recording(1000), []),
        (Sines(offset=(0, 1)), []),
        (Sines(offset=(0, 2)), ["the limit", "limit, any amplitude"]),
        (Sines(level=(0, 1)), ["limit, any amplitude"]),
        (Sines(amplitude=(2, 2)), ["limit, any amplitude"]),
        (SINES, ["the limit", "limit, any amplitude"]),
    ],
)
@pytest.mark.slow
def test_limits_are_told_where_they_are_known_alone(signal, known):
    tried = trial(signal, 50)
    few = {name: getattr(tried.spoilt, name)[..., :4] for name in ("values", "amplitude")}
    assert list(limits(tried._replace(spoilt=HeldOut(**few)))) == known


@pytest.mark.slow
def test_the_limit_of_the_tutorials_waves_is_what_was_known_before():
    errors = limits(trial(SINES, 400))["the limit"]
    for spoiling, error in zip(SPOILINGS, errors, strict=True):
        known = {0.1: 0.0090, 0.2: 0.0347}.get(spoiling.noise)
        assert (
            error == pytest.approx(known, abs=5e-5)
            if known
            else (error > 0) == (spoiling.noise > 0)
        )


def test_the_limit_goes_by_cycles_a_step():
    few = trial(SINES, 400)
    few = few._replace(spoilt=few.spoilt._replace(values=few.spoilt.values[:, :8], amplitude=1.0))
    slow = Sines(frequency=(0.05, 0.4), offset=(0.0, 20 * np.pi), sampling_rate=10.0)
    for found, other in zip(
        limits(few).values(), limits(few._replace(signal=slow)).values(), strict=True
    ):
        np.testing.assert_allclose(found, other, rtol=1e-9)


def test_the_limit_of_any_amplitude_goes_by_the_noise_of_each_wave():
    tried = trial(SINES, 400)
    few = tried.spoilt.values[:, :8]
    ones = tried._replace(spoilt=HeldOut(few, np.ones(8)))
    twos = tried._replace(
        signal=Sines(amplitude=(2, 2), level=(5, 5)), spoilt=HeldOut(2 * few + 5, np.full(8, 2.0))
    )
    name = "limit, any amplitude"
    np.testing.assert_allclose(limits(twos)[name], 4 * limits(ones)[name], rtol=1e-5)


def test_no_limit_is_told_of_a_past_that_may_leave_too_few_values():
    assert limits(trial(SINES, 50, past=49)) == {}
