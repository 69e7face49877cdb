// The page: settings in, a scene and forecasts out, drawn within a frame of every change.

const data = JSON.parse(element("data").textContent);
const models = data.stages.map(({ weights }) => modelFrom(weights));
const { sampling_rate: samplingRate, scaling } = data.signal;
const learnt = learntOf(data);
const sliders = slidersOf(learnt, data);
const as = figuresFor(data.signal, learnt.reach);
const longest = (name) => sliders.find((slider) => slider.name === name).max;
const STEPS = Math.round(longest("seconds") * samplingRate); // the most that can be observed

const start = { ...startOf(learnt, data), stage: models.length - 1 };
let settings = start;
let chance = drawChance(start.seed, STEPS);
let charts = {}; // scales of the charts that the pointer reaches
let shown = null; // what the charts show
let [frame, idle, spoken] = [null, null, null]; // timers

/** Return what does not depend on the stage: the truth, what is observed, what is fed. */
function makeScene(settings) {
  const past = Math.max(1, Math.round(settings.seconds * samplingRate));
  const { horizon } = settings;
  const truth = settings.source === "drawn" ? null : learnt.waveOf(settings, past, horizon);
  const noise = settings.noise * learnt.amplitudeOf(settings);
  const observed = observe(truth ?? settings.drawn, { ...settings, past, noise }, chance);
  return { past, horizon, truth, observed, inputs: feed(observed, horizon, data.no_input) };
}

/** Return a forecast's figures; those that need the truth are null where there is none. */
function measure({ past, truth }, predictions) {
  const worst = truth && worstStep(predictions, truth, past);
  const swing = (values) => estimateFrequency(values, past, samplingRate, learnt.reach);
  return {
    error: truth && meanSquaredError(predictions, truth, past),
    silence: truth && meanSquaredError(new Float64Array(truth.length), truth, past),
    frequency: swing(predictions),
    trueFrequency: truth && swing(untilUnknown(truth)),
    worst,
    miss: worst === null ? null : Math.abs(predictions[worst] - truth[worst]),
  };
}

/** Draw the charts of what is shown, and read off what is at the cursor. */
function draw() {
  const { past, truth, inputs, states, size, stage } = shown;
  const colours = palette();
  const { horizon } = data.stages[stage];
  const cursor = settings.cursor === null ? null : Math.min(settings.cursor, inputs.length - 1);
  const read = { samplingRate, cursor };
  const fed = { guide: truth, noInput: data.no_input, samplingRate, learnt };
  const axes = { horizon, scaling, learnt, ...read };
  charts = {
    forecast: drawForecast(element("forecast"), shown, axes, colours),
    fed: drawFed(element("fed"), inputs, past, fed, colours),
    states: drawStates(element("states"), states, size, past, read, colours),
  };
  const words =
    cursor === null
      ? "Move this, or point at a chart."
      : readoutOf(shown, cursor, data.no_input, as);
  const slider = element("cursor");
  Object.assign(slider, { max: inputs.length - 1, value: cursor ?? past });
  slider.setAttribute("aria-valuetext", words);
  element("readout").textContent = words;
}

/** Compute what comes of the settings: a scene, and the forecast of the stage that is picked. */
function compute(settings) {
  const scene = makeScene(settings);
  const { stage } = settings;
  const begin = performance.now();
  const results = rollout(models[stage], scene.inputs, data.no_input);
  const milliseconds = performance.now() - begin;
  const figures = measure(scene, results.predictions);
  const { size } = models[stage];
  return { settings, ...scene, ...results, figures, stage, size, milliseconds };
}

/** Show the stage that is picked at once; the others follow, and the sentence in a pause. */
function update() {
  frame = null;
  shown = compute(settings);
  showSettings(settings);
  cards[shown.stage].radio.checked = true;
  element("sine").hidden = shown.truth !== null;
  document.querySelector(".of-truth").hidden = shown.truth === null;
  const tiles = tilesOf(shown, learnt, as);
  for (const [id, [figure, note]] of Object.entries(tiles)) {
    element(id).textContent = figure;
    element(`${id}-note`).textContent = note;
  }
  draw();
  publish(null);
  clearTimeout(idle);
  idle = setTimeout(compareStages, 0);
  clearTimeout(spoken);
  spoken = setTimeout(say, 400);
}

function say() {
  const trained = data.stages[shown.stage].horizon;
  element("summary").textContent = summaryOf(shown, trained, learnt, as);
}

/** Let every stage go on with the same wave, on its card. */
function compareStages() {
  const colours = palette();
  const results = models.map((model, index) => {
    const { predictions } = index === shown.stage ? shown : rollout(model, shown.inputs, data.no_input);
    const figures = measure(shown, predictions);
    drawSmall(cards[index].canvas, { ...shown, predictions }, shown.past, 400, learnt, colours);
    const { error, frequency } = figures;
    cards[index].error.textContent = error === null ? as.hertz(frequency) : `error ${small(error)}`;
    return { horizon: data.stages[index].horizon, predictions, figures };
  });
  publish(results);
}

/** Leave what is shown where a test, or whoever is curious, finds it. */
function publish(stages) {
  window.playground = { ...shown, settings, stages };
}

/** Take changed settings, and show what comes of them in the next frame. */
function change(changes) {
  if ((changes.seed ?? settings.seed) !== settings.seed) chance = drawChance(changes.seed, STEPS);
  settings = { ...settings, ...changes };
  frame ??= requestAnimationFrame(update);
}

/** Return the settings of other dice: other noise, and other waves if chance makes them. */
function roll(seed) {
  return learnt.roll ? { seed, source: learnt.source, ...learnt.roll(seed) } : { seed };
}

/** Move the cursor to a step: nothing is computed anew. */
function moveCursor(time) {
  settings = { ...settings, cursor: Math.min(shown.predictions.length - 1, Math.max(0, time)) };
  draw();
  publish(window.playground.stages);
}

function describeOrigin() {
  const { name, recipe, seed } = data;
  const what = recipe === null ? "" : `, recipe ${recipe}${seed === null ? "" : `, seed ${seed}`}`;
  element("origin").textContent = name + what;
  const { size } = models[0];
  element("units").textContent = element("states-count").textContent = size;
  element("states").style.height = `${MARGIN.top + MARGIN.bottom + 24 * size}px`;
}

/** Say what the signal is called, how it is fed, and what the networks were trained on. */
function describeSignal() {
  const { mean, scale } = scaling;
  const milliseconds = 1000 / samplingRate;
  const short = (value) => `${+value.toPrecision(4)}`.replace("-", "\u2212");
  const subtracted = mean < 0 ? `plus ${short(-mean)}` : `less ${short(mean)}`;
  const observed = observationOf(data.observation, learnt.asItIs);
  const words = {
    signal: `The ${learnt.noun}`,
    true: learnt.truth,
    sine: `Back to the ${learnt.whole}`,
    every: milliseconds < 1000 ? `${short(milliseconds)} ms` : `${short(milliseconds / 1000)} s`,
    scaled: models[0].measures
      ? ": a sample less the mean of what is observed, over its deviation"
      : as.isScaled
        ? `: a sample ${subtracted}, over ${short(scale)}`
        : "",
    training: `Training drew ${learnt.drawn}, ${observed}`,
  };
  for (const [id, text] of Object.entries(words)) element(id).textContent = text;
  for (const place of document.querySelectorAll(".noun")) place.textContent = learnt.noun;
}

describeOrigin();
describeSignal();
const showSettings = buildSliders(element("sliders"), sliders, learnt.source, change);
const cards = buildStages(element("stages"), data, (stage) => change({ stage }));
buildPresets(element("presets"), presetsOf(learnt, data), (preset) =>
  change({ ...start, ...preset, stage: settings.stage }),
);
const onClick = (id, changes) => element(id).addEventListener("click", () => change(changes()));
onClick("new-noise", () => roll(settings.seed + 1));
onClick("restore", () => ({ dropped: 0, droppedByHand: new Set() }));
onClick("reset", () => start);
onClick("sine", () => ({ source: learnt.source, droppedByHand: new Set() }));
element("cursor").addEventListener("input", (event) => moveCursor(event.target.valueAsNumber));
for (const name of ["forecast", "states"]) {
  const point = ({ offsetX }) => moveCursor(charts[name].timeAt(offsetX));
  element(name).addEventListener("pointermove", point);
}
listenToStrokes(
  element("fed"),
  {
    tool: () => document.querySelector("[name=tool]:checked").value,
    scales: () => charts.fed,
    past: () => shown.past,
    settings: () => settings,
    steps: STEPS,
    learnt,
  },
  change,
);
new ResizeObserver(() => change({})).observe(document.querySelector("main"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change({}));
update();
