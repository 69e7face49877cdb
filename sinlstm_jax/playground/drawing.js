// Lines, marks and axes on canvases. What a line is can be told without its colour: by width,
// dots, dashes or marks.

const LABELS = "12px system-ui, sans-serif";
const MARGIN = { left: 44, right: 10, top: 20, bottom: 34 };

/** Return the page's colours as they are now, in light or in dark. */
function palette() {
  const style = getComputedStyle(document.documentElement);
  const names = ["paper", "band", "line", "ink", "muted", "truth", "prediction", "fit", "limit"];
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

/**
 * Return a range that holds all values, and the usual ones `least` times over; it does not jump
 * about with them.
 */
function rangeOf({ centre, reach }, series, least = 1.1) {
  let [lowest, highest] = [-least, least];
  for (const values of series) {
    for (const value of values) {
      const far = (value - centre) / reach;
      if (far < lowest) lowest = far;
      if (far > highest) highest = far;
    }
  }
  const span = Math.max(1, (highest - lowest) / 8);
  const outwards = (far) => (Math.ceil((4 * far) / span + 0.2) / 4) * span;
  return [centre - reach * outwards(-lowest), centre + reach * outwards(highest)];
}

/** Return the largest of 1, 2 and 5 times the powers of ten that is no more than a number. */
function roundBelow(number) {
  const power = Number(`1e${Math.floor(Math.log10(number))}`);
  return power * [5, 2, 1].find((times) => times * power <= number || times === 1);
}

/** Return two to five round ticks in units, where `mean + scale * value` is what is written. */
function unitTicks(at, { mean, scale }) {
  const [lowest, highest] = [at.bottom, at.top].map((y) => mean + scale * at.valueAt(y));
  const unit = roundBelow((highest - lowest) / 2);
  const first = Math.ceil(lowest / unit);
  const count = Math.floor(highest / unit) - first + 1;
  return Array.from({ length: count }, (_, n) =>
    tick((first + n) * unit, (shown) => (shown - mean) / scale),
  );
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
