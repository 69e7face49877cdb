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
    outputKernel: exact(output.kernel),
    outputBias: exact(output.bias)[0],
  };
}

/** Advance by one step: changes hidden and cell, returns the prediction. */
function step(model, gates, hidden, cell, input) {
  const { size, inputKernel, hiddenKernel, bias, outputKernel } = model;
  for (let gate = 0, at = 0; gate < 4 * size; gate++) {
    let sum = bias[gate] + input * inputKernel[gate];
    for (let unit = 0; unit < size; unit++) sum += hiddenKernel[at++] * hidden[unit];
    gates[gate] = sum;
  }
  let prediction = model.outputBias;
  for (let unit = 0; unit < size; unit++) {
    const kept = sigmoid(gates[size + unit]) * cell[unit];
    cell[unit] = kept + sigmoid(gates[unit]) * Math.tanh(gates[2 * size + unit]);
    hidden[unit] = sigmoid(gates[3 * size + unit]) * Math.tanh(cell[unit]);
    prediction += outputKernel[unit] * hidden[unit];
  }
  return prediction;
}

/** Read inputs from a fresh start: predictions [time], hidden states [time * size]. */
function rollout(model, inputs) {
  const { size } = model;
  const gates = new Float64Array(4 * size);
  const hidden = new Float64Array(size);
  const cell = new Float64Array(size);
  const predictions = new Float64Array(inputs.length);
  const states = new Float64Array(inputs.length * size);
  for (let time = 0; time < inputs.length; time++) {
    predictions[time] = step(model, gates, hidden, cell, inputs[time]);
    states.set(hidden, time * size);
  }
  return { predictions, states };
}
