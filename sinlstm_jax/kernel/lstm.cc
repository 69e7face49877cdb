// A fused LSTM layer for CPU, as XLA FFI handlers: forward, backward, and forward with readout.
//
// Equations and gate order (i, f, g, o) are those of sinlstm_jax/lstm.py, which is the definition.
// Arrays are float32, row-major, all with a leading replicate axis:
//
//   inputs [R, T, B, I]   input_kernel [R, I, 4H]   hidden_kernel [R, H, 4H]   bias [R, 4H]
//   hidden and cell of a carry [R, B, H]
//
// The hidden units lie in the lanes of vectors, padded to a multiple of PADDING. A few series (a
// group) take a step together, with the gates of all of them in registers. The groups of a block
// go through time side by side, so that one group's long chain of activations overlaps with the
// next one's products. A work item is one block of one replicate. Items share nothing, and the
// weight gradients of a replicate's blocks are added in a fixed order: the number of threads
// changes no bit.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

#include "vectors.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

// ---- sizes, scratch memory, threads ------------------------------------------------------------

constexpr int BLOCK = 10;      // series that go through time side by side, at the most; and where
constexpr int WIDE_BLOCK = 20;  // the weights do not fit into the first-level cache
constexpr int WIDE = 64;       // units, above which they do not
constexpr int PADDING = 16;    // hidden units are padded to a multiple of it, on every CPU
constexpr int GATES = 4;
constexpr int TILE = GATES;    // vectors of sums that each series of a group has in registers
constexpr int SAVED = 6;       // vectors kept per step for backward: i, f, g, o, cell, tanh(cell)
constexpr int CELL = 4;        // the cell's place among them
constexpr int MAX_SIZE = 512;  // of hidden units, and of inputs
constexpr int CHUNK = 8;       // steps whose gate gradients wait in the caches

struct Sizes {
  int64_t replicates, steps, batch;
  int inputs, hidden;
  int padded() const { return (hidden + PADDING - 1) / PADDING * PADDING; }
  int vectors() const { return (hidden + LANES - 1) / LANES; }  // that hold hidden units
  int lanes_used(int v) const { return std::clamp(hidden - v * LANES, 0, LANES); }
  int lanes() const { return vectors() * LANES; }
  bool inputs_fit() const { return hidden + inputs <= lanes(); }  // behind the hidden units
  int rows() const { return 1 + inputs + hidden; }  // of weights: bias, inputs, hidden
  int64_t weights() const { return int64_t{rows()} * GATES * lanes(); }
  int64_t backward_weights() const { return int64_t{lanes() + inputs} * GATES * lanes(); }
  int64_t chunks() const { return (steps + CHUNK - 1) / CHUNK; }
  int block() const { return hidden > WIDE ? WIDE_BLOCK : BLOCK; }
  int64_t blocks() const { return std::max<int64_t>((batch + block() - 1) / block(), 1); }
  // Blocks of nearly equal size.
  int64_t block_start(int64_t block) const { return block * batch / blocks(); }
};

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Scratch = std::unique_ptr<float[], Free>;

Scratch scratch(int64_t floats) {
  int64_t bytes = (floats * 4 + 63) / 64 * 64;
  float* p = static_cast<float*>(std::aligned_alloc(64, std::max<int64_t>(bytes, 64)));
  if (p != nullptr) std::memset(p, 0, bytes);
  return Scratch(p);
}

// XLA flushes denormals in its own threads; the helpers of a call do as their caller does.
struct FloatMode {
#if defined(__SSE__)
  unsigned mode = _mm_getcsr();
  void apply() const { _mm_setcsr(mode); }
#else
  void apply() const {}
#endif
};

// Calls work(item) for all items on the caller's thread and on free ones of XLA's pool. The caller
// never waits for a task that has not started, so callers on the pool cannot block each other.
template <typename Work>
void for_each(ffi::ThreadPool& pool, int64_t items, bool small, const Work& work) {
  struct Shared {
    std::atomic<int64_t> next{0};
    std::mutex mutex;
    std::condition_variable finished;
    int64_t done = 0;
  };
  int64_t helpers = small ? 0 : std::min<int64_t>(items, pool.num_threads()) - 1;
  if (helpers <= 0) {
    for (int64_t item = 0; item < items; ++item) work(item);
    return;
  }
  auto shared = std::make_shared<Shared>();
  FloatMode mode;
  const Work* task = &work;
  auto run = [shared, mode, task, items](bool helper) {
    int64_t done = 0;
    FloatMode own;
    if (helper) mode.apply();
    for (int64_t item; (item = shared->next.fetch_add(1)) < items; ++done) (*task)(item);
    if (helper) own.apply();
    if (done == 0) return;
    std::lock_guard<std::mutex> lock(shared->mutex);
    shared->done += done;
    if (shared->done == items) shared->finished.notify_all();
  };
  for (int64_t i = 0; i < helpers; ++i) pool.Schedule([run] { run(true); });
  run(false);
  std::unique_lock<std::mutex> lock(shared->mutex);
  shared->finished.wait(lock, [&] { return shared->done == items; });
}

// Calls work(size as a constant, first) for parts that make up `count`, as large as may be. Few
// sizes are compiled, since each takes the compiler as long as all the rest of a group's code.
template <int LARGEST, typename Work>
inline void for_each_part(int64_t count, const Work& work) {
  int64_t first = 0;
  for (; count - first >= LARGEST; first += LARGEST) {
    work(std::integral_constant<int, LARGEST>{}, first);
  }
  if (LARGEST > 2 && count - first >= 2) {
    work(std::integral_constant<int, 2>{}, first);
    first += 2;
  }
  if (LARGEST > 4 && count - first >= 2) {
    work(std::integral_constant<int, 2>{}, first);
    first += 2;
  }
  if (count > first) work(std::integral_constant<int, 1>{}, first);
}

// ---- products ----------------------------------------------------------------------------------

// sums[s][i] += values[s * stride + k * step] * weights[k][i], for all k below `depth`.
template <int S>
inline void add_products(Vec (&sums)[S][TILE], const float* values, int64_t stride, int64_t step,
                         const float* weights, int64_t depth) {
  for (int64_t k = 0; k < depth; ++k, values += step, weights += TILE * LANES) {
    Vec w0 = load(weights), w1 = load(weights + LANES);
    Vec w2 = load(weights + 2 * LANES), w3 = load(weights + 3 * LANES);
    for (int s = 0; s < S; ++s) {
      Vec value = all(values[s * stride]);
      sums[s][0] += value * w0;
      sums[s][1] += value * w1;
      sums[s][2] += value * w2;
      sums[s][3] += value * w3;
    }
  }
}

// ---- weights -----------------------------------------------------------------------------------

struct Weights {
  const float *input, *hidden, *bias;  // [R, I, 4H], [R, H, 4H], [R, 4H]
};

// Row k of a replicate's weights [4H]: the bias, then the inputs' rows, then the hidden units'.
const float* weight_row(const Sizes& n, const Weights& w, int64_t replicate, int k) {
  const int64_t gates = GATES * n.hidden;
  if (k == 0) return w.bias + replicate * gates;
  if (k <= n.inputs) return w.input + (replicate * n.inputs + k - 1) * gates;
  return w.hidden + (replicate * n.hidden + k - 1 - n.inputs) * gates;
}

// Vector v of units of a row [4H], as [gate][lane].
void pack_vector(const Sizes& n, const float* row, int v, float* packed) {
  for (int g = 0; g < GATES; ++g) {
    std::copy_n(row + g * n.hidden + v * LANES, n.lanes_used(v), packed + g * LANES);
  }
}

// [vector][row][gate][lane], padded with zeros: what a vector of units needs lies together.
void pack_forward(const Sizes& n, const Weights& w, int64_t replicate, float* packed) {
  for (int k = 0; k < n.rows(); ++k) {
    const float* row = weight_row(n, w, replicate, k);
    for (int v = 0; v < n.vectors(); ++v) {
      pack_vector(n, row, v, packed + (int64_t{v} * n.rows() + k) * GATES * LANES);
    }
  }
}

// How many vectors of units from `first` on have their gradients computed together.
int tile_width(const Sizes& n, int first) { return n.vectors() - first >= TILE ? TILE : 1; }

// What the gate gradients contribute to the gradients of the hidden units, and in the lanes behind
// them, if they fit, of the inputs: [tile of their vectors][vector][gate][lane][unit of the tile].
// Then what they contribute to the inputs if they do not fit: [input][vector][gate][lane].
void pack_backward(const Sizes& n, const Weights& w, int64_t replicate, float* packed) {
  const int64_t depth = int64_t{GATES} * n.lanes();
  const int columns = n.hidden + (n.inputs_fit() ? n.inputs : 0);
  for (int first = 0; first < n.vectors(); first += tile_width(n, first)) {
    const int width = tile_width(n, first) * LANES;
    float* tile = packed + first * LANES * depth;
    for (int i = 0; i < std::min(width, columns - first * LANES); ++i) {
      const int k = first * LANES + i;
      const float* row =
          weight_row(n, w, replicate, k < n.hidden ? 1 + n.inputs + k : 1 + k - n.hidden);
      for (int unit = 0; unit < n.hidden; ++unit) {
        const int v = unit / LANES, lane = unit % LANES;
        for (int g = 0; g < GATES; ++g) {
          tile[int64_t{(v * GATES + g) * LANES + lane} * width + i] = row[g * n.hidden + unit];
        }
      }
    }
  }
  float* of_inputs = packed + n.lanes() * depth;
  for (int k = 0; k < n.inputs; ++k) {
    const float* row = weight_row(n, w, replicate, 1 + k);
    for (int v = 0; v < n.vectors(); ++v) {
      pack_vector(n, row, v, of_inputs + k * depth + v * GATES * LANES);
    }
  }
}

// ---- forward -----------------------------------------------------------------------------------

// What one step of a block's series reads and writes.
struct Step {
  const float* inputs;    // [series, inputs]
  const float* hidden;    // [series, padded], before the step
  float *next, *cell;     // [series, padded], after it; `cell` also before it
  float* output;          // [series, hidden], or null
  float* saved;           // SAVED vectors [padded] of each series, or null
  int64_t saved_stride;   // between series
};

// The units of vector v of S series, of which the first is `first` in the block.
template <int S>
__attribute__((noinline)) void forward_group(const Sizes& n, const float* packed,
                                             const Step& step, int v, int64_t first) {
  const int padded = n.padded(), inputs = n.inputs, units = n.lanes_used(v);
  const float* w = packed + int64_t{v} * n.rows() * GATES * LANES;
  float* cell = step.cell + first * padded + v * LANES;
  float* next = step.next + first * padded + v * LANES;
  Vec gate[S][GATES];
  for (int s = 0; s < S; ++s) {
    for (int g = 0; g < GATES; ++g) gate[s][g] = load(w + g * LANES);
  }
  w += GATES * LANES;
  add_products(gate, step.inputs + first * inputs, inputs, 1, w, inputs);
  w += inputs * GATES * LANES;
  add_products(gate, step.hidden + first * padded, padded, 1, w, n.hidden);
  const bool saves = step.saved != nullptr;
  float* save = saves ? step.saved + first * step.saved_stride + v * LANES : nullptr;
  Vec cells[S];
  for (int s = 0; s < S; ++s) {
    Vec i = sigmoid(gate[s][0]), f = sigmoid(gate[s][1]), g = hyperbolic_tangent(gate[s][2]);
    Vec product = i * g;
    cells[s] = f * load(cell + s * padded) + product;
    store(cell + s * padded, cells[s]);
    if (saves) {
      float* to = save + s * step.saved_stride;
      store(to, i);
      store(to + padded, f);
      store(to + 2 * padded, g);
      store(to + CELL * padded, cells[s]);
    }
  }
  for (int s = 0; s < S; ++s) {  // apart from the above, so that the chains of series overlap
    Vec o = sigmoid(gate[s][3]), tanh_c = hyperbolic_tangent(cells[s]);
    Vec h = o * tanh_c;
    store(next + s * padded, h);
    if (saves) {
      float* to = save + s * step.saved_stride;
      store(to + 3 * padded, o);
      store(to + 5 * padded, tanh_c);
    }
    if (step.output != nullptr) {
      store_first(step.output + (first + s) * n.hidden + v * LANES, h, units);
    }
  }
}

// Each vector's weights serve all groups while they are in the first-level cache.
void forward_step(const Sizes& n, const float* packed, const Step& step, int64_t series) {
  for (int v = 0; v < n.vectors(); ++v) {
    for_each_part<GROUP>(series, [&](auto size, int64_t first) {
      forward_group<size()>(n, packed, step, v, first);
    });
  }
}

// What the series of a block carry from step to step, [series, padded].
struct Carry {
  Scratch memory;
  float *hidden[2], *cell;  // the hidden units before and after a step, in turn
  explicit Carry(const Sizes& n) : memory(scratch(int64_t{3} * n.block() * n.padded())) {
    hidden[0] = memory.get();
    hidden[1] = hidden[0] + n.block() * n.padded();
    cell = hidden[1] + n.block() * n.padded();
  }
};

// Copies rows of `width` floats.
void copy_rows(int64_t rows, int width, const float* from, int64_t from_stride, float* to,
               int64_t to_stride) {
  for (int64_t i = 0; i < rows; ++i) std::copy_n(from + i * from_stride, width, to + i * to_stride);
}

struct Forward {
  Sizes n;
  const float *inputs, *hidden0, *cell0;
  int64_t input_steps;                         // of `inputs`: n.steps, or 1 that is repeated
  int64_t outputs;                             // of the readout
  const float *readout_kernel, *readout_bias;  // [R, outputs, H], [R, outputs], or null
  float *hidden_last, *cell_last;
  float* hidden_all;   // [R, T, B, H], or null
  float* saved;        // [R, B, T, SAVED, padded], or null
  float* checkpoints;  // [R, B, chunks, padded], the cell before each chunk of steps, or null
  float* predictions;  // [R, T, B, outputs], or null
};

// The predictions of a step for a block's series, of which the first is in row `row`. One output
// is a constant, with which a step of one series is 3 % faster.
template <typename Outputs>
inline void read_out(const Forward& a, Outputs outputs, int64_t replicate, const float* hidden,
                     int64_t row, int64_t count) {
  const int units = a.n.hidden, padded = a.n.padded();
  for (int64_t s = 0; s < count; ++s) {
    for (int64_t i = 0; i < outputs; ++i) {
      const int64_t o = replicate * outputs + i;
      a.predictions[(row + s) * outputs + i] =
          dot(a.readout_kernel + o * units, hidden + s * padded, units) + a.readout_bias[o];
    }
  }
}

// Series start .. start + count of one replicate, through all steps; false without memory.
bool forward_block(const Forward& a, const float* packed, int64_t replicate, int64_t start,
                   int64_t count) {
  const Sizes& n = a.n;
  const int units = n.hidden, padded = n.padded();
  if (count == 0) return true;
  Carry carry(n);
  if (!carry.memory) return false;
  const int64_t series = replicate * n.batch + start;
  copy_rows(count, units, a.hidden0 + series * units, units, carry.hidden[0], padded);
  copy_rows(count, units, a.cell0 + series * units, units, carry.cell, padded);
  for (int64_t t = 0; t < n.steps; ++t) {
    const int64_t row = (replicate * n.steps + t) * n.batch + start;
    const int64_t input_step = replicate * a.input_steps + std::min(t, a.input_steps - 1);
    Step step{};
    step.inputs = a.inputs + (input_step * n.batch + start) * n.inputs;
    step.hidden = carry.hidden[t % 2];
    step.next = carry.hidden[(t + 1) % 2];
    step.cell = carry.cell;
    if (a.hidden_all != nullptr) step.output = a.hidden_all + row * units;
    if (a.saved != nullptr) {
      step.saved = a.saved + (series * n.steps + t) * SAVED * padded;
      step.saved_stride = n.steps * SAVED * padded;
    }
    if (a.checkpoints != nullptr && t % CHUNK == 0) {
      copy_rows(count, padded, carry.cell, padded,
                a.checkpoints + (series * n.chunks() + t / CHUNK) * padded, n.chunks() * padded);
    }
    forward_step(n, packed, step, count);
    if (a.predictions != nullptr && a.outputs == 1) {
      read_out(a, std::integral_constant<int64_t, 1>{}, replicate, step.next, row, count);
    } else if (a.predictions != nullptr) {
      read_out(a, a.outputs, replicate, step.next, row, count);
    }
  }
  copy_rows(count, units, carry.hidden[n.steps % 2], padded, a.hidden_last + series * units, units);
  copy_rows(count, units, carry.cell, padded, a.cell_last + series * units, units);
  return true;
}

// ---- backward ----------------------------------------------------------------------------------

struct Backward {
  Sizes n;
  const float *inputs, *hidden0, *cell0;
  const float *hidden_all, *saved, *checkpoints;            // as forward left them
  const float *d_hidden_all, *d_hidden_last, *d_cell_last;  // gradients that come in
  float *d_inputs, *d_input_kernel, *d_hidden_kernel, *d_bias, *d_hidden0, *d_cell0;
  float* partial;  // [R, blocks, vector, row, gate, lane]: each block's weight gradients
};

// What forward computed in a step of a block, as [series, ...] with strides between the series.
struct Kept {
  const float* saved;  // SAVED vectors [padded]
  int64_t saved_stride;
  const float* cell_before;  // [padded]
  int64_t cell_stride;
};

// The steps of a block whose gate gradients wait to be multiplied into weight gradients; and,
// where forward left checkpoints, what it would have saved in these steps.
struct Chunk {
  int64_t series = 0;
  int steps = 0;
  const float* hidden[CHUNK];  // of each step: the hidden units before it, [series, hidden]
  const float* inputs[CHUNK];  // [series, inputs]
  Scratch d_gates;             // [vector][step][series][gate][lane]
  Scratch saved;               // [series][step of time][SAVED, padded]
  int64_t panel() const { return CHUNK * series * GATES * LANES; }  // d_gates of one vector
};

// sums [R rows][gate][lane] += values' x gate gradients of vector v, where a step's values are
// `stride` apart per series.
template <int R>
__attribute__((noinline)) void add_rows(const Chunk& chunk, int v, const float* const* values,
                                        int stride, int64_t row, float* sums) {
  Vec sum[R][GATES];
  for (int r = 0; r < R; ++r) {
    for (int g = 0; g < GATES; ++g) sum[r][g] = load(sums + (r * GATES + g) * LANES);
  }
  const float* d = chunk.d_gates.get() + v * chunk.panel();
  for (int step = 0; step < chunk.steps; ++step, d += chunk.series * GATES * LANES) {
    add_products(sum, values[step] + row, 1, stride, d, chunk.series);
  }
  for (int r = 0; r < R; ++r) {
    for (int g = 0; g < GATES; ++g) store(sums + (r * GATES + g) * LANES, sum[r][g]);
  }
}

void add_bias(const Chunk& chunk, int v, float* sums) {
  const float* d = chunk.d_gates.get() + v * chunk.panel();
  for (int i = 0; i < GATES * LANES; i += LANES) {
    Vec sum = load(sums + i);
    for (int64_t pair = 0; pair < chunk.steps * chunk.series; ++pair) {
      sum += load(d + pair * GATES * LANES + i);
    }
    store(sums + i, sum);
  }
}

// partial [vector][bias, inputs, hidden][gate][lane] += the chunk's; empties the chunk.
void add_weight_gradients(const Sizes& n, Chunk& chunk, float* partial) {
  for (int v = 0; v < n.vectors(); ++v) {
    float* sums = partial + int64_t{v} * n.rows() * GATES * LANES;
    auto add_all = [&](const float* const* values, int count) {
      for_each_part<GROUP>(count, [&](auto size, int64_t row) {
        add_rows<size()>(chunk, v, values, count, row, sums + row * GATES * LANES);
      });
      sums += count * GATES * LANES;
    };
    add_bias(chunk, v, sums);
    sums += GATES * LANES;
    add_all(chunk.inputs, n.inputs);
    add_all(chunk.hidden, n.hidden);
  }
  chunk.steps = 0;
}

// What backward carries from step to step.
struct Gradients {
  Scratch memory;
  float *hidden, *cell;  // [series, padded]
  explicit Gradients(const Sizes& n) : memory(scratch(int64_t{2} * n.block() * n.padded())) {
    hidden = memory.get();
    cell = hidden + n.block() * n.padded();
  }
};

// The gate gradients [vector at `panel` floats][series][gate][lane] of a step of a block.
void gate_gradients(const Sizes& n, const Kept& kept, const float* d_output, int64_t series,
                    Gradients& gradients, float* d_gates, int64_t panel) {
  const int padded = n.padded();
  for (int64_t s = 0; s < series; ++s) {
    for (int v = 0; v < n.vectors(); ++v) {
      const float* saved = kept.saved + s * kept.saved_stride + v * LANES;
      float* d_cell = gradients.cell + s * padded + v * LANES;
      Vec i = load(saved), f = load(saved + padded), g = load(saved + 2 * padded);
      Vec o = load(saved + 3 * padded), tanh_c = load(saved + 5 * padded);
      Vec c_before = load(kept.cell_before + s * kept.cell_stride + v * LANES);
      const int units = n.lanes_used(v);  // behind them may be the inputs' gradients
      Vec dh = load_first(gradients.hidden + s * padded + v * LANES, units) +
               load_first(d_output + s * n.hidden + v * LANES, units);
      Vec dh_o = dh * o;
      // 1 - y^2 is 0 where y is 1, with or without fused products; dy - dy y^2 need not be.
      Vec dc = load(d_cell) + dh_o * (all(1.0f) - tanh_c * tanh_c);
      Vec di = dc * g, dg = dc * i, df = dc * c_before, d_o = dh * tanh_c;
      store(d_cell, dc * f);
      float* to = d_gates + v * panel + s * GATES * LANES;
      store(to, di * (i - i * i));
      store(to + LANES, df * (f - f * f));
      store(to + 2 * LANES, dg * (all(1.0f) - g * g));
      store(to + 3 * LANES, d_o * (o - o * o));
    }
  }
}

// TILE vectors of the hidden units' gradients, for S series.
template <int S>
__attribute__((noinline)) void tile_gradients(const Sizes& n, const float* weights,
                                              const float* d_gates, int64_t panel,
                                              float* d_hidden) {
  Vec sums[S][TILE] = {};
  for (int v = 0; v < n.vectors(); ++v, d_gates += panel) {
    for (int g = 0; g < GATES; ++g, weights += LANES * TILE * LANES) {
      add_products(sums, d_gates + g * LANES, GATES * LANES, 1, weights, n.lanes_used(v));
    }
  }
  for (int s = 0; s < S; ++s) {
    for (int i = 0; i < TILE; ++i) store(d_hidden + s * n.padded() + i * LANES, sums[s][i]);
  }
}

// One vector of them: the gates have sums of their own, so that there are enough to overlap.
template <int S>
__attribute__((noinline)) void vector_gradients(const Sizes& n, const float* weights,
                                                const float* d_gates, int64_t panel,
                                                float* d_hidden) {
  Vec sums[S][GATES] = {};
  for (int v = 0; v < n.vectors(); ++v, d_gates += panel, weights += GATES * LANES * LANES) {
    for (int lane = 0; lane < n.lanes_used(v); ++lane) {
      for (int g = 0; g < GATES; ++g) {
        Vec weight = load(weights + (g * LANES + lane) * LANES);
        for (int s = 0; s < S; ++s) {
          sums[s][g] += all(d_gates[(s * GATES + g) * LANES + lane]) * weight;
        }
      }
    }
  }
  for (int s = 0; s < S; ++s) {
    store(d_hidden + s * n.padded(), (sums[s][0] + sums[s][1]) + (sums[s][2] + sums[s][3]));
  }
}

// d_hidden [series, padded] = gate gradients x weights.
void hidden_gradients(const Sizes& n, const float* packed, const float* d_gates, int64_t panel,
                      int64_t series, float* d_hidden) {
  for (int first = 0; first < n.vectors(); first += tile_width(n, first)) {
    const float* weights = packed + int64_t{first} * LANES * GATES * n.lanes();
    for_each_part<GROUP>(series, [&](auto size, int64_t s) {
      const float* d = d_gates + s * GATES * LANES;
      float* to = d_hidden + s * n.padded() + first * LANES;
      if (tile_width(n, first) == TILE) {
        tile_gradients<size()>(n, weights, d, panel, to);
      } else {
        vector_gradients<size()>(n, weights, d, panel, to);
      }
    });
  }
}

// d_inputs [series, inputs] = gate gradients x weights, where they are not behind the hidden units'.
void input_gradients(const Sizes& n, const float* packed, const float* d_gates, int64_t panel,
                     int64_t series, float* d_inputs) {
  const float* weights = packed + int64_t{n.lanes()} * GATES * n.lanes();
  for (int k = 0; k < n.inputs; ++k, weights += GATES * n.lanes()) {
    for (int64_t s = 0; s < series; ++s) {
      Vec sums[GATES] = {};
      for (int v = 0; v < n.vectors(); ++v) {
        const float* d = d_gates + v * panel + s * GATES * LANES;
        const float* w = weights + v * GATES * LANES;
        for (int g = 0; g < GATES; ++g) {
          sums[g] += load_first(d + g * LANES, n.lanes_used(v)) * load(w + g * LANES);
        }
      }
      d_inputs[s * n.inputs + k] = sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
  }
}

// Repeats forward's steps from a checkpoint on, and keeps what it did not save.
void repeat_forward(const Backward& a, const float* packed, Carry& carry, Chunk& chunk,
                    int64_t replicate, int64_t start, int64_t first_step) {
  const Sizes& n = a.n;
  const int units = n.hidden, padded = n.padded();
  const int64_t series = replicate * n.batch + start;
  const int64_t row = (replicate * n.steps + first_step) * n.batch + start;
  copy_rows(chunk.series, units,
            first_step > 0 ? a.hidden_all + (row - n.batch) * units : a.hidden0 + series * units,
            units, carry.hidden[0], padded);
  copy_rows(chunk.series, padded,
            a.checkpoints + (series * n.chunks() + first_step / CHUNK) * padded,
            n.chunks() * padded, carry.cell, padded);
  const int64_t steps = std::min<int64_t>(n.steps - first_step, CHUNK);
  for (int64_t t = 0; t < steps; ++t) {
    Step step{};
    step.inputs = a.inputs + (row + t * n.batch) * n.inputs;
    step.hidden = carry.hidden[t % 2];
    step.next = carry.hidden[(t + 1) % 2];
    step.cell = carry.cell;
    step.saved = chunk.saved.get() + t * SAVED * padded;
    step.saved_stride = CHUNK * SAVED * padded;
    forward_step(n, packed, step, chunk.series);
  }
}

// What there is of step t for the series from `series` on; `cell0` is [series, padded].
Kept kept_of(const Backward& a, const Chunk& chunk, const float* cell0, int64_t series, int64_t t) {
  const Sizes& n = a.n;
  const int64_t step_size = SAVED * n.padded();
  Kept kept;
  if (chunk.saved) {
    kept.saved = chunk.saved.get() + t % CHUNK * step_size;
    kept.saved_stride = CHUNK * step_size;
  } else {
    kept.saved = a.saved + (series * n.steps + t) * step_size;
    kept.saved_stride = n.steps * step_size;
  }
  if (chunk.saved && t % CHUNK == 0) {
    kept.cell_before = a.checkpoints + (series * n.chunks() + t / CHUNK) * n.padded();
    kept.cell_stride = n.chunks() * n.padded();
  } else if (t == 0) {
    kept.cell_before = cell0;
    kept.cell_stride = n.padded();
  } else {
    kept.cell_before = kept.saved - step_size + CELL * n.padded();
    kept.cell_stride = kept.saved_stride;
  }
  return kept;
}

// Series start .. start + count of one replicate, through all steps; adds to `partial`. False
// without memory. `packed_forward` is needed where forward left checkpoints.
bool backward_block(const Backward& a, const float* packed, const float* packed_forward,
                    int64_t replicate, int64_t start, int64_t count, float* partial) {
  const Sizes& n = a.n;
  const int units = n.hidden, padded = n.padded();
  if (count == 0) return true;
  const bool repeats = a.checkpoints != nullptr;
  Carry carry(n);  // of forward, where it is repeated; else just for its first cell
  Gradients gradients(n);
  Chunk chunk;
  chunk.series = count;
  chunk.d_gates = scratch(n.vectors() * chunk.panel());
  if (repeats) chunk.saved = scratch(count * CHUNK * SAVED * padded);
  if (!carry.memory || !gradients.memory || !chunk.d_gates || (repeats && !chunk.saved)) {
    return false;
  }
  const int64_t series = replicate * n.batch + start;
  copy_rows(count, units, a.cell0 + series * units, units, carry.cell, padded);
  copy_rows(count, units, a.d_hidden_last + series * units, units, gradients.hidden, padded);
  copy_rows(count, units, a.d_cell_last + series * units, units, gradients.cell, padded);
  for (int64_t t = n.steps - 1; t >= 0; --t) {
    const int64_t row = (replicate * n.steps + t) * n.batch + start;
    if (repeats && chunk.steps == 0) {
      repeat_forward(a, packed_forward, carry, chunk, replicate, start, t / CHUNK * CHUNK);
    }
    chunk.hidden[chunk.steps] =
        t > 0 ? a.hidden_all + (row - n.batch) * units : a.hidden0 + series * units;
    chunk.inputs[chunk.steps] = a.inputs + row * n.inputs;
    float* d_gates = chunk.d_gates.get() + chunk.steps * count * GATES * LANES;
    chunk.steps += 1;
    gate_gradients(n, kept_of(a, chunk, carry.cell, series, t), a.d_hidden_all + row * units,
                   count, gradients, d_gates, chunk.panel());
    hidden_gradients(n, packed, d_gates, chunk.panel(), count, gradients.hidden);
    float* d_inputs = a.d_inputs + row * n.inputs;
    if (n.inputs_fit()) {
      copy_rows(count, n.inputs, gradients.hidden + units, padded, d_inputs, n.inputs);
    } else {
      input_gradients(n, packed, d_gates, chunk.panel(), count, d_inputs);
    }
    if (t % CHUNK == 0) add_weight_gradients(n, chunk, partial);
  }
  copy_rows(count, units, gradients.hidden, padded, a.d_hidden0 + series * units, units);
  copy_rows(count, units, gradients.cell, padded, a.d_cell0 + series * units, units);
  return true;
}

// Adds up the blocks of one replicate and unpacks the sums into the gradients' own layouts.
void reduce_weight_gradients(const Backward& a, int64_t replicate) {
  const Sizes& n = a.n;
  float* total = a.partial + replicate * n.blocks() * n.weights();
  for (int64_t block = 1; block < n.blocks(); ++block) {
    const float* other = total + block * n.weights();
    for (int64_t i = 0; i < n.weights(); ++i) total[i] += other[i];
  }
  const Weights gradients{a.d_input_kernel, a.d_hidden_kernel, a.d_bias};
  for (int k = 0; k < n.rows(); ++k) {
    float* to = const_cast<float*>(weight_row(n, gradients, replicate, k));
    for (int v = 0; v < n.vectors(); ++v) {
      const float* from = total + (int64_t{v} * n.rows() + k) * GATES * LANES;
      for (int g = 0; g < GATES; ++g) {
        std::copy_n(from + g * LANES, n.lanes_used(v), to + g * n.hidden + v * LANES);
      }
    }
  }
}

// ---- handlers ----------------------------------------------------------------------------------

using Array = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;

using Shape = std::initializer_list<int64_t>;

bool has_shape(const Array& array, Shape shape) {
  auto actual = array.dimensions();
  return std::equal(actual.begin(), actual.end(), shape.begin(), shape.end());
}

ffi::Error bad_shape(const char* what) {
  return ffi::Error::InvalidArgument(std::string("sinlstm: the shape does not fit: ") + what);
}

// The sizes of a call, once the arrays that all handlers take are as large as they say.
ffi::ErrorOr<Sizes> sizes_of(const Array& inputs, const Array& input_kernel,
                             const Array& hidden_kernel, const Array& bias, const Array& hidden0,
                             const Array& cell0) {
  auto x = inputs.dimensions(), h = hidden0.dimensions();
  if (x.size() != 4) return ffi::Unexpected(bad_shape("inputs"));
  if (h.size() != 3) return ffi::Unexpected(bad_shape("hidden"));
  const int64_t replicates = x[0], batch = x[2], size = x[3], units = h[2];
  if (size < 1 || size > MAX_SIZE) return ffi::Unexpected(bad_shape("inputs (1 to 512)"));
  if (units < 1 || units > MAX_SIZE) return ffi::Unexpected(bad_shape("hidden units (1 to 512)"));
  const int64_t gates = GATES * units;
  if (!has_shape(input_kernel, {replicates, size, gates})) {
    return ffi::Unexpected(bad_shape("input_kernel"));
  }
  if (!has_shape(hidden_kernel, {replicates, units, gates})) {
    return ffi::Unexpected(bad_shape("hidden_kernel"));
  }
  if (!has_shape(bias, {replicates, gates})) return ffi::Unexpected(bad_shape("bias"));
  if (!has_shape(hidden0, {replicates, batch, units})) return ffi::Unexpected(bad_shape("hidden"));
  if (!has_shape(cell0, {replicates, batch, units})) return ffi::Unexpected(bad_shape("cell"));
  return Sizes{replicates, x[1], batch, static_cast<int>(size), static_cast<int>(units)};
}

// Work below about 20 microseconds is not worth another thread.
bool is_small(const Sizes& n) { return n.replicates * n.batch * n.steps * n.vectors() < 500; }

ffi::Error no_memory() {
  return ffi::Error(ffi::ErrorCode::kResourceExhausted, "sinlstm: there is no memory left");
}

// Packs the weights of all replicates, each into `floats`; null without memory.
template <typename Pack>
Scratch pack_all(ffi::ThreadPool& pool, const Sizes& n, int64_t floats, const Weights& weights,
                 const Pack& pack) {
  Scratch packed = scratch(n.replicates * floats);
  if (!packed) return packed;
  for_each(pool, n.replicates, is_small(n), [&](int64_t replicate) {
    pack(n, weights, replicate, packed.get() + replicate * floats);
  });
  return packed;
}

// Whether forward saves all, or just checkpoints: backward then computes the rest again.
bool has_all(const Sizes& n, const Array& saved) {
  return has_shape(saved, {n.replicates, n.batch, n.steps, SAVED, n.padded()});
}
bool has_checkpoints(const Sizes& n, const Array& saved) {
  return has_shape(saved, {n.replicates, n.batch, n.chunks(), 1, n.padded()});
}

// Calls work(replicate, first series, number of series, item) for each block; work may return
// false for want of memory.
template <typename Work>
ffi::Error for_each_block(ffi::ThreadPool& pool, const Sizes& n, const Work& work) {
  std::atomic<bool> enough{true};
  for_each(pool, n.replicates * n.blocks(), is_small(n), [&](int64_t item) {
    int64_t block = item % n.blocks(), start = n.block_start(block);
    if (!work(item / n.blocks(), start, n.block_start(block + 1) - start, item)) enough = false;
  });
  return enough ? ffi::Error::Success() : no_memory();
}

ffi::Error forward_blocks(ffi::ThreadPool& pool, const Forward& a, const float* packed) {
  return for_each_block(
      pool, a.n, [&](int64_t replicate, int64_t start, int64_t count, int64_t) {
        return forward_block(a, packed + replicate * a.n.weights(), replicate, start, count);
      });
}

Weights weights_of(const Array& input_kernel, const Array& hidden_kernel, const Array& bias) {
  return {input_kernel.typed_data(), hidden_kernel.typed_data(), bias.typed_data()};
}

ffi::Error forward(ffi::ThreadPool pool, Array inputs, Array input_kernel, Array hidden_kernel,
                   Array bias, Array hidden0, Array cell0, Result hidden_all, Result hidden_last,
                   Result cell_last, Result saved) {
  auto sizes = sizes_of(inputs, input_kernel, hidden_kernel, bias, hidden0, cell0);
  if (sizes.has_error()) return sizes.error();
  const Sizes n = *sizes;
  if (!has_shape(*hidden_all, {n.replicates, n.steps, n.batch, n.hidden}) ||
      !has_shape(*hidden_last, {n.replicates, n.batch, n.hidden}) ||
      !has_shape(*cell_last, {n.replicates, n.batch, n.hidden}) ||
      !(has_all(n, *saved) || has_checkpoints(n, *saved))) {
    return bad_shape("a result of forward");
  }
  Scratch packed = pack_all(pool, n, n.weights(), weights_of(input_kernel, hidden_kernel, bias),
                            pack_forward);
  if (!packed) return no_memory();
  Forward a{};
  a.n = n;
  a.inputs = inputs.typed_data();
  a.hidden0 = hidden0.typed_data();
  a.cell0 = cell0.typed_data();
  a.input_steps = n.steps;
  a.hidden_last = hidden_last->typed_data();
  a.cell_last = cell_last->typed_data();
  a.hidden_all = hidden_all->typed_data();
  (has_all(n, *saved) ? a.saved : a.checkpoints) = saved->typed_data();
  return forward_blocks(pool, a, packed.get());
}

// The inputs have as many steps as the predictions, or one that is repeated.
ffi::Error predict(ffi::ThreadPool pool, Array inputs, Array input_kernel, Array hidden_kernel,
                   Array bias, Array readout_kernel, Array readout_bias, Array hidden0, Array cell0,
                   Result predictions, Result hidden_last, Result cell_last) {
  auto sizes = sizes_of(inputs, input_kernel, hidden_kernel, bias, hidden0, cell0);
  if (sizes.has_error()) return sizes.error();
  Sizes n = *sizes;
  const int64_t input_steps = n.steps;
  if (input_steps == 1 && predictions->dimensions().size() == 4) {
    n.steps = predictions->dimensions()[1];
  }
  auto readout = readout_kernel.dimensions();
  const int64_t outputs = readout.size() == 3 ? readout[1] : 0;
  if (outputs < 1 || !has_shape(readout_kernel, {n.replicates, outputs, n.hidden}) ||
      !has_shape(readout_bias, {n.replicates, outputs})) {
    return bad_shape("readout");
  }
  if (!has_shape(*predictions, {n.replicates, n.steps, n.batch, outputs}) ||
      !has_shape(*hidden_last, {n.replicates, n.batch, n.hidden}) ||
      !has_shape(*cell_last, {n.replicates, n.batch, n.hidden})) {
    return bad_shape("a result of predict");
  }
  Scratch packed = pack_all(pool, n, n.weights(), weights_of(input_kernel, hidden_kernel, bias),
                            pack_forward);
  if (!packed) return no_memory();
  Forward a{};
  a.n = n;
  a.inputs = inputs.typed_data();
  a.hidden0 = hidden0.typed_data();
  a.cell0 = cell0.typed_data();
  a.input_steps = input_steps;
  a.outputs = outputs;
  a.readout_kernel = readout_kernel.typed_data();
  a.readout_bias = readout_bias.typed_data();
  a.hidden_last = hidden_last->typed_data();
  a.cell_last = cell_last->typed_data();
  a.predictions = predictions->typed_data();
  return forward_blocks(pool, a, packed.get());
}

ffi::Error backward(ffi::ThreadPool pool, Array inputs, Array input_kernel, Array hidden_kernel,
                    Array bias, Array hidden0, Array cell0, Array hidden_all, Array saved,
                    Array d_hidden_all, Array d_hidden_last, Array d_cell_last, Result d_inputs,
                    Result d_input_kernel, Result d_hidden_kernel, Result d_bias,
                    Result d_hidden0, Result d_cell0) {
  auto sizes = sizes_of(inputs, input_kernel, hidden_kernel, bias, hidden0, cell0);
  if (sizes.has_error()) return sizes.error();
  const Sizes n = *sizes;
  if (!has_shape(hidden_all, {n.replicates, n.steps, n.batch, n.hidden}) ||
      !(has_all(n, saved) || has_checkpoints(n, saved))) {
    return bad_shape("what forward left");
  }
  if (!has_shape(d_hidden_all, {n.replicates, n.steps, n.batch, n.hidden}) ||
      !has_shape(d_hidden_last, {n.replicates, n.batch, n.hidden}) ||
      !has_shape(d_cell_last, {n.replicates, n.batch, n.hidden})) {
    return bad_shape("a gradient that comes in");
  }
  const int64_t gates = GATES * n.hidden;
  if (!has_shape(*d_inputs, {n.replicates, n.steps, n.batch, n.inputs}) ||
      !has_shape(*d_input_kernel, {n.replicates, n.inputs, gates}) ||
      !has_shape(*d_hidden_kernel, {n.replicates, n.hidden, gates}) ||
      !has_shape(*d_bias, {n.replicates, gates}) ||
      !has_shape(*d_hidden0, {n.replicates, n.batch, n.hidden}) ||
      !has_shape(*d_cell0, {n.replicates, n.batch, n.hidden})) {
    return bad_shape("a result of backward");
  }
  const Weights weights = weights_of(input_kernel, hidden_kernel, bias);
  Scratch partial = scratch(n.replicates * n.blocks() * n.weights());
  Scratch packed = pack_all(pool, n, n.backward_weights(), weights, pack_backward);
  Scratch packed_forward;
  if (!has_all(n, saved)) {
    packed_forward = pack_all(pool, n, n.weights(), weights, pack_forward);
    if (!packed_forward) return no_memory();
  }
  if (!partial || !packed) return no_memory();
  Backward a{};
  a.n = n;
  a.inputs = inputs.typed_data();
  a.hidden0 = hidden0.typed_data();
  a.cell0 = cell0.typed_data();
  a.hidden_all = hidden_all.typed_data();
  (has_all(n, saved) ? a.saved : a.checkpoints) = saved.typed_data();
  a.d_hidden_all = d_hidden_all.typed_data();
  a.d_hidden_last = d_hidden_last.typed_data();
  a.d_cell_last = d_cell_last.typed_data();
  a.d_inputs = d_inputs->typed_data();
  a.d_input_kernel = d_input_kernel->typed_data();
  a.d_hidden_kernel = d_hidden_kernel->typed_data();
  a.d_bias = d_bias->typed_data();
  a.d_hidden0 = d_hidden0->typed_data();
  a.d_cell0 = d_cell0->typed_data();
  a.partial = partial.get();
  ffi::Error error = for_each_block(
      pool, n, [&](int64_t replicate, int64_t start, int64_t count, int64_t item) {
        const float* forward_weights =
            packed_forward ? packed_forward.get() + replicate * n.weights() : nullptr;
        return backward_block(a, packed.get() + replicate * n.backward_weights(), forward_weights,
                              replicate, start, count, partial.get() + item * n.weights());
      });
  if (error.failure()) return error;
  for_each(pool, n.replicates, is_small(n),
           [&](int64_t replicate) { reduce_weight_gradients(a, replicate); });
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(sinlstm_forward, forward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(sinlstm_predict, predict,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>());

XLA_FFI_DEFINE_HANDLER_SYMBOL(sinlstm_backward, backward,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>()
                                  .Ret<Array>());
