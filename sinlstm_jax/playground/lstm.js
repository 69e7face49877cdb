// The LSTM in float64: PyTorch's equations, gates in the order i, f, g, o.
// https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Lay a stage's weights out flat. Their decimals are the shortest that name a float32. */
function modelFrom({ cell, output }) {
  const exact = (values) => Float64Array.from(values.flat(), Math.fround);
  const size = cell.hidden_kernel.length;
  const rows = cell.hidden_kernel;
  const columns = rows[0].map((_, gate) => rows.map((row) => row[gate]));
  const inputBias = exact(cell.input_bias);
  return {
    size,
    inputKernel: exact(cell.input_kernel),
    hiddenKernel: exact(columns), // gate by gate, so that a step reads it from front to back
    bias: exact(cell.hidden_bias).map((bias, gate) => bias + inputBias[gate]),
    outputKernels: output.bias.map((_, k) => exact(output.kernel.map((row) => row[k]))),
    outputBias: exact(output.bias),
    measures: output.bias.length > 1, // its windows, and answers with a spread, too
  };
}

/** Advance by one step: changes hidden and cell, and what is put out. */
function step(model, gates, hidden, cell, input, outputs) {
  const { size, inputKernel, hiddenKernel, bias, outputKernels, outputBias } = model;
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
  for (let k = 0; k < outputs.length; k++) {
    outputs[k] = outputBias[k];
    for (let unit = 0; unit < size; unit++) outputs[k] += outputKernels[k][unit] * hidden[unit];
  }
}

/** Return mean and standard deviation of what is observed of inputs. */
function measured(inputs, noInput) {
  const observed = inputs.filter((value) => value !== noInput);
  if (observed.length === 0) return { level: 0, scale: 1 };
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const level = mean(observed);
  const variance = mean(observed.map((value) => (value - level) ** 2));
  return { level, scale: Math.max(Math.sqrt(variance), 2 ** -126) };
}

/**
 * Read inputs from a fresh start: predictions [time], hidden states [time * size], and of a model
 * that measures its windows the spreads of its predictions [time], else null.
 */
function rollout(model, inputs, noInput) {
  const { size, measures } = model;
  const { level, scale } = measures ? measured(inputs, noInput) : { level: 0, scale: 1 };
  const outputs = new Float64Array(measures ? 2 : 1);
  const spreads = measures ? new Float64Array(inputs.length) : null;
  const gates = new Float64Array(4 * size);
  const hidden = new Float64Array(size);
  const cell = new Float64Array(size);
  const predictions = new Float64Array(inputs.length);
  const states = new Float64Array(inputs.length * size);
  for (let time = 0; time < inputs.length; time++) {
    const input = inputs[time] === noInput ? noInput : (inputs[time] - level) / scale;
    step(model, gates, hidden, cell, input, outputs);
    predictions[time] = level + scale * outputs[0];
    if (measures) spreads[time] = scale * Math.exp(outputs[1]);
    states.set(hidden, time * size);
  }
  return { predictions, states, spreads };
}
