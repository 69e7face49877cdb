// Figures and sentences for what is shown: the result of one stage on one scene.

const NO_TRUTH = "a drawn wave has no truth";

const decimals = (value, digits = 3) => value.toFixed(digits).replace("-", "\u2212");
const small = (value) =>
  value !== 0 && value < 0.0005 ? value.toExponential(1) : decimals(value, 4);
const hertz = (value) => (value === null ? "none" : `${decimals(value, 2)} Hz`);
const trueHertz = ({ frequency }) => `${+frequency.toFixed(4)} Hz`;

/** Return the tiles: by the id of each, its figure and a note below it. */
function tilesOf({ settings, inputs, truth, figures, milliseconds, size }, [low, high], rate) {
  const { error, silence, frequency, worst, miss } = figures;
  const where = settings.frequency >= low && settings.frequency <= high ? "inside" : "outside";
  const steps = inputs.length.toLocaleString("en");
  const speed = [`${milliseconds.toFixed(1)} ms`, `${steps} steps of ${size} units`];
  if (truth === null) {
    const none = ["\u2013", NO_TRUTH];
    return { speed, error: none, miss: none, estimate: [hertz(frequency), "from cycle to cycle"] };
  }
  return {
    speed,
    error: [small(error), `answering 0: ${small(silence)}`],
    miss: [decimals(miss, 2), `at ${decimals(worst / rate, 2)} s`],
    estimate: [hertz(frequency), `true: ${trueHertz(settings)}, ${where} the trained band`],
  };
}

/** Return in a sentence what the charts show: it is read aloud. */
function summaryOf({ settings, observed, horizon, truth, figures }, trained, rate) {
  const missing = observed.filter(Number.isNaN).length;
  const { frequency, error } = figures;
  return [
    `After ${observed.length} samples of ${truth ? trueHertz(settings) : "what you drew"}`,
    missing ? `, ${missing} of them missing` : "",
    trained === null ? ", the network" : `, the network trained to ${trained} steps`,
    frequency === null ? " hardly swings" : ` swings at ${hertz(frequency)}`,
    ` for ${decimals(horizon / rate, 1)} s`,
    truth ? `; its mean squared error is ${small(error)}.` : ".",
  ].join("");
}

/** Return what is at a step, in words. */
function readoutOf({ truth, predictions, inputs }, step, rate, noInput) {
  const fed = inputs[step] === noInput ? "no input" : decimals(inputs[step]);
  return [
    `${decimals(step / rate, 2)} s: network ${decimals(predictions[step])}`,
    ...(truth ? [`truth ${decimals(truth[step])}`] : []),
    `fed ${fed}`,
  ].join(", ");
}
