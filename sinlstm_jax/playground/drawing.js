// Charts on canvases. What a line is can be told without its colour: by width, dots or marks.

const LABELS = "12px system-ui, sans-serif";
const MARGIN = { left: 44, right: 10, top: 20, bottom: 34 };

/** Return the page's colours as they are now, in light or in dark. */
function palette() {
  const style = getComputedStyle(document.documentElement);
  const names = ["paper", "band", "line", "ink", "muted", "truth", "prediction"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`)]));
}

/** Clear a canvas for the pixels there are: its context, and its size in CSS pixels. */
function clear(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across) canvas.width = across;
  if (canvas.height !== down) canvas.height = down;
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = LABELS;
  context.lineJoin = "round";
  return { context, width, height };
}

/** Return where steps and values are on a chart, and which are where; the margins as in MARGIN. */
function scales({ width, height }, steps, [lowest, highest], margin = MARGIN) {
  const [left, right] = [margin.left, width - margin.right];
  const [top, bottom] = [margin.top, height - margin.bottom];
  const across = (right - left) / (steps - 1);
  const down = (bottom - top) / (highest - lowest);
  return {
    ...{ left, right, top, bottom, across },
    x: (time) => left + time * across,
    y: (value) => bottom - (value - lowest) * down,
    timeAt: (x) => Math.round((x - left) / across),
    valueAt: (y) => lowest + (bottom - y) / down,
  };
}

/** Return a range around the usual that holds all values, and does not jump about with them. */
function rangeOf({ centre, reach }, ...series) {
  let highest = 1.1;
  for (const values of series) {
    for (const value of values) {
      highest = Math.max(highest, Math.abs((value - centre) / reach) || 0);
    }
  }
  highest = highest > 1.1 ? Math.ceil(highest * 4 + 0.2) / 4 : 1.25;
  return [centre - reach * highest, centre + reach * highest];
}

/** Return the largest of 1, 2 and 5 times the powers of ten that is no more than a number. */
function roundBelow(number) {
  const power = Number(`1e${Math.floor(Math.log10(number))}`);
  return power * [5, 2, 1].find((times) => times * power <= number || times === 1);
}

/** Return ticks in units: one in the middle, one above and one below; far out if there is room. */
function unitTicks(at, { centre, reach }, { mean, scale }) {
  const unit = roundBelow(scale * reach);
  const middle = Math.round((mean + scale * centre) / unit);
  const whole = Math.floor((mean + scale * at.valueAt(at.top)) / unit - middle);
  const far = whole > 3 ? whole : 1;
  return [-far, 0, far].map((n) => tick((middle + n) * unit, (shown) => (shown - mean) / scale));
}

/** Return a tick: its place, and what it says. */
function tick(value, placeOf = (shown) => shown) {
  const shown = +value.toPrecision(12);
  const short = shown === 0 || (Math.abs(shown) >= 1e-3 && Math.abs(shown) < 1e5);
  const words = short ? `${shown}` : shown.toExponential();
  return { place: placeOf(shown), words: words.replace("-", "\u2212") };
}

/** Draw values from step `first` to before `last`; NaN leaves a gap. */
function line({ context }, at, values, style) {
  const { first = 0, last = values.length, colour, width = 2, dash = [] } = style;
  context.beginPath();
  let pen = "moveTo";
  for (let time = first; time < last; time++) {
    if (Number.isNaN(values[time])) {
      pen = "moveTo";
      continue;
    }
    context[pen](at.x(time), at.y(values[time]));
    pen = "lineTo";
  }
  const lineCap = dash.length ? "round" : "butt";
  Object.assign(context, { strokeStyle: colour, lineWidth: width, lineCap });
  context.setLineDash(dash);
  context.stroke();
  context.setLineDash([]);
}

function vertical({ context }, at, time, { colour, dash = [], width = 1 }) {
  context.beginPath();
  context.moveTo(at.x(time), at.top);
  context.lineTo(at.x(time), at.bottom);
  Object.assign(context, { strokeStyle: colour, lineWidth: width, lineCap: "butt" });
  context.setLineDash(dash);
  context.stroke();
  context.setLineDash([]);
}

function horizontal({ context }, at, value, colour) {
  context.beginPath();
  context.moveTo(at.left, at.y(value));
  context.lineTo(at.right, at.y(value));
  Object.assign(context, { strokeStyle: colour, lineWidth: 1 });
  context.stroke();
}

function text({ context }, words, x, y, colour, align = "left") {
  Object.assign(context, { fillStyle: colour, textAlign: align, textBaseline: "middle" });
  context.fillText(words, x, y);
}

/** Draw a triangle that stands on its tip: the mark of the token. */
function token({ context }, x, y, colour, filled) {
  context.beginPath();
  context.moveTo(x - 3.5, y - 5);
  context.lineTo(x + 3.5, y - 5);
  context.lineTo(x, y + 2);
  context.closePath();
  Object.assign(context, { fillStyle: colour, strokeStyle: colour, lineWidth: 1 });
  filled ? context.fill() : context.stroke();
}

/** Draw the time axis in seconds, with as many ticks as there is room for. */
function timeAxis(chart, at, steps, samplingRate, colours) {
  const widest = chart.context.measureText(`${Math.round(steps / samplingRate)}`).width;
  const least = Math.max(2, Math.max(44, widest + 14) / at.across) / samplingRate;
  const power = Number(`1e${Math.floor(Math.log10(least))}`);
  const every = power * [1, 2, 5, 10].find((times) => times * power >= least * (1 - 1e-9));
  for (let tick = 0; tick * every * samplingRate <= steps - 1; tick++) {
    const words = `${+(tick * every).toPrecision(6)}`;
    const last = chart.width - chart.context.measureText(words).width / 2; // where it still fits
    const x = Math.min(at.x(tick * every * samplingRate), last);
    text(chart, words, x, at.bottom + 10, colours.muted, "center");
  }
  text(chart, "time (s)", at.right, at.bottom + 25, colours.muted, "right");
}

function valueAxis(chart, at, ticks, colours) {
  const taken = []; // the first come, and there is no room for others that close
  for (const { place, words } of ticks) {
    const y = at.y(place);
    if (y < at.top - 1 || y > at.bottom + 1) continue;
    if (taken.some((other) => Math.abs(y - other) < 14)) continue;
    taken.push(y);
    horizontal(chart, at, place, colours.line);
    text(chart, words, at.left - 8, y, colours.muted, "right");
  }
  text(chart, "signal", 0, 8, colours.muted);
}

/** Shade what was observed. */
function band({ context }, at, past, colours) {
  context.fillStyle = colours.band;
  context.fillRect(at.left, at.top, at.x(past - 0.5) - at.left, at.bottom - at.top);
}

/** Shade what lies between forecast and truth, where it is known. */
function between({ context }, at, predictions, truth, first, colour) {
  context.beginPath();
  for (let begin = first, end; begin < truth.length; begin = end + 1) {
    for (end = begin; end < truth.length && !Number.isNaN(truth[end]);) end++;
    if (end === begin) continue;
    context.moveTo(at.x(begin), at.y(truth[begin]));
    for (let time = begin; time < end; time++) context.lineTo(at.x(time), at.y(truth[time]));
    for (let time = end; --time >= begin;) context.lineTo(at.x(time), at.y(predictions[time]));
  }
  Object.assign(context, { fillStyle: colour, globalAlpha: 0.12 });
  context.fill();
  context.globalAlpha = 1;
}

/** Shade the band around predictions that holds BAND of what comes, from step `first` on. */
function shadeBand({ context }, at, [low, high], first, colour) {
  context.beginPath();
  context.moveTo(at.x(first), at.y(low[first]));
  for (let time = first; time < low.length; time++) context.lineTo(at.x(time), at.y(low[time]));
  for (let time = low.length; --time >= first;) context.lineTo(at.x(time), at.y(high[time]));
  Object.assign(context, { fillStyle: colour, globalAlpha: 0.18 });
  context.fill();
  context.globalAlpha = 1;
}

function circle({ context }, x, y, radius, colour) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}

/** Draw the observed wave, the truth if there is one, and what the network makes of it. */
function drawForecast(canvas, shown, { horizon, samplingRate, scaling, learnt, cursor }, colours) {
  const { observed, truth, predictions } = shown;
  const chart = clear(canvas);
  const [past, steps] = [observed.length, predictions.length];
  const limits = bandOf(shown);
  const at = scales(chart, steps, rangeOf(learnt, predictions, observed, truth ?? [], ...limits));
  band(chart, at, past, colours);
  valueAxis(chart, at, unitTicks(at, learnt, scaling), colours);
  timeAxis(chart, at, steps, samplingRate, colours);
  if (horizon !== null && horizon < steps - past) {
    const end = past + horizon - 0.5;
    vertical(chart, at, end, { colour: colours.muted, dash: [2, 4] });
    const words = `trained to ${horizon} steps`;
    const fits = at.x(end) + chart.context.measureText(words).width + 4 < at.right;
    const [gap, align] = fits ? [4, "left"] : [-4, "right"];
    text(chart, words, at.x(end) + gap, at.top - 10, colours.muted, align);
  }
  if (limits.length) {
    shadeBand(chart, at, limits, past, colours.prediction);
    text(chart, `shaded: ${BAND_IN_WORDS}`, at.left + 60, 8, colours.muted);
  }
  if (truth) {
    if (!limits.length) between(chart, at, predictions, truth, past - 1, colours.prediction);
    const [width, gap] = at.across > 0.5 ? [3, 6] : [1.5, 4]; // finer where cycles are close
    line(chart, at, truth, { first: past - 1, colour: colours.truth, width, dash: [0.1, gap] });
  }
  line(chart, at, observed, { colour: colours.ink, width: 4 });
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

/** Draw the numbers fed, and a few of the tokens that follow; `guide` is the wave behind them. */
function drawFed(canvas, inputs, past, { guide, noInput, samplingRate, learnt }, colours) {
  const chart = clear(canvas);
  const steps = past + Math.max(4, Math.round(past / 8));
  const { centre, reach } = learnt;
  const lowest = Math.min(noInput, centre - 2 * reach) - 0.4 * reach;
  const at = scales(chart, steps, [lowest, Math.max(centre + 2.2 * reach, noInput + reach)]);
  band(chart, at, past, colours);
  const unit = roundBelow(1.1 * reach);
  const middle = Math.round(centre / unit);
  const ticks = [0, -1, 1, -2, 2].map((n) => tick((middle + n) * unit));
  valueAxis(chart, at, [tick(noInput), ...ticks], colours);
  timeAxis(chart, at, steps, samplingRate, colours);
  if (guide) line(chart, at, guide, { last: past, colour: colours.truth, dash: [0.1, 5] });
  const samples = inputs.subarray(0, past).map((value) => (value === noInput ? NaN : value));
  line(chart, at, samples, { colour: colours.ink, width: 1.5 });
  const radius = Math.min(3, Math.max(1.5, at.across / 2.5));
  for (let time = 0; time < steps; time++) {
    const fed = time < past ? inputs[time] : noInput;
    if (fed === noInput) token(chart, at.x(time), at.y(noInput), colours.prediction, time < past);
    else circle(chart, at.x(time), at.y(fed), radius, colours.ink);
  }
  text(chart, "no input", at.left + 4, at.y(noInput) - 14, colours.muted);
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
    text(chart, `${unit + 1}`, whole.left - 8, at.y(0), colours.muted, "right");
  }
  text(chart, "unit", 0, 8, colours.muted);
  text(chart, `from line to line: ${spacing}`, whole.right, 8, colours.muted, "right");
  timeAxis(chart, whole, steps, samplingRate, colours);
  if (cursor !== null) vertical(chart, whole, cursor, { colour: colours.ink });
  return whole;
}

/** Draw a stage's forecast small: the shape, no figures. */
function drawSmall(canvas, { predictions, truth }, past, steps, learnt, colours) {
  const chart = clear(canvas);
  const last = Math.min(predictions.length, past + steps);
  const margin = { left: 0, right: 0, top: 4, bottom: 4 };
  const at = scales(chart, last, rangeOf(learnt, predictions.subarray(0, last)), margin);
  band(chart, at, past, colours);
  const dotted = { first: past, last, colour: colours.truth, width: 1.5, dash: [0.1, 3] };
  if (truth) line(chart, at, truth, dotted);
  line(chart, at, predictions, { last, colour: colours.prediction, width: 1.25 });
}
