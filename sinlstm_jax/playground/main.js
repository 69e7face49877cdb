// The page: settings in, a scene and forecasts out, drawn within a frame of every change.

const models = JSON.parse(element("data").textContent);
const networks = models.map(({ stages }) => stages.map(({ weights }) => modelFrom(weights)));
models.forEach((model, index) => (model.measures = networks[index][0].measures));
const { signal, no_input: noInput } = models[0];
const { sampling_rate: samplingRate, scaling } = signal;
const learnt = learntOf(models, models.some(({ measures }) => measures));
const sliders = slidersOf(learnt, models);
const choices = learnt.choices ?? [];
const as = figuresFor(signal, learnt.reach);
const longest = (name) => sliders.find((slider) => slider.name === name).max;
const STEPS = Math.round(longest("seconds") * samplingRate); // the most that can be observed

const stagesOf = (model) => models[model].stages.length;
const groups = presetsOf(learnt, models);
const plain = { ...plainOf(learnt, models), stage: stagesOf(0) - 1 };
const start = models.length > 1 ? { ...plain, ...groups[0].presets[0][1] } : plain;
const fields = fieldsOf(sliders, choices, models, STEPS);
let settings = settingsOf(location.hash, start, fields, stagesOf);
let chance = drawChance(settings.seed, STEPS);
let charts = {}; // scales of the charts that the pointer reaches
let shown = null; // what the charts show
let [frame, idle, spoken] = [null, null, null]; // timers

/** Return what does not depend on the model: the truth, what is observed, what a fit makes of it. */
function makeScene(settings) {
  const past = Math.max(1, Math.round(settings.seconds * samplingRate));
  const { horizon } = settings;
  const truth = settings.source === "drawn" ? null : learnt.waveOf(settings, past, horizon);
  const noise = settings.noise * learnt.amplitudeOf(settings);
  const observed = observe(truth ?? settings.drawn, { ...settings, past, noise }, chance);
  const isFitted = settings.fit && learnt.canFit;
  const fit = isFitted ? sineFit(observed, horizon, learnt.levelOf(settings)) : null;
  const limit = settings.limit && learnt.canFit && truth ? makeLimit(settings, observed) : null;
  return { settings, past, horizon, truth, observed, fit, limit };
}

/** Return the best forecast of a sine wave in noise, null where there is none to be had. */
function makeLimit(settings, observed) {
  const { noise, horizon, shape } = settings;
  const [level, amplitude] = [learnt.levelOf(settings), learnt.amplitudeOf(settings)];
  if (!(noise > 0 && amplitude > 0 && shape === "sine")) return null;
  const band = learnt.frequency.band.map((hertz) => (2 * Math.PI * hertz) / samplingRate);
  const ofOne = observed.map((value) => (value - level) / amplitude);
  return limitForecast(ofOne, horizon, noise, band)?.map((value) => level + amplitude * value) ?? null;
}

/** Show how the forecasts do that are to be compared with the network's. */
function showBeside({ settings, truth, past, figures, ...shown }) {
  for (const name of ["fit", "limit"]) {
    const forecast = shown[name];
    const error = forecast && truth && meanSquaredError(forecast, truth, past);
    element(name).checked = settings[name];
    document.querySelector(`.of-${name}`).hidden = forecast === null;
    element(`${name}-words`).textContent = settings[name]
      ? besideWords(name, forecast, error, figures.error)
      : "";
  }
}

/** Return a forecast's figures; those that need the truth are null where there is none. */
function measure({ settings, past, truth }, predictions) {
  const worst = truth && worstStep(predictions, truth, past);
  const swing = (values) =>
    estimateFrequency(values, past, samplingRate, learnt.amplitudeOf(settings));
  const level = new Float64Array(predictions.length).fill(learnt.levelOf(settings));
  return {
    error: truth && meanSquaredError(predictions, truth, past),
    silence: truth && meanSquaredError(level, truth, past),
    frequency: swing(predictions),
    trueFrequency: truth && swing(untilUnknown(truth)),
    worst,
    miss: worst === null ? null : Math.abs(predictions[worst] - truth[worst]),
  };
}

/** Compute how a model goes on, at a stage of its training. */
function goOn(scene, model, stage) {
  const begin = performance.now();
  const results = rollout(networks[model][stage], scene.observed, scene.horizon, noInput);
  const milliseconds = performance.now() - begin;
  return { ...results, figures: measure(scene, results.predictions), milliseconds };
}

/** Compute what comes of the settings: a scene, and the forecast of the model that is picked. */
function compute(settings) {
  const scene = makeScene(settings);
  const { model, stage } = settings;
  return { ...scene, ...goOn(scene, model, stage), model, stage, size: networks[model][stage].size };
}

/** Draw the charts of what is shown, and read off what is at the cursor. */
function draw() {
  const { past, truth, predictions, states, size, model, stage } = shown;
  const colours = palette();
  const { horizon } = models[model].stages[stage];
  const cursor = settings.cursor === null ? null : Math.min(settings.cursor, predictions.length - 1);
  const axes = { samplingRate, cursor, scaling, learnt };
  charts = {
    forecast: drawForecast(element("forecast"), shown, { horizon, ...axes }, colours),
    fed: drawFed(element("fed"), shown, { guide: truth, noInput, ...axes }, colours),
    states: drawStates(element("states"), states, size, past, axes, colours),
  };
  const words =
    cursor === null ? "Move this, or point at a chart." : readoutOf(shown, cursor, noInput, as);
  const slider = element("cursor");
  Object.assign(slider, { max: predictions.length - 1, value: cursor ?? past });
  slider.setAttribute("aria-valuetext", words);
  element("readout").textContent = words;
  const sample = Math.min(past - 1, cursor ?? 0);
  const told = { valuemin: 0, valuemax: past - 1, valuenow: sample };
  told.valuetext = sampleOf(shown, sample, noInput, as);
  for (const [name, value] of Object.entries(told)) {
    element("fed").setAttribute(`aria-${name}`, value);
  }
}

/** Show the model that is picked at once; the others follow, and the sentence in a pause. */
function update() {
  frame = null;
  shown = compute(settings);
  const { truth } = shown;
  const model = models[shown.model];
  showSettings(settings, sliders.map((slider) => trainedBand(slider, model, learnt)));
  showChoices(settings);
  showPicked(shown, modelCards, stageCards);
  describeModel(model);
  element("sine").hidden = truth !== null;
  document.querySelector(".of-truth").hidden = truth === null;
  document.querySelector(".of-band").hidden = shown.spreads === null;
  element("new-noise").hidden = !(learnt.roll || settings.noise > 0 || settings.dropped > 0);
  showBeside(shown);
  const tiles = tilesOf(shown, learnt, as);
  for (const [id, [figure, note]] of Object.entries(tiles)) {
    element(id).textContent = figure;
    element(`${id}-note`).textContent = note;
  }
  draw();
  publish(null);
  clearTimeout(idle);
  idle = setTimeout(compare, 0);
  clearTimeout(spoken);
  spoken = setTimeout(settle, 400);
}

/** In a pause, say what is shown, and put it into the address. */
function settle() {
  const who = whoOf(models[shown.model], shown.stage);
  element("summary").textContent = summaryOf(shown, who, learnt, as);
  const hash = hashOf(settings, start, fields, stagesOf);
  if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname + location.search);
}

/** Let every model, and every stage of the one that is picked, go on with the same wave. */
function compare() {
  const colours = palette();
  const all = (cards, of) =>
    cards.map((card, index) => {
      const [model, stage] = of(index);
      const isShown = model === shown.model && stage === shown.stage;
      const results = isShown ? shown : goOn(shown, model, stage);
      showOnCard(card, results, shown, learnt, as, colours);
      const { horizon } = models[model].stages[stage];
      return { name: models[model].name, horizon, ...results };
    });
  const picked = shown.model;
  const others = models.length === 1 ? [] : modelCards;
  publish({
    stages: all(stageCards[picked], (index) => [picked, index]),
    models: all(others, (index) => [
      index,
      index === picked ? shown.stage : stagesOf(index) - 1,
    ]),
  });
}

/** Leave what is shown where a test, or whoever is curious, finds it. */
function publish(compared) {
  window.playground = { ...shown, settings, stages: null, models: null, ...compared };
}

/** Take changed settings, and show what comes of them in the next frame. */
function change(changes) {
  if ((changes.seed ?? settings.seed) !== settings.seed) chance = drawChance(changes.seed, STEPS);
  const isOther = (changes.model ?? settings.model) !== settings.model;
  settings = { ...settings, ...changes };
  if (isOther && changes.stage === undefined) settings.stage = stagesOf(settings.model) - 1;
  frame ??= requestAnimationFrame(update);
}

/** Return the settings of other dice: other noise, and other waves if chance makes them. */
function roll(seed) {
  return learnt.roll ? { seed, source: learnt.source, ...learnt.roll(seed) } : { seed };
}

/** Return the settings of a preset: those plain, but for the model and what is compared. */
function tried(changes) {
  const { model, stage, fit, limit } = settings;
  const isOther = (changes.model ?? model) !== model;
  return { ...plain, model, fit, limit, ...changes, stage: isOther ? undefined : stage };
}

/** Move the cursor to a step: nothing is computed anew. */
function moveCursor(time) {
  settings = { ...settings, cursor: Math.min(shown.predictions.length - 1, Math.max(0, time)) };
  draw();
  const { stages, models } = window.playground;
  publish({ stages, models });
}

/** Say of a model how large it is, how it is fed, and what it was trained on. */
function describeModel({ about, measures, observation, stages }) {
  const { size } = shown;
  element("about").textContent = about === null ? "" : `${size} units: ${about}.`;
  element("states-count").textContent = size;
  const row = Math.max(9, Math.min(24, 360 / size));
  element("states").style.height = `${MARGIN.top + MARGIN.bottom + row * size}px`;
  element("asked").hidden = stages.length === 1;
  element("scaled").textContent = measures
    ? ": a sample less the mean of what is observed, over its deviation"
    : scaledWords;
  const seen = observationOf(observation, learnt.asItIs);
  const free = measures && learnt.isFree ? "; amplitude and level are alike to it" : "";
  element("training").textContent = `Training drew ${learnt.drawn}, ${seen}${free}`;
}

/** Say what the signal is called, and return how it is fed. */
function describeSignal() {
  const { mean, scale } = scaling;
  const milliseconds = 1000 / samplingRate;
  const short = (value) => `${+value.toPrecision(4)}`.replace("-", "\u2212");
  const words = {
    origin: originOf(models),
    signal: `The ${learnt.noun}`,
    true: learnt.truth,
    sine: `Back to the ${learnt.whole}`,
    every: milliseconds < 1000 ? `${short(milliseconds)} ms` : `${short(milliseconds / 1000)} s`,
  };
  for (const [id, text] of Object.entries(words)) element(id).textContent = text;
  for (const place of document.querySelectorAll(".noun")) place.textContent = learnt.noun;
  element("beside").hidden = !learnt.canFit;
  const subtracted = mean < 0 ? `plus ${short(-mean)}` : `less ${short(mean)}`;
  return as.isScaled ? `: a sample ${subtracted}, over ${short(scale)}` : "";
}

const scaledWords = describeSignal();
const showSettings = buildSliders(element("sliders"), sliders, learnt.source, change);
const showChoices = buildChoices(element("sliders"), choices, learnt.source, change);
const modelCards = buildModels(models, (model) => change({ model }));
const stageCards = buildStages(models, (stage) => change({ stage }));
buildPresets(element("presets"), groups, (changes) => change(tried(changes)));
const onClick = (id, changes) => element(id).addEventListener("click", () => change(changes()));
onClick("new-noise", () => roll(settings.seed + 1));
onClick("restore", () => ({ dropped: 0, droppedByHand: new Set() }));
onClick("reset", () => start);
onClick("sine", () => ({ source: learnt.source, droppedByHand: new Set() }));
for (const name of ["fit", "limit"]) {
  element(name).addEventListener("change", ({ target }) => change({ [name]: target.checked }));
}
element("cursor").addEventListener("input", (event) => moveCursor(event.target.valueAsNumber));
for (const name of ["forecast", "states"]) {
  const point = ({ offsetX }) => moveCursor(charts[name].timeAt(offsetX));
  element(name).addEventListener("pointermove", point);
}
const chart = {
  tool: () => document.querySelector("[name=tool]:checked").value,
  scales: () => charts.fed,
  past: () => shown.past,
  observed: () => shown.observed,
  settings: () => settings,
  steps: STEPS,
  learnt,
};
listenToStrokes(element("fed"), chart, change);
listenToKeys(element("fed"), chart, change);
addEventListener("hashchange", () => change(settingsOf(location.hash, start, fields, stagesOf)));
new ResizeObserver(() => change({})).observe(document.querySelector("main"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => change({}));
update();
