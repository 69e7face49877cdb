// The charts of the page, each drawn on a canvas of its own; most return their scales.

const LANE = 26; // of the tokens, below what is fed

/** Draw the observed wave, the truth if there is one, and what the network makes of it. */
function drawForecast(canvas, shown, { horizon, samplingRate, scaling, learnt, cursor }, colours) {
  const { observed, truth, predictions, fit, limit } = shown;
  const chart = clear(canvas);
  const [past, steps] = [observed.length, predictions.length];
  const limits = bandOf(shown);
  const ahead = limits.map((limit) => limit.subarray(past));
  const at = scales(chart, steps, rangeOf(learnt, [predictions, observed, truth ?? [], ...ahead]));
  band(chart, at, past, colours);
  valueAxis(chart, at, unitTicks(at, scaling), colours);
  timeAxis(chart, at, steps, samplingRate, colours);
  if (horizon !== null && horizon < steps - past) {
    const end = past + horizon - 0.5;
    vertical(chart, at, end, { colour: colours.muted, dash: [2, 4] });
    const words = `trained to ${horizon} steps`;
    const fits = at.x(end) + chart.context.measureText(words).width + 4 < at.right;
    const [gap, align] = fits ? [4, "left"] : [-4, "right"];
    text(chart, words, at.x(end) + gap, at.top - 10, colours.muted, align);
  }
  if (limits.length) shadeBand(chart, at, limits, past, colours.prediction);
  if (truth) {
    if (!limits.length) between(chart, at, predictions, truth, past - 1, colours.prediction);
    const [width, gap] = at.across > 0.5 ? [3, 6] : [1.5, 4]; // finer where cycles are close
    line(chart, at, truth, { first: past - 1, colour: colours.truth, width, dash: [0.1, gap] });
  }
  line(chart, at, observed, { colour: colours.ink, width: 4 });
  dots(chart, at, observed, colours.ink);
  const beside = { first: past, width: 1.5 };
  if (fit) line(chart, at, fit, { ...beside, colour: colours.fit, dash: [7, 4] });
  if (limit) line(chart, at, limit, { ...beside, colour: colours.limit, dash: [12, 3, 2, 3] });
  line(chart, at, predictions, { last: past, colour: colours.prediction, width: 1.25 });
  line(chart, at, predictions, { first: past - 1, colour: colours.prediction });
  if (cursor === null) return at;
  vertical(chart, at, cursor, { colour: colours.ink });
  circle(chart, at.x(cursor), at.y(predictions[cursor]), 5, colours.prediction);
  if (truth && !Number.isNaN(truth[cursor])) {
    chart.context.fillStyle = colours.truth;
    chart.context.fillRect(at.x(cursor) - 4, at.y(truth[cursor]) - 4, 8, 8);
  }
  return at;
}

/** Draw samples that have no neighbours: no line shows them. */
function dots(chart, at, values, colour) {
  const isLost = (time) => !(values[time] === values[time]); // NaN, or beyond the ends
  for (let time = 0; time < values.length; time++) {
    if (isLost(time) || !isLost(time - 1) || !isLost(time + 1)) continue;
    circle(chart, at.x(time), at.y(values[time]), 2, colour);
  }
}

/** Draw the samples, tokens where there is none, and a few that follow; `guide` is the wave. */
function drawFed(canvas, shown, { guide, noInput, samplingRate, scaling, learnt, cursor }, colours) {
  const { observed, inputs, past } = shown;
  const chart = clear(canvas);
  const steps = past + Math.max(4, Math.round(past / 8));
  const margin = { ...MARGIN, bottom: MARGIN.bottom + LANE };
  const at = scales(chart, steps, rangeOf(learnt, [observed, guide ?? []], 2), margin);
  const whole = { ...at, bottom: at.bottom + LANE };
  band(chart, whole, past, colours);
  valueAxis(chart, at, unitTicks(at, scaling), colours);
  timeAxis(chart, whole, steps, samplingRate, colours);
  if (guide) line(chart, at, guide, { last: past, colour: colours.truth, dash: [0.1, 5] });
  line(chart, at, observed, { colour: colours.ink, width: 1.5 });
  const radius = Math.min(3, Math.max(1.5, at.across / 2.5));
  for (let time = 0; time < steps; time++) {
    if (inputs[time] === noInput) {
      token(chart, at.x(time), whole.bottom - 8, colours.prediction, time < past);
    } else circle(chart, at.x(time), at.y(observed[time]), radius, colours.ink);
  }
  text(chart, "no input", at.left + 4, at.bottom + 6, colours.muted);
  if (cursor !== null && cursor < past) vertical(chart, whole, cursor, { colour: colours.ink });
  return at;
}

/** Draw each hidden state in a row of its own, on the forecast's time axis. */
function drawStates(canvas, states, size, past, { samplingRate, cursor }, colours) {
  const chart = clear(canvas);
  const steps = states.length / size;
  const whole = scales(chart, steps, [0, size]);
  band(chart, whole, past, colours);
  const row = (whole.bottom - whole.top) / size;
  const largest = states.reduce((most, value) => Math.max(most, Math.abs(value)), 0.1);
  const spacing = Math.ceil(16 * largest) / 10; // traces may reach into the next row
  for (let unit = 0; unit < size; unit++) {
    const top = whole.top + unit * row;
    const at = { ...whole, y: (value) => top + row * (0.5 - value / spacing) };
    const values = Float64Array.from({ length: steps }, (_, time) => states[time * size + unit]);
    horizontal(chart, at, 0, colours.line);
    line(chart, at, values, { colour: colours.ink, width: 1.25 });
    if (row < 14 && (unit + 1) % 4) continue; // no room for every number
    text(chart, `${unit + 1}`, whole.left - 8, at.y(0), colours.muted, "right");
  }
  text(chart, "unit", 0, 8, colours.muted);
  text(chart, `from line to line: ${spacing}`, whole.right, 8, colours.muted, "right");
  timeAxis(chart, whole, steps, samplingRate, colours);
  if (cursor !== null) vertical(chart, whole, cursor, { colour: colours.ink });
  return whole;
}

/** Draw a whole forecast small: the shape, no figures. */
function drawSmall(canvas, { predictions, truth, past }, learnt, colours) {
  const chart = clear(canvas);
  const margin = { left: 0, right: 0, top: 4, bottom: 4 };
  const range = rangeOf(learnt, [predictions, truth ?? []]);
  const at = scales(chart, predictions.length, range, margin);
  band(chart, at, past, colours);
  const isDense = at.across < 0.15; // where cycles are close, dots would close up
  const width = isDense ? 0.75 : 1.25;
  const dash = isDense ? [] : [0.1, 3];
  if (truth) line(chart, at, truth, { first: past, colour: colours.truth, width: 1.5, dash });
  line(chart, at, predictions, { colour: colours.prediction, width });
}
