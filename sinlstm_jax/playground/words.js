// Figures and sentences for what is shown: the result of one stage on one scene.

const NO_TRUTH = "a drawn wave has no truth";
const CYCLES = "from cycle to cycle";
const NOTHING = "no sample to go by";

const decimals = (value, digits = 3) => value.toFixed(digits).replace("-", "\u2212");
const small = (value) =>
  value !== 0 && value < 0.0005 ? value.toExponential(1) : decimals(value, value < 100 ? 4 : 1);

/** Return how figures are written: with the digits that the sampling rate and the units deserve. */
function figuresFor({ sampling_rate: rate, scaling: { mean, scale } }, reach) {
  const least = (digits) => Math.max(0, digits);
  const magnitude = Math.ceil(Math.log10(rate));
  const places = (unit) => least(3 - Math.floor(Math.log10(unit)));
  const hertz = least(4 - magnitude);
  return {
    time: (step) => decimals(step / rate, least(magnitude)),
    span: (steps) => decimals(steps / rate, least(magnitude - 1)),
    hertz: (value) => (value === null ? "none" : `${decimals(value, hertz)} Hz`),
    exactHertz: (value) => `${+value.toFixed(hertz + 2)} Hz`,
    value: (value) => decimals(mean + scale * value, places(scale * reach)),
    distance: (value) => decimals(scale * value, least(places(scale * reach) - 1)),
    fed: (value) => decimals(value, places(reach)), // as the network sees it
    isScaled: mean !== 0 || scale !== 1,
  };
}

/** Return the tiles: by the id of each, its figure and a note below it. */
function tilesOf({ settings, predictions, truth, figures, milliseconds, size }, learnt, as) {
  const { error, silence, frequency, worst, miss, trueFrequency } = figures;
  const steps = predictions.length.toLocaleString("en");
  const speed = [`${milliseconds.toFixed(1)} ms`, `${steps} steps of ${size} units`];
  if (error === null) {
    const unknown = truth === null ? NO_TRUTH : "the truth is not known";
    const none = ["\u2013", Number.isNaN(predictions.at(-1)) ? NOTHING : unknown];
    return { speed, error: none, miss: none, estimate: [as.hertz(frequency), CYCLES] };
  }
  const level = learnt.levelOf(settings) === 0 ? "0" : "its level";
  const silent = as.isScaled ? "in what it is fed; answering the mean" : `answering ${level}`;
  const outside = learnt.isInside?.(settings) === false ? "; outside the trained band" : "";
  const alike =
    trueFrequency === null ? CYCLES : `the truth, measured alike: ${as.hertz(trueFrequency)}`;
  return {
    speed,
    error: [small(error), `${silent}: ${small(silence)}`],
    miss: [as.distance(miss), `at ${as.time(worst)} s`],
    estimate: [as.hertz(frequency), learnt.frequencyNote?.(settings, as) ?? alike + outside],
  };
}

/** Return in a sentence what the charts show: it is read aloud. */
function summaryOf({ settings, observed, horizon, truth, predictions, figures }, who, learnt, as) {
  const missing = observed.filter(Number.isNaN).length;
  const { frequency, error } = figures;
  const swings = frequency === null ? " hardly swings" : ` swings at ${as.hertz(frequency)}`;
  const goesOn = Number.isNaN(predictions.at(-1))
    ? ` has ${NOTHING}`
    : `${swings} for ${as.span(horizon)} s`;
  return [
    `After ${observed.length} ${settings.noise > 0 ? "noisy samples" : "samples"} of ${truth ? learnt.nameOf(settings, as) : "what you drew"}`,
    missing ? `, ${missing} of them missing` : "",
    `, ${who}${goesOn}`,
    error === null ? "." : `; its mean squared error is ${small(error)}.`,
  ].join("");
}

/** Return who goes on with the wave. */
function whoOf({ title, stages }, stage) {
  const { horizon } = stages[stage];
  const name = title === null ? "the network" : `\u201c${title}\u201d`;
  return horizon === null ? name : `${name} trained to ${horizon} steps`;
}

/** Return where the weights are from. */
function originOf(models) {
  if (models.length > 1) return "Four models that ship with the package sinlstm_jax are in this file.";
  const [{ name, title, recipe, seed }] = models;
  const how = recipe === null ? "" : `, trained by the recipe ${recipe} with seed ${seed}`;
  return title === null
    ? `The network is of your run ${name}${how}.`
    : `The model \u201c${title}\u201d ships with the package sinlstm_jax.`;
}

// What the others know that no network is told, and why there may be none.
const TOLD = {
  fit: "It is told that there is one sine wave, and its level.",
  limit:
    "It is told that there is one sine wave from the trained band, its level and amplitude, and " +
    "how loud the noise is.",
};
const NONE = {
  fit: "Fewer than three samples: nothing to fit.",
  limit:
    "It is of a sine wave seen in noise: turn the noise up. Where there is little noise and much " +
    "is observed, it takes too long to compute here, and a fitted sine wave comes close to it.",
};

/** Return how another forecast than the network's does, "fit" or "limit", and what it knows. */
function besideWords(name, forecast, error, ours) {
  if (forecast === null) return NONE[name];
  const errors = error === null || ours === null ? "" : `Its error: ${small(error)}; the network\u2019s: ${small(ours)}. `;
  return errors + TOLD[name];
}

/** Return what is at a step, in words. */
function readoutOf(shown, step, noInput, as) {
  const { truth, predictions, inputs } = shown;
  const known = truth && !Number.isNaN(truth[step]);
  const [low, high] = bandOf(shown);
  const fed = inputs[step] === noInput ? "no input" : as.fed(inputs[step]);
  return [
    `${as.time(step)} s: network ${Number.isNaN(predictions[step]) ? "\u2013" : as.value(predictions[step])}`,
    ...(low && !Number.isNaN(low[step]) ? [`90 % within ${as.value(low[step])} to ${as.value(high[step])}`] : []),
    ...(known ? [`truth ${as.value(truth[step])}`] : []),
    `fed ${fed}`,
  ].join(", ");
}

/** Return what a sample is, in words. */
function sampleOf({ inputs, observed, past }, step, noInput, as) {
  const what = inputs[step] === noInput ? "no input" : as.value(observed[step]);
  return `sample ${step + 1} of ${past}, at ${as.time(step)} s: ${what}`;
}

/** Return what was observed of the signal in training, in words. */
function observationOf({ noise, missing, gap, shortest_past: shortest }, asItIs) {
  const words = [
    noise[1] && `noise of up to ${noise[1]} of the amplitude`,
    missing[1] && `up to ${+(100 * missing[1]).toPrecision(3)} % of samples missing`,
    gap[1] && `gaps of up to ${gap[1]} samples`,
    shortest && `pasts as short as ${shortest} samples`,
  ].filter(Boolean);
  return words.length ? `with ${words.join(", ")}` : asItIs;
}
