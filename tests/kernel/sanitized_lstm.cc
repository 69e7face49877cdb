// Runs the kernel on arrays of exactly the sizes it is promised, for a compiler's sanitizers.

#include "lstm.cc"

#include <cstdio>
#include <vector>

namespace {

using Floats = std::vector<float>;

Floats numbers(int64_t count) {
  Floats values(count);
  for (float& value : values) value = std::rand() / static_cast<float>(RAND_MAX) - 0.5f;
  return values;
}

void run(int64_t steps, int64_t batch, int inputs, int hidden) {
  const Sizes n{2, steps, batch, inputs, hidden};
  const int64_t gates = GATES * hidden, r = n.replicates, carry = r * batch * hidden;
  const Floats x = numbers(r * steps * batch * inputs), input_kernel = numbers(r * inputs * gates);
  const Floats hidden_kernel = numbers(r * hidden * gates), bias = numbers(r * gates);
  const Floats hidden0 = numbers(carry), cell0 = numbers(carry);
  const int64_t outputs = 1 + batch % 3;
  const Floats readout = numbers(r * outputs * hidden), readout_bias = numbers(r * outputs);
  Floats hidden_last(carry), cell_last(carry), hidden_all(carry * steps);
  Floats saved(r * batch * steps * SAVED * n.padded()), predictions(r * steps * batch * outputs);
  Floats checkpoints(r * batch * n.chunks() * n.padded());
  const Floats d_hidden = numbers(carry * steps), d_last = numbers(carry);
  Floats d_inputs(x.size()), d_input_kernel(input_kernel.size()), d_bias(bias.size());
  Floats d_hidden_kernel(hidden_kernel.size()), d_hidden0(carry), d_cell0(carry);
  Floats partial(r * n.blocks() * n.weights());
  const Weights weights{input_kernel.data(), hidden_kernel.data(), bias.data()};
  Floats packed_forward(r * n.weights()), packed_backward(r * n.backward_weights());
  for (int64_t replicate = 0; replicate < r; ++replicate) {
    pack_forward(n, weights, replicate, packed_forward.data() + replicate * n.weights());
    pack_backward(n, weights, replicate, packed_backward.data() + replicate * n.backward_weights());
  }

  Forward whole{};
  whole.n = n;
  whole.inputs = x.data();
  whole.hidden0 = hidden0.data();
  whole.cell0 = cell0.data();
  whole.input_steps = steps;
  whole.hidden_last = hidden_last.data();
  whole.cell_last = cell_last.data();
  Forward predict = whole, checkpointed;
  predict.outputs = outputs;
  predict.readout_kernel = readout.data();
  predict.readout_bias = readout_bias.data();
  predict.predictions = predictions.data();
  whole.hidden_all = hidden_all.data();
  checkpointed = whole;
  whole.saved = saved.data();
  checkpointed.checkpoints = checkpoints.data();

  Backward backward{};
  backward.n = n;
  backward.inputs = x.data();
  backward.hidden0 = hidden0.data();
  backward.cell0 = cell0.data();
  backward.hidden_all = hidden_all.data();
  backward.saved = saved.data();
  backward.d_hidden_all = d_hidden.data();
  backward.d_hidden_last = d_last.data();
  backward.d_cell_last = d_last.data();
  backward.d_inputs = d_inputs.data();
  backward.d_input_kernel = d_input_kernel.data();
  backward.d_hidden_kernel = d_hidden_kernel.data();
  backward.d_bias = d_bias.data();
  backward.d_hidden0 = d_hidden0.data();
  backward.d_cell0 = d_cell0.data();
  backward.partial = partial.data();
  Backward repeating = backward;
  repeating.saved = nullptr;
  repeating.checkpoints = checkpoints.data();

  for (int64_t item = 0; item < r * n.blocks(); ++item) {
    const int64_t replicate = item / n.blocks(), block = item % n.blocks();
    const int64_t start = n.block_start(block), count = n.block_start(block + 1) - start;
    const float* forward_weights = packed_forward.data() + replicate * n.weights();
    const float* weights = packed_backward.data() + replicate * n.backward_weights();
    for (const Forward& forward : {whole, checkpointed, predict}) {
      forward_block(forward, forward_weights, replicate, start, count);
    }
    for (const Backward& a : {backward, repeating}) {
      backward_block(a, weights, forward_weights, replicate, start, count,
                     partial.data() + item * n.weights());
    }
  }
  for (int64_t replicate = 0; replicate < r; ++replicate) {
    reduce_weight_gradients(backward, replicate);
  }
}

}  // namespace

int main() {
  for (int hidden : {1, 2, 4, 7, 8, 9, 15, 16, 17, 31, 33, 48, 63, 64}) {
    for (int inputs : {1, 2, 5, 16, 64}) {
      for (int64_t batch : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 21, 23}) {
        for (int64_t steps : {0, 1, 2, 7, 8, 9, 17}) run(steps, batch, inputs, hidden);
      }
    }
  }
  for (int hidden : {65, 80, 130, 200, 256}) {
    for (int64_t batch : {1, 5, 13, 41}) {
      for (int64_t steps : {1, 9}) run(steps, batch, hidden == 80 ? 40 : 1, hidden);
    }
  }
  std::puts("nothing was touched that should not be");
}
