// What is turned and pressed. Each control asks for a change of the settings, no more.

/** Return what can be turned: what is of the signal, and what is observed of it. */
function slidersOf(learnt, models) {
  const rate = models[0].signal.sampling_rate;
  const past = Math.max(...models.map((model) => model.past));
  const noise = Math.max(...models.map(({ observation }) => observation.noise[1]));
  const most = (learnt.mostPast ?? Math.max(400, 2 * past)) / rate;
  const least = Math.min(10, past) / rate;
  return [
    ...learnt.sliders.map((slider) => ({ ...slider, ofSignal: true })),
    {
      ...{ name: "noise", label: "Noise", min: 0, max: Math.max(0.5, 2 * noise), step: 0.01 },
      unit: learnt.noiseUnit,
    },
    { name: "dropped", label: "Dropped", unit: "%", min: 0, max: 100, step: 1 },
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

/** Return the band of a slider that training of a model drew from, or null. */
function trainedBand({ name, band, isUnit }, { observation, measures }, learnt) {
  const { noise, missing } = observation;
  if (name === "noise") return noise[1] > 0 ? noise : null;
  if (name === "dropped") return missing[1] > 0 ? missing.map((share) => 100 * share) : null;
  if (!band || (isUnit && learnt.isFixed && (measures || !learnt.isFree))) return null;
  return band;
}

/** Return the plain settings. */
function plainOf(learnt, models) {
  const past = Math.min(...models.map((model) => model.past));
  return {
    ...learnt.start,
    model: 0,
    source: learnt.source, // or "drawn"
    noise: 0,
    dropped: 0,
    seconds: past / models[0].signal.sampling_rate,
    horizon: Math.max(10, Math.min(500, learnt.known ?? Infinity)),
    droppedByHand: new Set(),
    drawn: null, // [step], NaN where nothing was drawn
    seed: 1,
    cursor: null,
    fit: false,
    limit: false,
  };
}

const element = (id) => document.getElementById(id);
const fromTemplate = (id) => element(id).content.firstElementChild.cloneNode(true);

/** Build the sliders, each with a field for exact values; returns what shows settings on them. */
function buildSliders(parent, sliders, source, change) {
  const shows = sliders.map((slider) => {
    const { name, label, unit, min, max, step, whole, ofSignal, digits = 9 } = slider;
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
    let value; // as it is shown
    // A drawn wave gives way to what is of the signal.
    const ask = (value) => change({ [name]: value, ...(ofSignal ? { source } : {}) });
    const show = (settings, band) => {
      value = +settings[name].toPrecision(digits);
      range.value = value;
      range.setAttribute("aria-valuetext", `${value} ${unit}`.trim());
      if (document.activeElement !== exact) exact.value = value;
      showBand(row.querySelector(".mark"), slider, band);
    };
    range.addEventListener("input", () => ask(range.valueAsNumber));
    exact.addEventListener("input", () => {
      const value = exact.valueAsNumber;
      if (value >= min && value <= max) ask(whole ? Math.round(value) : value);
    });
    exact.addEventListener("change", () => {
      const given = exact.valueAsNumber;
      if (Number.isNaN(given)) return void (exact.value = value); // emptied: as it was
      const inside = Math.min(max, Math.max(min, given));
      exact.value = whole ? Math.round(inside) : inside;
      ask(exact.valueAsNumber);
    });
    parent.append(row);
    return show;
  });
  return (settings, bands) => shows.forEach((show, index) => show(settings, bands[index]));
}

/** Mark on a slider's scale where training drew from; nothing if there is no band. */
function showBand(mark, { min, max, unit }, band) {
  mark.hidden = band === null;
  if (band === null) return;
  const [low, high] = band;
  const bar = mark.firstElementChild;
  const ends = (low === high ? [low] : [low, high]).map((end) => `${+end.toPrecision(4)}`);
  bar.textContent = `trained: ${ends.join(" to ").replaceAll("-", "\u2212")} ${unit}`.trim();
  const share = (value) => Math.min(1, Math.max(0, (value - min) / (max - min)));
  bar.style.left = `${100 * share(low)}%`;
  bar.style.width = `${100 * (share(high) - share(low))}%`;
  // Words that are wider than their bar stay on the scale.
  const isNarrow = share(high) - share(low) < 0.4;
  bar.classList.toggle("late", isNarrow && share(low) + share(high) > 1);
}

/** Build what is picked from a few; returns what shows settings on it. */
function buildChoices(parent, choices, source, change) {
  for (const { name, label, options } of choices) {
    const row = fromTemplate("choice");
    const select = row.querySelector("select");
    row.querySelector("label").textContent = label;
    row.querySelector("label").htmlFor = select.id = name;
    for (const [value, text] of Object.entries(options)) select.append(new Option(text, value));
    select.addEventListener("change", () => change({ [name]: select.value, source }));
    parent.prepend(row);
  }
  return (settings) => choices.forEach(({ name }) => (element(name).value = settings[name]));
}

/** Build the presets, in groups that have titles. */
function buildPresets(parent, groups, pick) {
  groups.forEach(({ title, presets }, index) => {
    const heading = document.createElement("h2");
    heading.id = `presets-${index}`;
    heading.textContent = title;
    const group = document.createElement("div");
    group.className = "buttons";
    group.setAttribute("role", "group");
    group.setAttribute("aria-labelledby", heading.id);
    for (const [label, changes] of presets) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.addEventListener("click", () => pick(changes));
      group.append(button);
    }
    parent.append(heading, group);
  });
}
