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
  const Floats readout = numbers(r * hidden), readout_bias = numbers(r);
  Floats hidden_last(carry), cell_last(carry), hidden_all(carry * steps);
  Floats saved(r * batch * steps * SAVED * n.padded()), predictions(r * steps * batch);
  const Floats d_hidden = numbers(carry * steps), d_last = numbers(carry);
  Floats d_inputs(x.size()), d_input_kernel(input_kernel.size()), d_bias(bias.size());
  Floats d_hidden_kernel(hidden_kernel.size()), d_hidden0(carry), d_cell0(carry);
  const int64_t floats = n.rows() * n.gate_floats();
  Floats partial(r * n.blocks() * floats);
  const Forward forward{n, x.data(), input_kernel.data(), hidden_kernel.data(), bias.data(),
                        hidden0.data(), cell0.data(), steps, nullptr, nullptr, hidden_last.data(),
                        cell_last.data(), hidden_all.data(), saved.data(), nullptr};
  const Forward predict{n, x.data(), input_kernel.data(), hidden_kernel.data(), bias.data(),
                        hidden0.data(), cell0.data(), steps, readout.data(), readout_bias.data(),
                        hidden_last.data(), cell_last.data(), nullptr, nullptr,
                        predictions.data()};
  const Backward backward{n, x.data(), input_kernel.data(), hidden_kernel.data(), bias.data(),
                          hidden0.data(), cell0.data(), hidden_all.data(), saved.data(),
                          d_hidden.data(), d_last.data(), d_last.data(), d_inputs.data(),
                          d_input_kernel.data(), d_hidden_kernel.data(), d_bias.data(),
                          d_hidden0.data(), d_cell0.data(), partial.data()};
  for (int64_t item = 0; item < r * n.blocks(); ++item) {
    const int64_t replicate = item / n.blocks(), block = item % n.blocks();
    const int64_t start = n.block_start(block), count = n.block_start(block + 1) - start;
    forward_block<true>(forward, replicate, start, count);
    forward_block<false>(predict, replicate, start, count);
    backward_block(backward, replicate, start, count, partial.data() + item * floats);
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
  std::puts("nothing was touched that should not be");
}
