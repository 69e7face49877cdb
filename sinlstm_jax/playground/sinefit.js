// A sine wave fitted by least squares, for comparison: it is told that there is one, and its level.

// Cycles a step that are tried: 0.05 to 9.95 Hz at 100 Hz, as evaluation/fits.py does.
const COARSE_TURNS = Array.from({ length: 199 }, (_, i) => (i + 1) * 0.0005);
const [SLOWEST_TURN, FASTEST_TURN] = [COARSE_TURNS[0], COARSE_TURNS.at(-1)];

/** Tell whether waves of a band can be fitted: with what is tried below and above it. */
const canBeFitted = ([low, high], rate) =>
  2 * SLOWEST_TURN <= low / rate && (1.25 * high) / rate <= FASTEST_TURN;

/** Return the weights of cos and sin that come closest to values. */
function project(cos, sin, values) {
  let [cc, ss, cs, cv, sv] = [0, 0, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    cc += cos[i] * cos[i];
    ss += sin[i] * sin[i];
    cs += cos[i] * sin[i];
    cv += cos[i] * values[i];
    sv += sin[i] * values[i];
  }
  const determinant = cc * ss - cs * cs;
  return [(ss * cv - cs * sv) / determinant, (cc * sv - cs * cv) / determinant];
}

/** Return the best fit at a frequency: its error, and the Gauss-Newton step to a better one. */
function fitAt(turns, times, values) {
  const angle = times.map((time) => 2 * Math.PI * turns * time);
  const [cos, sin] = [angle.map(Math.cos), angle.map(Math.sin)];
  const [cosine, sine] = project(cos, sin, values);
  const misses = values.map((value, i) => value - cosine * cos[i] - sine * sin[i]);
  // How the fit moves with the frequency, less what the amplitudes would make up for.
  const slope = times.map((time, i) => 2 * Math.PI * time * (sine * cos[i] - cosine * sin[i]));
  const [inCos, inSin] = project(cos, sin, slope);
  let [error, power, along] = [0, 0, 0];
  misses.forEach((miss, i) => {
    const rest = slope[i] - inCos * cos[i] - inSin * sin[i];
    error += miss * miss;
    power += rest * rest;
    along += rest * miss;
  });
  return { turns, cosine, sine, error, step: power > 0 ? along / power : 0 };
}

/**
 * Continue what is observed as the sine wave around a level that fits it best: [time], past and
 * future. Null where fewer than three samples are observed, one for each unknown.
 */
function sineFit(observed, horizon, level) {
  const times = Float64Array.from(observed.keys()).filter((time) => !Number.isNaN(observed[time]));
  if (times.length < 3) return null;
  const values = times.map((time) => observed[time] - level);
  const trials = COARSE_TURNS.map((turns) => fitAt(turns, times, values));
  let best = trials.reduce((best, trial) => (trial.error < best.error ? trial : best));
  let { step } = best;
  for (let round = 0; round < 20; round++) {
    const turns = Math.min(FASTEST_TURN, Math.max(SLOWEST_TURN, best.turns + step));
    const trial = fitAt(turns, times, values);
    if (trial.error < best.error) [best, step] = [trial, trial.step];
    else step /= 2; // it overshot
  }
  return Float64Array.from({ length: observed.length + horizon }, (_, time) => {
    const angle = 2 * Math.PI * best.turns * time;
    return level + best.cosine * Math.cos(angle) + best.sine * Math.sin(angle);
  });
}
