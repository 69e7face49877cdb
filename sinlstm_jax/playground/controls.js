// What is turned, pressed and drawn. Each control asks for a change of the settings, no more.

const SLIDERS = [
  { name: "frequency", label: "Frequency", unit: "Hz", min: 0.1, max: 8, step: 0.01 },
  { name: "phase", label: "Phase", unit: "\u00b0", min: 0, max: 360, step: 1 },
  { name: "amplitude", label: "Amplitude", unit: "", min: 0, max: 2, step: 0.01 },
  { name: "noise", label: "Noise", unit: "std", min: 0, max: 0.5, step: 0.01 },
  { name: "dropped", label: "Dropped", unit: "%", min: 0, max: 100, step: 1 },
  { name: "seconds", label: "Observed", unit: "s", min: 0.1, max: 4, step: 0.05 },
  { name: "horizon", label: "Forecast", unit: "steps", min: 10, max: 3000, step: 10 },
];
const OF_THE_SINE = ["frequency", "phase", "amplitude"]; // a drawn wave gives way to these

const START = {
  source: "sine",
  frequency: 1.7,
  phase: 0,
  amplitude: 1,
  noise: 0,
  dropped: 0,
  seconds: 1,
  horizon: 500,
  droppedByHand: new Set(),
  drawn: null, // [step], NaN where nothing was drawn
  seed: 1,
  cursor: null,
};

const PRESETS = [
  ["The tutorial\u2019s", { frequency: 1.1337, horizon: 600 }],
  ["For 15 s", { frequency: 2.1337, horizon: 1500 }],
  ["Too fast", { frequency: 6 }],
  ["Too slow", { frequency: 0.25, seconds: 2 }],
  ["Too quiet", { amplitude: 0.4 }],
  ["Noisy", { noise: 0.2 }],
  ["A gap", { seconds: 1.5, droppedByHand: new Set(Array.from({ length: 40 }, (_, i) => 60 + i)) }],
  ["One in two", { dropped: 50 }],
];

const element = (id) => document.getElementById(id);
const fromTemplate = (id) => element(id).content.firstElementChild.cloneNode(true);

/** Build the sliders, each with a field for exact values; returns what shows settings on them. */
function buildSliders(parent, trainedBand, change) {
  const shows = SLIDERS.map((slider) => {
    const { name, label, unit, min, max, step } = slider;
    const row = fromTemplate("slider");
    const [exact, range] = row.querySelectorAll("input");
    row.querySelector("label").textContent = label;
    row.querySelector("label").htmlFor = range.id = name;
    row.querySelector(".unit").textContent = unit;
    exact.id = `${name}-exact`;
    exact.setAttribute("aria-label", `${label}, exactly${unit && `, in ${unit}`}`);
    for (const input of [exact, range]) Object.assign(input, { min, max, step });
    const source = OF_THE_SINE.includes(name) ? { source: "sine" } : {};
    const ask = (value) => change({ [name]: value, ...source });
    const show = (settings) => {
      range.value = settings[name];
      range.setAttribute("aria-valuetext", `${settings[name]} ${unit}`);
      if (document.activeElement !== exact) exact.value = settings[name];
    };
    range.addEventListener("input", () => ask(range.valueAsNumber));
    exact.addEventListener("input", () => {
      const value = exact.valueAsNumber;
      if (value >= min && value <= max) ask(name === "horizon" ? Math.round(value) : value);
    });
    exact.addEventListener("change", () => {
      const value = Math.min(max, Math.max(min, exact.valueAsNumber || 0));
      exact.value = name === "horizon" ? Math.round(value) : value;
      ask(exact.valueAsNumber);
    });
    if (name === "frequency") row.append(bandMark(slider, trainedBand));
    parent.append(row);
    return show;
  });
  return (settings) => shows.forEach((show) => show(settings));
}

/** Mark on a slider's scale where training drew from. */
function bandMark({ min, max }, [low, high]) {
  const mark = document.createElement("div");
  const bar = document.createElement("span");
  mark.className = "mark";
  bar.textContent = `trained: ${low} to ${high} Hz`;
  bar.style.left = `${(100 * (low - min)) / (max - min)}%`;
  bar.style.width = `${(100 * (high - low)) / (max - min)}%`;
  mark.append(bar);
  return mark;
}

/** Build one card per stage; returns their parts, in order. */
function buildStages(parent, { name, stages }, pick) {
  return stages.map(({ horizon }, index) => {
    const card = fromTemplate("stage");
    const radio = card.querySelector("input");
    radio.value = index;
    radio.addEventListener("change", () => pick(index));
    card.querySelector(".name").textContent = horizon === null ? name : `${horizon} steps`;
    parent.append(card);
    return { radio, canvas: card.querySelector("canvas"), error: card.querySelector(".error") };
  });
}

function buildPresets(parent, pick) {
  for (const [label, settings] of PRESETS) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", () => pick(settings));
    parent.append(button);
  }
}

/** Return the steps from one point of a stroke to the next, with the values on the way. */
function stroke(from, to) {
  const count = Math.max(1, Math.abs(to.time - from.time));
  return Array.from({ length: count + 1 }, (_, i) => [
    from.time + Math.round(((to.time - from.time) * i) / count),
    from.value + ((to.value - from.value) * i) / count,
  ]);
}

/** Return the settings after a stroke of the pen; the first one begins with an empty chart. */
function drawStroke(settings, steps, points) {
  const begun = settings.source === "drawn";
  const drawn = begun ? settings.drawn.slice() : new Float64Array(steps).fill(NaN);
  for (const [time, value] of points) drawn[time] = value;
  const droppedByHand = begun ? new Set(settings.droppedByHand) : new Set();
  for (const [time] of points) droppedByHand.delete(time);
  return { source: "drawn", drawn, droppedByHand };
}

/** Return the settings after samples were dropped, or restored. */
function dropStroke({ droppedByHand }, points, dropping) {
  const changed = new Set(droppedByHand);
  for (const [time] of points) dropping ? changed.add(time) : changed.delete(time);
  return { droppedByHand: changed };
}

/** Let the pointer draw waves, or drop samples, on the chart of what is fed. */
function listenToStrokes(canvas, { tool, scales: scalesNow, past, settings, steps }, change) {
  let last = null; // of the stroke that goes on
  let dropping = true;
  const point = ({ offsetX, offsetY }) => ({
    time: Math.min(past() - 1, Math.max(0, scalesNow().timeAt(offsetX))),
    value: Math.min(2, Math.max(-1.95, scalesNow().valueAt(offsetY))), // -2 would be the token
  });
  const draw = (event) => {
    const next = point(event);
    const points = stroke(last ?? next, next);
    last = next;
    if (tool() === "draw") change(drawStroke(settings(), steps, points));
    else change(dropStroke(settings(), points, dropping));
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    last = null;
    dropping = !settings().droppedByHand.has(point(event).time);
    draw(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last === null) return;
    const between = event.getCoalescedEvents?.() ?? [];
    for (const each of between.length ? between : [event]) draw(each);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => (last = null));
  }
}
