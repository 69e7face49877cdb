// The limit: the best forecast there is of a sine wave seen in noise, as evaluation/limit.py has it.
// It is told amplitude, level, how loud the noise is, and that all frequencies of a band are alike.

const MOST_SUMMED = 1_500_000; // sines, in some 50 ms
const NEGLIGIBLE = 40; // nats below the best

/**
 * Continue a wave of amplitude 1 around 0 as the mean of all that it can be: [time], NaN where it
 * is observed. Null where that takes too long. `band` is in radians a step.
 */
function limitForecast(observed, horizon, noise, [low, high]) {
  const past = observed.length;
  const times = [...observed.keys()].filter((time) => !Number.isNaN(observed[time]));
  const width = Math.min(noise * Math.sqrt(12 / past ** 3), 1 / (past + horizon));
  const count = Math.max(1, Math.ceil((high - low) / width));
  if (count * times.length > MOST_SUMMED) return null;
  const turns = Array.from({ length: count }, (_, i) => low + ((high - low) * (i + 0.5)) / count);
  const cells = thatMatter(turns.map((turn) => likelihoodOf(turn, observed, times, noise)));
  const phases = Math.max(16, Math.ceil((2 * Math.PI * Math.sqrt(past)) / noise));
  const means = phaseMeans(cells, phases);
  return Float64Array.from({ length: past + horizon }, (_, time) => {
    if (time < past) return NaN;
    return means.reduce((sum, { turn, cosine, sine }) => {
      return sum + Math.sin(turn * time) * cosine + Math.cos(turn * time) * sine;
    }, 0);
  });
}

/** Return the log likelihood's weights of cos p, sin p, cos 2p and sin 2p, at a frequency. */
function likelihoodOf(turn, observed, times, noise) {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (const time of times) {
    const [sin, cos] = [Math.sin(turn * time), Math.cos(turn * time)];
    a += sin * observed[time];
    b += cos * observed[time];
    c += (cos * cos - sin * sin) / 4;
    d -= (sin * cos) / 2;
  }
  return { turn, weights: [a, b, c, d].map((sum) => sum / noise ** 2) };
}

/** Return the frequencies that are not negligible beside the best, whatever the phase. */
function thatMatter(cells) {
  const bounds = cells.map(({ weights: [a, b, c, d] }) => {
    const length = Math.max(Math.hypot(a, b), 1e-300);
    const [cos, sin] = [a / length, b / length];
    return [
      length + c * (cos * cos - sin * sin) + 2 * d * cos * sin,
      length + Math.hypot(c, d),
    ];
  });
  const best = bounds.reduce((best, [below]) => Math.max(best, below), -Infinity);
  return cells.filter((_, index) => bounds[index][1] > best - NEGLIGIBLE);
}

/** Return E[cos p] and E[sin p] of each frequency, times its probability. */
function phaseMeans(cells, phases) {
  const circle = Array.from({ length: phases }, (_, i) => {
    const angle = (2 * Math.PI * i) / phases;
    return [angle, 2 * angle].flatMap((each) => [Math.cos(each), Math.sin(each)]);
  });
  const density = ([a, b, c, d], [cos, sin, cos2, sin2]) =>
    a * cos + b * sin + c * cos2 + d * sin2;
  let highest = -Infinity;
  for (const { weights } of cells) {
    for (const phase of circle) highest = Math.max(highest, density(weights, phase));
  }
  let total = 0;
  const sums = cells.map(({ turn, weights }) => {
    let [cosine, sine] = [0, 0];
    for (const phase of circle) {
      const share = Math.exp(density(weights, phase) - highest);
      total += share;
      cosine += share * phase[0];
      sine += share * phase[1];
    }
    return { turn, cosine, sine };
  });
  return sums
    .map(({ turn, cosine, sine }) => ({ turn, cosine: cosine / total, sine: sine / total }))
    .filter(({ cosine, sine }) => Math.hypot(cosine, sine) > 1e-12);
}
