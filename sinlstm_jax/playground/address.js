// The view in the address, behind the #: the settings that differ from those at first.
// What can't be read there, or is out of range, is left as it is at first.

/** Return what is read and written by name: { read(text) or undefined, write(value) }. */
function fieldsOf(sliders, choices, models, steps) {
  const inside = (min, max, whole) => ({
    read: (text) => {
      const value = text.trim() === "" ? NaN : Number(text);
      return value >= min && value <= max ? (whole ? Math.round(value) : value) : undefined;
    },
    write: (value) => `${+value.toPrecision(9)}`,
  });
  const oneOf = (names) => ({
    read: (text) => (names.includes(text) ? text : undefined),
    write: (name) => name,
  });
  const flag = { read: (text) => ({ 0: false, 1: true })[text], write: Number };
  const fields = {
    ...Object.fromEntries(sliders.map((s) => [s.name, inside(s.min, s.max, s.whole)])),
    ...Object.fromEntries(choices.map((c) => [c.name, oneOf(Object.keys(c.options))])),
    seed: inside(0, 2 ** 32 - 1, true),
    cursor: inside(0, 1e5, true),
    ...Object.fromEntries(["fit", "limit"].map((name) => [name, flag])),
    droppedByHand: {
      read: (text) => stepsIn(text, steps),
      write: (steps) => rangesOf(steps),
    },
    drawn: {
      read: (text) => valuesIn(text, steps),
      write: (values) =>
        Array.from(values, (value) => (Number.isNaN(value) ? "" : +value.toPrecision(3)))
          .join(",")
          .replace(/,+$/, ""),
    },
  };
  if (models.length > 1) {
    const names = models.map(({ name }) => name);
    fields.model = {
      read: (text) => (names.includes(text) ? names.indexOf(text) : undefined),
      write: (model) => names[model],
    };
  }
  return fields;
}

/** Return steps as ranges, "3-5,9". */
function rangesOf(steps) {
  const ranges = [];
  for (const step of [...steps].sort((a, b) => a - b)) {
    if (ranges.length && ranges.at(-1)[1] === step - 1) ranges.at(-1)[1] = step;
    else ranges.push([step, step]);
  }
  return ranges.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(",");
}

function stepsIn(text, steps) {
  const ranges = text.split(",").filter(Boolean);
  const read = ranges.map((range) => /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(range));
  if (read.includes(null)) return undefined;
  const ends = read.map(([, first, last = first]) => [+first, Math.min(+last, steps - 1)]);
  return new Set(ends.flatMap(([first, last]) => [...stepsFrom(first, Math.max(first, last + 1))]));
}

function valuesIn(text, steps) {
  const given = text.split(",").map((value) => (value === "" ? NaN : Number(value)));
  const drawn = new Float64Array(steps).fill(NaN);
  if (given.length > steps || given.some((value) => Math.abs(value) > 1e6)) return undefined;
  drawn.set(given);
  return drawn.every(Number.isNaN) ? undefined : drawn;
}

/** Return the address of settings, "" for those at first. */
function hashOf(settings, start, fields, stages) {
  const parts = Object.entries(fields)
    .filter(([name]) => settings[name] !== null && settings[name] !== undefined)
    .filter(([name]) => name !== "drawn" || settings.source === "drawn")
    .map(([name, { write }]) => [name, `${write(settings[name])}`, start[name], write])
    .filter(([, text, first, write]) => first === null || text !== `${write(first)}`)
    .map(([name, text]) => `${name}=${text}`);
  const { stage } = settings;
  if (stage !== stages(settings.model) - 1) parts.push(`stage=${stage + 1}`);
  return parts.length ? `#${parts.join("&")}` : "";
}

/** Return the settings that an address tells, of any text. */
function settingsOf(hash, start, fields, stages) {
  const settings = { ...start };
  const given = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  for (const [name, { read }] of Object.entries(fields)) {
    const value = given.has(name) ? read(given.get(name)) : undefined;
    if (value !== undefined) settings[name] = value;
  }
  if (settings.drawn) settings.source = "drawn";
  const stage = Number(given.get("stage"));
  const count = stages(settings.model);
  settings.stage = Number.isInteger(stage) && stage >= 1 && stage <= count ? stage - 1 : count - 1;
  return settings;
}
