// What is turned, pressed and drawn. Each control asks for a change of the settings, no more.

/** Return what can be turned: what is of the signal, and what is observed of it. */
function slidersOf(learnt, { past, observation, signal }) {
  const rate = signal.sampling_rate;
  const { noise, missing } = observation;
  const loudest = Math.max(0.5, 2 * noise[1]);
  const most = (learnt.mostPast ?? Math.max(400, 2 * past)) / rate;
  const least = Math.min(10, past) / rate;
  const trained = ([low, high], by = 1) => high > 0 && [by * low, by * high];
  return [
    ...learnt.sliders.map((slider) => ({ ...slider, ofSignal: true })),
    {
      ...{ name: "noise", label: "Noise", min: 0, max: loudest, step: 0.01 },
      ...{ unit: learnt.noiseUnit, band: trained(noise) },
    },
    {
      ...{ name: "dropped", label: "Dropped", unit: "%", min: 0, max: 100, step: 1 },
      band: trained(missing, 100),
    },
    {
      ...{ name: "seconds", label: "Observed", unit: "s", min: least, max: most, step: 5 / rate },
      digits: 4, // it is rounded to steps
    },
    {
      ...{ name: "horizon", label: "Forecast", unit: "steps", min: 10, max: 3000, step: 10 },
      whole: true,
    },
  ];
}

/** Return the settings at first. */
function startOf(learnt, { past, signal }) {
  return {
    ...learnt.start,
    source: learnt.source, // or "drawn"
    noise: 0,
    dropped: 0,
    seconds: past / signal.sampling_rate,
    horizon: Math.max(10, Math.min(500, learnt.known ?? Infinity)),
    droppedByHand: new Set(),
    drawn: null, // [step], NaN where nothing was drawn
    seed: 1,
    cursor: null,
  };
}

/** Return what there is to try, each with its settings other than those at first. */
function presetsOf(learnt, { past, signal }) {
  const observed = learnt.mostPast ?? 1.5 * past;
  const [first, end] = [Math.round(0.4 * observed), Math.round((2 / 3) * observed)];
  const gap = new Set(Array.from({ length: end - first }, (_, i) => first + i));
  return [
    ...learnt.presets,
    ["Noisy", { noise: 0.2 }],
    ["A gap", { seconds: observed / signal.sampling_rate, droppedByHand: gap }],
    ["One in two", { dropped: 50 }],
  ];
}

const element = (id) => document.getElementById(id);
const fromTemplate = (id) => element(id).content.firstElementChild.cloneNode(true);

/** Build the sliders, each with a field for exact values; returns what shows settings on them. */
function buildSliders(parent, sliders, source, change) {
  const shows = sliders.map((slider) => {
    const { name, label, unit, min, max, step, whole, ofSignal, band, digits = 9 } = slider;
    const row = fromTemplate("slider");
    const [exact, range] = row.querySelectorAll("input");
    row.querySelector("label").textContent = label;
    row.querySelector("label").htmlFor = range.id = name;
    row.querySelector(".unit").textContent = unit;
    exact.id = `${name}-exact`;
    exact.setAttribute("aria-label", `${label}, exactly${unit && `, in ${unit}`}`);
    for (const input of [exact, range]) Object.assign(input, { min, max, step });
    const longest = Math.max(...[min, max, step].map((each) => `${+each.toPrecision(4)}`.length));
    if (longest > 5) exact.style.width = `${longest + 4}ch`;
    // A drawn wave gives way to what is of the signal.
    const ask = (value) => change({ [name]: value, ...(ofSignal ? { source } : {}) });
    const show = (settings) => {
      const value = +settings[name].toPrecision(digits);
      range.value = value;
      range.setAttribute("aria-valuetext", `${value} ${unit}`);
      if (document.activeElement !== exact) exact.value = value;
    };
    range.addEventListener("input", () => ask(range.valueAsNumber));
    exact.addEventListener("input", () => {
      const value = exact.valueAsNumber;
      if (value >= min && value <= max) ask(whole ? Math.round(value) : value);
    });
    exact.addEventListener("change", () => {
      const value = Math.min(max, Math.max(min, exact.valueAsNumber || 0));
      exact.value = whole ? Math.round(value) : value;
      ask(exact.valueAsNumber);
    });
    if (band) row.append(bandMark(slider));
    parent.append(row);
    return show;
  });
  return (settings) => shows.forEach((show) => show(settings));
}

/** Mark on a slider's scale where training drew from. */
function bandMark({ min, max, unit, band: [low, high] }) {
  const mark = document.createElement("div");
  const bar = document.createElement("span");
  mark.className = "mark";
  const ends = (low === high ? [low] : [low, high]).map((end) => `${+end.toPrecision(4)}`);
  bar.textContent = `trained: ${ends.join(" to ").replaceAll("-", "\u2212")} ${unit}`.trim();
  const share = (value) => Math.min(1, Math.max(0, (value - min) / (max - min)));
  bar.style.left = `${100 * share(low)}%`;
  bar.style.width = `${100 * (share(high) - share(low))}%`;
  // Words that are wider than their bar stay on the scale.
  const isNarrow = share(high) - share(low) < 0.4;
  bar.classList.toggle("late", isNarrow && share(low) + share(high) > 1);
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

function buildPresets(parent, presets, pick) {
  for (const [label, settings] of presets) {
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
function listenToStrokes(canvas, page, change) {
  const { tool, scales: scalesNow, past, settings, steps } = page;
  let last = null; // of the stroke that goes on
  let dropping = true;
  const { centre, reach } = page.learnt;
  const [lowest, highest] = [centre - 1.95 * reach, centre + 2 * reach]; // -2 would be the token
  const point = ({ offsetX, offsetY }) => ({
    time: Math.min(past() - 1, Math.max(0, scalesNow().timeAt(offsetX))),
    value: Math.min(highest, Math.max(lowest, scalesNow().valueAt(offsetY))),
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
