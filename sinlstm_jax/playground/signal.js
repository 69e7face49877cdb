// Where the page's data is born: the true wave, what is observed of it, what the network is fed.

/** Return a source of uniform draws from [0, 1), the same for the same seed: mulberry32. */
function uniformDraws(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Return what chance decides, drawn once: a slider scales it, and does not draw it anew. */
function drawChance(seed, steps) {
  const uniform = uniformDraws(seed);
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()); // Box and Muller
  const draws = (draw) => Float64Array.from({ length: steps }, draw);
  return { noise: draws(normal), drop: draws(uniform) };
}

/** Sample level + amplitude * sin(2 pi frequency t + phase); the phase in degrees. */
function sineWave({ frequency, phase, amplitude, level }, steps, samplingRate) {
  const start = (phase * Math.PI) / 180;
  const turn = (2 * Math.PI * frequency) / samplingRate;
  const value = (_, time) => level + amplitude * Math.sin(start + turn * time);
  return Float64Array.from({ length: steps }, value);
}

/** Sample a square wave of the same amplitude, level and phase. */
function squareWave(settings, steps, samplingRate) {
  const { amplitude, level } = settings;
  const sine = sineWave({ ...settings, amplitude: 1, level: 0 }, steps, samplingRate);
  return sine.map((value) => level + amplitude * (value < 0 ? -1 : 1));
}

/** Sample a sum of tones, { frequency, turn, amplitude }, scaled to a mean square of `power`. */
function sumOfTones(tones, power, steps, samplingRate) {
  const square = tones.reduce((sum, { amplitude }) => sum + amplitude ** 2 / 2, 0);
  const scale = Math.sqrt(power / Math.max(square, 1e-12));
  const values = new Float64Array(steps);
  for (const { frequency, turn, amplitude } of tones) {
    for (let time = 0; time < steps; time++) {
      const turns = turn + (frequency * time) / samplingRate;
      values[time] += scale * amplitude * Math.sin(2 * Math.PI * turns);
    }
  }
  return values;
}

/** Return steps of a window from `first` on, NaN where it has none. */
function partOf(window, first, steps) {
  return Float64Array.from({ length: steps }, (_, time) => window[first + time] ?? NaN);
}

/** Return what is observed of a clean signal: with noise, and NaN where there is no sample. */
function observe(clean, { past, noise, dropped, droppedByHand }, chance) {
  return Float64Array.from({ length: past }, (_, time) => {
    const lost = droppedByHand.has(time) || chance.drop[time] < dropped / 100;
    return lost ? NaN : clean[time] + noise * chance.noise[time];
  });
}
