// The LSTM in float64: PyTorch's equations, gates in the order i, f, g, o.
// https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Return the float32s that a base64 text holds, little-endian. */
function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** Return a matrix of so many columns, laid out row by row, column by column. */
function transposed(values, columns) {
  const rows = values.length / columns;
  return values.map((_, at) => values[(at % rows) * columns + Math.floor(at / rows)]);
}

/** Read a stage's weights. */
function modelFrom({ cell, output }) {
  const rows = decoded(cell.hidden_kernel); // [size, 4 * size]
  const size = Math.sqrt(rows.length / 4);
  const inputBias = decoded(cell.input_bias);
  const outputBias = decoded(output.bias);
  return {
    size,
    inputKernel: decoded(cell.input_kernel),
    hiddenKernel: transposed(rows, 4 * size), // gate by gate: a step reads it front to back
    bias: decoded(cell.hidden_bias).map((bias, gate) => bias + inputBias[gate]),
    outputKernel: transposed(decoded(output.kernel), outputBias.length),
    outputBias,
    measures: outputBias.length > 1, // its windows, and answers with a spread, too
  };
}

/** Advance by one step: changes hidden and cell, and what is put out. */
function step(model, gates, hidden, cell, input, outputs) {
  const { size, inputKernel, hiddenKernel, bias, outputKernel, outputBias } = model;
  for (let gate = 0, at = 0; gate < 4 * size; gate++) {
    let sum = bias[gate] + input * inputKernel[gate];
    for (let unit = 0; unit < size; unit++) sum += hiddenKernel[at++] * hidden[unit];
    gates[gate] = sum;
  }
  for (let unit = 0; unit < size; unit++) {
    const kept = sigmoid(gates[size + unit]) * cell[unit];
    cell[unit] = kept + sigmoid(gates[unit]) * Math.tanh(gates[2 * size + unit]);
    hidden[unit] = sigmoid(gates[3 * size + unit]) * Math.tanh(cell[unit]);
  }
  for (let k = 0, at = 0; k < outputs.length; k++) {
    outputs[k] = outputBias[k];
    for (let unit = 0; unit < size; unit++) outputs[k] += outputKernel[at++] * hidden[unit];
  }
}

/**
 * Return mean and standard deviation of what is observed, and its noise: NaN where nothing is, and
 * of a single sample the noise, and so the spread, for it tells no scale.
 */
function measured(observed) {
  const values = observed.filter((value) => !Number.isNaN(value));
  if (values.length === 0) return { level: NaN, scale: NaN, noise: NaN };
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const near = mean(values);
  const level = near + mean(values.map((value) => value - near)); // what rounding left of it
  const variance = mean(values.map((value) => (value - level) ** 2));
  const scale = Math.max(Math.sqrt(variance), 2 ** -126);
  return { level, scale, noise: values.length > 1 ? noiseOf(observed, level, scale) : NaN };
}

const POINTS = 5;
const UNKNOWN_NOISE = 0.1; // of the scale

/** Return the noise on samples, of their scale, as window.py does: by divided differences. */
function noiseOf(observed, level, scale) {
  const times = [...observed.keys()].filter((time) => !Number.isNaN(observed[time]));
  let [squares, total] = [0, 0];
  for (let first = 0; first + POINTS <= times.length; first++) {
    const near = times.slice(first, first + POINTS);
    const weights = near.map((time) =>
      near.reduce((weight, other) => (other === time ? weight : weight / (time - other)), 1),
    );
    const sum = (terms) => terms.reduce((sum, term) => sum + term, 0);
    const left = sum(weights.map((weight, i) => (weight * (observed[near[i]] - level)) / scale));
    const counts = ((POINTS - 1) / (near[POINTS - 1] - near[0])) ** 4;
    squares += (counts * left ** 2) / sum(weights.map((weight) => weight ** 2));
    total += counts;
  }
  return total > 0 ? Math.sqrt(Math.max(squares / total, 1e-12)) : UNKNOWN_NOISE;
}

/** Return what a network is fed: the token stands for what is not observed, and for the future. */
function feed(observed, horizon, { level, scale }, noInput) {
  const inputs = new Float64Array(observed.length + horizon).fill(noInput);
  observed.forEach((value, time) => {
    if (!Number.isNaN(value)) inputs[time] = (value - level) / scale;
  });
  return inputs;
}

/**
 * Continue what is observed, from a fresh start: inputs and predictions [time], hidden states
 * [time * size], and of a model that measures its windows the spreads [time], else null.
 */
function rollout(model, observed, horizon, noInput) {
  const { size, measures, outputBias } = model;
  const window = measures ? measured(observed) : { level: 0, scale: 1, noise: 0 };
  const inputs = feed(observed, horizon, window, noInput);
  const outputs = new Float64Array(outputBias.length);
  const spreads = measures ? new Float64Array(inputs.length) : null;
  const gates = new Float64Array(4 * size);
  const hidden = new Float64Array(size);
  const cell = new Float64Array(size);
  const predictions = new Float64Array(inputs.length);
  const states = new Float64Array(inputs.length * size);
  for (let time = 0; time < inputs.length; time++) {
    step(model, gates, hidden, cell, inputs[time], outputs);
    predictions[time] = window.level + window.scale * outputs[0];
    if (measures) {
      spreads[time] =
        window.scale * Math.hypot(Math.exp(outputs[1]), window.noise * Math.exp(outputs[2]));
    }
    states.set(hidden, time * size);
  }
  return { inputs, predictions, states, spreads };
}
