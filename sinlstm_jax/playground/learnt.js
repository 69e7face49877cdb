// What a network learnt to continue: the controls it has, how its waves go, and the words for it.
//
// sliders, start, presets: what is turned and pressed; `band` is where training drew from.
// waveOf(settings, past, horizon): the truth as a network sees it, NaN where it is not known.
// amplitudeOf(settings), noiseUnit: what noise is relative to; levelOf(settings): what it swings
// around. canFit: whether a fitted sine wave may be shown beside the network.
// centre, reach: of its usual values; charts and digits go by them.

const middleOf = ([low, high]) => (low + high) / 2;
const isRange = ([low, high]) => low < high;

/** Return the scale of a slider that goes beyond a band, within limits, in steps that are round. */
function scaleAround([low, high], lowest, highest) {
  const span = isRange([low, high]) ? high - low : Math.abs(high) / 2;
  const [min, max] = [Math.max(lowest, low - 2 * span), Math.min(highest, high + 2 * span)];
  const step = Number(`1e${Math.floor(Math.log10((max - min) / 100))}`);
  const round = (value) => +(Math.round(value / step) * step).toPrecision(12);
  return { min: round(min), max: round(max), step };
}

/** Return the scale of a frequency's slider, at most half of the sampling rate. */
const frequencyScale = ([low, high], rate) =>
  scaleAround([low, high], low / 5, Math.min(2 * high, rate / 2));

/** Sine waves; the tutorial's start where the tutorial does. Some models take any units. */
function sines({ frequency, amplitude, level, sampling_rate: rate }, isTutorials, anyUnits) {
  const [slowest, fastest] = frequency;
  const hertz = { unit: "Hz", ...frequencyScale(frequency, rate), band: frequency };
  const isFixed = !isRange(amplitude) && !isRange(level);
  const [usual, isFree] = [amplitude[1], isFixed && anyUnits];
  const loud = isFree
    ? { min: 0, max: 5 * usual, step: usual / 20 }
    : scaleAround(amplitude, 0, 2 * usual);
  const sliders = [
    { name: "frequency", label: "Frequency", ...hertz },
    { name: "phase", label: "Phase", unit: "\u00b0", min: 0, max: 360, step: 1 },
    { name: "amplitude", label: "Amplitude", unit: "", ...loud, band: amplitude, isUnit: true },
  ];
  const span = isFree ? 5 * usual : level[1] - level[0];
  if (span > 0) {
    const around = isFree
      ? { min: level[0] - 2 * span, max: level[0] + 2 * span, step: usual / 10 }
      : scaleAround(level, level[0] - span, level[1] + span);
    sliders.push({ name: "level", label: "Level", unit: "", ...around, band: level, isUnit: true });
  }
  const shapes = { sine: "sine wave", square: "square wave" };
  return {
    noun: "wave",
    whole: "sine wave",
    truth: "true wave",
    source: "sine",
    drawn: isFixed && level[0] === 0
      ? `waves of amplitude ${amplitude[0]} from the band that is marked under the frequency`
      : "waves from the bands that are marked under the sliders",
    asItIs: "without noise and without gaps",
    centre: middleOf(level),
    reach: amplitude[1] + (level[1] - level[0]) / 2,
    sliders,
    choices: [{ name: "shape", label: "Shape", options: shapes }],
    frequency: hertz,
    amplitude: { ...loud, band: amplitude },
    start: {
      shape: "sine",
      frequency: isTutorials ? 1.7 : middleOf(frequency),
      phase: 0,
      amplitude: middleOf(amplitude),
      level: middleOf(level),
    },
    waveOf: (settings, past, horizon) => {
      const sample = settings.shape === "square" ? squareWave : sineWave;
      return sample(settings, past + horizon, rate);
    },
    canFit: canBeFitted(frequency, rate),
    isFixed,
    isFree,
    amplitudeOf: (settings) => settings.amplitude,
    levelOf: (settings) => settings.level,
    noiseUnit: "amp.",
    nameOf: ({ shape, frequency }, as) =>
      `a ${shapes[shape]} of ${as.exactHertz(frequency)}`,
    frequencyNote: ({ frequency }, as) => {
      const where = frequency >= slowest && frequency <= fastest ? "inside" : "outside";
      return `true: ${as.exactHertz(frequency)}, ${where} the trained band`;
    },
  };
}

/** Sums of tones, or of harmonics. A few have sliders; of many, the dice decide. */
function tones({ count, frequency, harmonic, power, sampling_rate: rate }) {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const few = count <= 3;
  const what = count === 1 ? "tone" : harmonic ? "harmonics" : "tones";
  const own = harmonic ? [1] : numbers; // those with a frequency of their own
  const [low, high] = frequency;
  const scale = frequencyScale(frequency, harmonic ? rate / count : rate);
  const hertz = { unit: "Hz", ...scale, band: frequency };
  const strong = { unit: "", min: 0, max: 1, step: 0.01 };
  const part = harmonic ? "Harmonic" : "Strength";
  const sliders = [
    ...(few || harmonic ? own : []).map((n) => ({
      ...{ name: `frequency${n}`, label: own.length > 1 ? `Tone ${n}` : "Frequency", ...hertz },
    })),
    ...(few && count > 1 ? numbers : []).map((n) => ({
      ...{ name: `strength${n}`, label: `${part} ${n}`, ...strong },
    })),
  ];
  const tonesOf = (settings) =>
    numbers.map((n) => ({
      frequency: harmonic ? n * settings.frequency1 : settings[`frequency${n}`],
      turn: settings[`turn${n}`],
      amplitude: settings[`strength${n}`] / (harmonic ? n : 1),
    }));
  const strengths = (of) => Object.fromEntries(numbers.map((n) => [`strength${n}`, of(n)]));
  /** Draw as training did. */
  const roll = (seed) => {
    const uniform = uniformDraws(~seed); // others than the noise's
    const draw = (n) => ({
      [`frequency${n}`]: +(low + (high - low) * uniform()).toPrecision(4),
      [`turn${n}`]: uniform(),
      [`strength${n}`]: +uniform().toFixed(2),
    });
    return Object.assign({}, ...numbers.map(draw));
  };
  const usual = Math.sqrt(2 * power);
  const from = `from ${low} to ${high} Hz`;
  const frequencies = (of) =>
    Object.fromEntries(own.map((n) => [`frequency${n}`, +of(n).toPrecision(4)]));
  const start = {
    ...frequencies((n) => low + ((high - low) * n) / (own.length + 1)),
    ...strengths(() => 1),
    ...Object.fromEntries(numbers.map((n) => [`turn${n}`, 0])),
  };
  const toTry = [
    ["One tone", strengths((n) => +(n === 1))],
    harmonic
      ? ["Like a square", strengths((n) => n % 2)]
      : ["Close together", frequencies((n) => middleOf(frequency) * (1 + 0.05 * (n - 1)))],
  ];
  return {
    noun: "wave",
    whole: what,
    truth: "true wave",
    source: "tones",
    drawn: harmonic ? `${count} ${what} of a tone ${from}` : `${count} ${what} ${from}`,
    asItIs: "without noise and without gaps",
    centre: 0,
    reach: usual,
    sliders,
    start,
    roll,
    presets: count === 1 ? [] : toTry,
    waveOf: (settings, past, horizon) =>
      sumOfTones(tonesOf(settings), power, past + horizon, rate),
    amplitudeOf: () => usual,
    levelOf: () => 0,
    noiseUnit: "amp.",
    isInside: (settings) =>
      own.every((n) => settings[`frequency${n}`] >= low && settings[`frequency${n}`] <= high),
    nameOf: (settings, as) => {
      const names = own.map((n) => as.exactHertz(settings[`frequency${n}`]));
      if (harmonic) return `${count} ${what} of ${names[0]}`;
      return few ? names.join(" and ") : `${count} tones`;
    },
  };
}

/** Windows of a recording, or of a signal whose law the page does not know. */
function windows({ class: name }, { values, amplitude }, trainedPast) {
  const all = values.map((window) => Float64Array.from(window, (value) => value ?? NaN));
  const count = all.length;
  let [lowest, highest] = [Infinity, -Infinity];
  for (const value of all.flatMap((window) => [...window])) {
    if (value < lowest) lowest = value;
    if (value > highest) highest = value;
  }
  const recorded = name === "Recording";
  const one = { name: "window", label: `Window of ${count}`, unit: "", whole: true };
  return {
    noun: recorded ? "recording" : "signal",
    whole: recorded ? "recording" : "signal",
    truth: recorded ? "recorded" : "true signal",
    source: "window",
    drawn: recorded
      ? "windows from the part of the recording before these forecasts"
      : `windows of ${name} such as these`,
    asItIs: "as they are",
    centre: highest >= lowest ? (lowest + highest) / 2 : 0,
    reach: highest > lowest ? (highest - lowest) / 2 : 1,
    mostPast: trainedPast, // nothing is known before
    known: all[0].length - trainedPast,
    sliders: count > 1 ? [{ ...one, min: 1, max: count, step: 1 }] : [],
    start: { window: 1 },
    presets: [],
    // The forecast begins where the window's horizon does, however little is observed before.
    waveOf: ({ window }, past, horizon) =>
      partOf(all[window - 1], trainedPast - past, past + horizon),
    amplitudeOf: ({ window }) => amplitude[window - 1] ?? 1,
    levelOf: () => 0,
    noiseUnit: "amp.",
    nameOf: ({ window }) => (count > 1 ? `window ${window}` : "the window"),
  };
}

/** Return what the page needs of the signal that its models learnt; they all learnt the same. */
function learntOf(models, anyUnits) {
  const { signal, windows: given, past, is_tutorials: isTutorials } = models[0];
  if (given) return windows(signal, given, past);
  return signal.class === "Tones" ? tones(signal) : sines(signal, isTutorials, anyUnits);
}
