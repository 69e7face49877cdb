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

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

// ---- vectors -----------------------------------------------------------------------------------

#if defined(__AVX512F__)
constexpr int LANES = 16;
constexpr int GROUP = 5;  // series: 5 x 4 gates + 4 weights + 1 state in 32 registers
constexpr int ROWS = 5;   // of a weight gradient: 5 x 4 sums + 4 gate gradients + 1 value
#elif defined(__AVX__)
constexpr int LANES = 8;
constexpr int GROUP = 2;  // 16 registers
constexpr int ROWS = 2;
#elif defined(__ARM_NEON)
constexpr int LANES = 4;
constexpr int GROUP = 5;  // 32 registers
constexpr int ROWS = 5;
#else
constexpr int LANES = 4;
constexpr int GROUP = 2;
constexpr int ROWS = 2;
#endif

constexpr int BLOCK = 10;        // series that go through time side by side, at the most
constexpr int PADDING = 16;      // hidden units are padded to a multiple of it, on every CPU
constexpr int GATES = 4;
constexpr int SAVED = 6;         // vectors kept per step for backward: i, f, g, o, cell, tanh(cell)
constexpr int MAX_SIZE = 64;     // of hidden units, and of inputs
constexpr int CHUNK = 8;         // steps whose gate gradients wait in the first-level cache

typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef uint32_t Bits __attribute__((vector_size(LANES * 4)));
typedef float Unaligned __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

inline Vec load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Unaligned*>(p) = v; }
inline Vec all(float x) { return x - Vec{}; }  // not +: -0 + 0 is 0

#if defined(__AVX__) && !defined(__AVX512F__)
inline __m256i first_lanes(int count) {
  static const int32_t mask[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask + LANES - count));
}
#endif

// The first `count` lanes; the memory of the others is not touched, and they load as zero.
inline Vec load_first(const float* p, int count) {
  if (count >= LANES) return load(p);
#if defined(__AVX512F__)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p);
#elif defined(__AVX__)
  return _mm256_maskload_ps(p, first_lanes(count));
#else
  alignas(64) float lanes[LANES] = {};
  std::memcpy(lanes, p, count * sizeof(float));
  return load(lanes);
#endif
}

inline void store_first(float* p, Vec v, int count) {
  if (count >= LANES) return store(p, v);
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1), v);
#elif defined(__AVX__)
  _mm256_maskstore_ps(p, first_lanes(count), v);
#else
  alignas(64) float lanes[LANES];
  store(lanes, v);
  std::memcpy(p, lanes, count * sizeof(float));
#endif
}

// x between the two limits; NaN stays NaN, since min and max return their second operand then.
inline Vec clamp(Vec x, float low, float high) {
#if defined(__AVX512F__)
  return _mm512_min_ps(all(high), _mm512_max_ps(all(low), x));
#elif defined(__AVX__)
  return _mm256_min_ps(all(high), _mm256_max_ps(all(low), x));
#elif defined(__SSE__)
  return _mm_min_ps(all(high), _mm_max_ps(all(low), x));
#else
  for (int i = 0; i < LANES; ++i) {
    if (x[i] < low) x[i] = low;
    if (x[i] > high) x[i] = high;
  }
  return x;
#endif
}

// The upper half of the lanes onto the lower, until one is left.
inline float sum(Vec v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(v);
#elif defined(__AVX__)
  __m128 half = _mm256_castps256_ps128(v) + _mm256_extractf128_ps(v, 1);
  half += _mm_movehl_ps(half, half);
  return half[0] + half[1];
#endif
  alignas(64) float lanes[LANES];
  store(lanes, v);
  for (int width = LANES / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  }
  return lanes[0];
}

// 1 / (1 + exp(-x)), with exp(-x) = 2^n 2^r and a polynomial for 2^r on [-1/2, 1/2], whose
// relative error is 2e-9 before rounding (a least-squares fit, reweighted to be nearly minimax).
inline Vec sigmoid(Vec x) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const Vec log2_e = all(1.44269504088896341f);
  Vec y = clamp(x, -89.0f, 87.0f);  // exp(89) is infinite here: the gate is 0, as in the scan
  Vec shifted = all(magic) - y * log2_e;
  Vec n = shifted - all(magic);
  Vec r = -(y * log2_e) - n;
  Vec p = all(0.0001535334327f);
  p = p * r + all(0.001339887523f);
  p = p * r + all(0.009618437439f);
  p = p * r + all(0.05550332469f);
  p = p * r + all(0.2402264791f);
  p = p * r + all(0.6931472029f);
  p = p * r + all(1.0f);
#if defined(__AVX512F__)
  Vec exponential = _mm512_scalef_ps(p, n);
#else
  Bits power = (reinterpret_cast<Bits>(shifted) + 127) << 23;  // magic has no low bits
  Vec exponential = p * reinterpret_cast<Vec>(power);
#endif
  return all(1.0f) / (all(1.0f) + exponential);
}

// A rational approximation, with the coefficients that Eigen and XLA use, and XLA's limits: where
// it becomes 1, which depends on whether products are rounded before they are added.
inline Vec hyperbolic_tangent(Vec x) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  constexpr float limit = 7.99881172180175781f;
#else
  constexpr float limit = 7.90531110763549805f;
#endif
  Vec y = clamp(x, -limit, limit);
  Vec y2 = y * y;
  Vec p = all(-2.76076847742355e-16f);
  p = p * y2 + all(2.00018790482477e-13f);
  p = p * y2 + all(-8.60467152213735e-11f);
  p = p * y2 + all(5.12229709037114e-08f);
  p = p * y2 + all(1.48572235717979e-05f);
  p = p * y2 + all(6.37261928875436e-04f);
  p = p * y2 + all(4.89352455891786e-03f);
  Vec q = all(1.19825839466702e-06f);
  q = q * y2 + all(1.18534705686654e-04f);
  q = q * y2 + all(2.26843463243900e-03f);
  q = q * y2 + all(4.89352518554385e-03f);
  return y * p / q;
}

// ---- sizes, scratch memory, threads ------------------------------------------------------------

struct Sizes {
  int64_t replicates, steps, batch;
  int inputs, hidden;
  int padded() const { return (hidden + PADDING - 1) / PADDING * PADDING; }
  int vectors() const { return padded() / LANES; }      // of hidden units
  int state() const { return hidden + inputs; }         // what a step's gates are computed from
  int state_padded() const { return (state() + LANES - 1) / LANES * LANES; }
  int rows() const { return state() + 1; }              // of weights: hidden, inputs, bias
  int gate_floats() const { return vectors() * GATES * LANES; }
  int64_t blocks() const { return std::max<int64_t>((batch + BLOCK - 1) / BLOCK, 1); }
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

// ---- weights -----------------------------------------------------------------------------------

struct Weights {
  const float *input, *hidden, *bias;  // [I, 4H], [H, 4H], [4H], of one replicate
};

Weights weights_of(const Sizes& n, int64_t replicate, const float* input, const float* hidden,
                   const float* bias) {
  int64_t gates = GATES * n.hidden;
  return {input + replicate * n.inputs * gates, hidden + replicate * n.hidden * gates,
          bias + replicate * gates};
}

// Row k of the state's weights: hidden units first, then inputs.
inline const float* state_row(const Sizes& n, const Weights& w, int k) {
  int64_t gates = GATES * n.hidden;
  return k < n.hidden ? w.hidden + k * gates : w.input + (k - n.hidden) * gates;
}

// One row [4H] as [vector][gate][lane], padded with zeros.
void pack_row(const Sizes& n, const float* row, float* packed) {
  for (int v = 0; v < n.vectors(); ++v) {
    for (int g = 0; g < GATES; ++g) {
      int count = std::clamp(n.hidden - v * LANES, 0, LANES);
      float* to = packed + (v * GATES + g) * LANES;
      if (count > 0) std::memcpy(to, row + g * n.hidden + v * LANES, count * sizeof(float));
    }
  }
}

// [state][vector][gate][lane], then the bias in the same form.
Scratch pack_forward(const Sizes& n, const Weights& w) {
  Scratch packed = scratch(int64_t{n.state() + 1} * n.gate_floats());
  if (!packed) return packed;
  for (int k = 0; k < n.state(); ++k) {
    pack_row(n, state_row(n, w, k), packed.get() + int64_t{k} * n.gate_floats());
  }
  pack_row(n, w.bias, packed.get() + int64_t{n.state()} * n.gate_floats());
  return packed;
}

// [hidden unit][gate][state, padded]: what a gate's gradient contributes to the state's.
Scratch pack_backward(const Sizes& n, const Weights& w) {
  int width = n.state_padded();
  Scratch packed = scratch(int64_t{n.hidden} * GATES * width);
  if (!packed) return packed;
  for (int k = 0; k < n.state(); ++k) {
    const float* row = state_row(n, w, k);
    for (int j = 0; j < n.hidden; ++j) {
      for (int g = 0; g < GATES; ++g) {
        packed[(int64_t{j} * GATES + g) * width + k] = row[g * n.hidden + j];
      }
    }
  }
  return packed;
}

// ---- forward -----------------------------------------------------------------------------------

struct Forward {
  Sizes n;
  const float *inputs, *input_kernel, *hidden_kernel, *bias, *hidden0, *cell0;
  int64_t input_steps;                      // of `inputs`: n.steps, or 1 that is repeated
  const float *readout_kernel, *readout_bias;  // [R, H], [R], or null
  float *hidden_last, *cell_last;
  float *hidden_all, *saved;                // [R, T, B, H], [R, B, T, SAVED, padded], or null
  float* predictions;                       // [R, T, B], or null
};

// What the series of a block carry from step to step.
struct ForwardState {
  alignas(64) float hidden[2][BLOCK][MAX_SIZE] = {};  // before and after a step, in turn
  alignas(64) float cell[BLOCK][MAX_SIZE] = {};
  alignas(64) float readout[MAX_SIZE] = {};
  alignas(64) uint32_t units[MAX_SIZE] = {};  // all bits of a unit, none of padding
  float readout_bias = 0;
};

// Step t of S series, of which the first is `first` in the block and `series` in the replicate.
template <int S, bool TRAIN>
__attribute__((noinline)) void forward_group(const Forward& a, const float* packed, ForwardState& state,
                          int64_t replicate, int64_t t, int64_t first, int64_t series) {
  const Sizes& n = a.n;
  const int vectors = n.vectors(), padded = n.padded(), gate_floats = n.gate_floats();
  const int units = n.hidden, inputs = n.inputs;
  const float* input_rows = packed + int64_t{units} * gate_floats;
  const float* bias = packed + int64_t{n.state()} * gate_floats;
  const float(*hidden)[MAX_SIZE] = state.hidden[t % 2] + first;
  float(*next)[MAX_SIZE] = state.hidden[(t + 1) % 2] + first;
  float(*cell)[MAX_SIZE] = state.cell + first;
  const int64_t input_step = replicate * a.input_steps + std::min(t, a.input_steps - 1);
  const float* x = a.inputs + (input_step * n.batch + series) * inputs;
  const int64_t row = (replicate * n.steps + t) * n.batch + series;
  Vec answer[S] = {};
  for (int v = 0; v < vectors; ++v) {
    Vec gate[S][GATES];
    const float* w = bias + v * GATES * LANES;
    for (int s = 0; s < S; ++s) {
      for (int g = 0; g < GATES; ++g) gate[s][g] = load(w + g * LANES);
    }
    for (int k = 0; k < inputs; ++k) {
      w = input_rows + k * gate_floats + v * GATES * LANES;
      for (int s = 0; s < S; ++s) {
        Vec value = all(x[s * inputs + k]);
        for (int g = 0; g < GATES; ++g) gate[s][g] += value * load(w + g * LANES);
      }
    }
    for (int k = 0; k < units; ++k) {
      w = packed + k * gate_floats + v * GATES * LANES;
      Vec w0 = load(w), w1 = load(w + LANES), w2 = load(w + 2 * LANES), w3 = load(w + 3 * LANES);
      for (int s = 0; s < S; ++s) {
        Vec value = all(hidden[s][k]);
        gate[s][0] += value * w0;
        gate[s][1] += value * w1;
        gate[s][2] += value * w2;
        gate[s][3] += value * w3;
      }
    }
    float* save[S];
    Vec cells[S];
    for (int s = 0; s < S; ++s) {
      Vec i = sigmoid(gate[s][0]), f = sigmoid(gate[s][1]), g = hyperbolic_tangent(gate[s][2]);
      Vec product = i * g;
      cells[s] = f * load(cell[s] + v * LANES) + product;
      store(cell[s] + v * LANES, cells[s]);
      if (TRAIN) {
        const int64_t step = (replicate * n.batch + series + s) * n.steps + t;
        save[s] = a.saved + step * SAVED * padded + v * LANES;
        store(save[s], i);
        store(save[s] + padded, f);
        store(save[s] + 2 * padded, g);
        store(save[s] + 4 * padded, cells[s]);
      }
    }
    for (int s = 0; s < S; ++s) {  // apart from the above, so that the chains of series overlap
      Vec o = sigmoid(gate[s][3]), tanh_c = hyperbolic_tangent(cells[s]);
      Vec h = o * tanh_c;
      store(next[s] + v * LANES, h);
      if (TRAIN) {
        store(save[s] + 3 * padded, o);
        store(save[s] + 5 * padded, tanh_c);
        int left = units - v * LANES;
        if (left > 0) store_first(a.hidden_all + (row + s) * units + v * LANES, h, left);
      } else {
        Bits units_only;  // padding may be NaN, from infinite inputs times its zero weights
        std::memcpy(&units_only, state.units + v * LANES, sizeof(units_only));
        h = reinterpret_cast<Vec>(reinterpret_cast<Bits>(h) & units_only);
        answer[s] += h * load(state.readout + v * LANES);
      }
    }
  }
  if (!TRAIN) {
    for (int s = 0; s < S; ++s) a.predictions[row + s] = sum(answer[s]) + state.readout_bias;
  }
}

// Series start .. start + count of one replicate, through all steps; false without memory.
template <bool TRAIN>
bool forward_block(const Forward& a, int64_t replicate, int64_t start, int64_t count) {
  const Sizes& n = a.n;
  const int units = n.hidden;
  Scratch packed = pack_forward(
      n, weights_of(n, replicate, a.input_kernel, a.hidden_kernel, a.bias));
  if (!packed) return false;
  ForwardState state;
  const int64_t first = (replicate * n.batch + start) * units;
  for (int64_t s = 0; s < count; ++s) {
    std::memcpy(state.hidden[0][s], a.hidden0 + first + s * units, units * sizeof(float));
    std::memcpy(state.cell[s], a.cell0 + first + s * units, units * sizeof(float));
  }
  if (!TRAIN) {
    std::memcpy(state.readout, a.readout_kernel + replicate * units, units * sizeof(float));
    std::fill_n(state.units, units, ~uint32_t{0});
    state.readout_bias = a.readout_bias[replicate];
  }
  for (int64_t t = 0; t < n.steps; ++t) {
    for_each_part<GROUP>(count, [&](auto size, int64_t s) {
      forward_group<size(), TRAIN>(a, packed.get(), state, replicate, t, s, start + s);
    });
  }
  for (int64_t s = 0; s < count; ++s) {
    std::memcpy(a.hidden_last + first + s * units, state.hidden[n.steps % 2][s],
                units * sizeof(float));
    std::memcpy(a.cell_last + first + s * units, state.cell[s], units * sizeof(float));
  }
  return true;
}

// ---- backward ----------------------------------------------------------------------------------

struct Backward {
  Sizes n;
  const float *inputs, *input_kernel, *hidden_kernel, *bias, *hidden0, *cell0;
  const float *hidden_all, *saved;                            // as forward left them
  const float *d_hidden_all, *d_hidden_last, *d_cell_last;    // gradients that come in
  float *d_inputs, *d_input_kernel, *d_hidden_kernel, *d_bias, *d_hidden0, *d_cell0;
  float* partial;  // [R, blocks, rows, vector, gate, lane]: each block's weight gradients
};

// Some steps of a block whose gate gradients wait to be multiplied into weight gradients.
struct Chunk {
  int64_t series = 0;
  int steps = 0;
  const float* hidden[CHUNK];  // of each step: the hidden units before it, [series, hidden]
  const float* inputs[CHUNK];  // [series, inputs]
  Scratch d_gates;             // [step, series][vector][gate][lane]
};

// sums[R rows] += values' x gate gradients, where values are `stride` apart per series.
template <int R>
void add_rows(const Sizes& n, const Chunk& chunk, const float* const* values, int stride,
              int64_t row, float* sums) {
  const int gate_floats = n.gate_floats();
  for (int v = 0; v < n.vectors(); ++v) {
    float* to = sums + v * GATES * LANES;
    Vec sum[R][GATES];
    for (int r = 0; r < R; ++r) {
      for (int g = 0; g < GATES; ++g) sum[r][g] = load(to + r * gate_floats + g * LANES);
    }
    const float* d = chunk.d_gates.get() + v * GATES * LANES;
    for (int step = 0; step < chunk.steps; ++step) {
      const float* value = values[step] + row;
      for (int64_t s = 0; s < chunk.series; ++s, d += gate_floats, value += stride) {
        Vec d0 = load(d), d1 = load(d + LANES), d2 = load(d + 2 * LANES), d3 = load(d + 3 * LANES);
        for (int r = 0; r < R; ++r) {
          Vec x = all(value[r]);
          sum[r][0] += x * d0;
          sum[r][1] += x * d1;
          sum[r][2] += x * d2;
          sum[r][3] += x * d3;
        }
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int g = 0; g < GATES; ++g) store(to + r * gate_floats + g * LANES, sum[r][g]);
    }
  }
}

void add_all_rows(const Sizes& n, const Chunk& chunk, const float* const* values, int count,
                  float* sums) {
  for_each_part<ROWS>(count, [&](auto size, int64_t row) {
    add_rows<size()>(n, chunk, values, count, row, sums + row * n.gate_floats());
  });
}

void add_bias(const Sizes& n, const Chunk& chunk, float* sums) {
  const int gate_floats = n.gate_floats();
  for (int i = 0; i < gate_floats; i += LANES) {
    Vec sum = load(sums + i);
    const float* d = chunk.d_gates.get() + i;
    for (int64_t pair = 0; pair < chunk.steps * chunk.series; ++pair, d += gate_floats) {
      sum += load(d);
    }
    store(sums + i, sum);
  }
}

// partial [hidden, inputs, bias][vector][gate][lane] += the chunk's; empties the chunk.
void add_weight_gradients(const Sizes& n, Chunk& chunk, float* partial) {
  add_all_rows(n, chunk, chunk.hidden, n.hidden, partial);
  partial += int64_t{n.hidden} * n.gate_floats();
  add_all_rows(n, chunk, chunk.inputs, n.inputs, partial);
  add_bias(n, chunk, partial + int64_t{n.inputs} * n.gate_floats());
  chunk.steps = 0;
}

// What backward carries from step to step.
struct BackwardState {
  alignas(64) float d_state[BLOCK][2 * MAX_SIZE] = {};  // of hidden units and inputs
  alignas(64) float d_cell[BLOCK][MAX_SIZE] = {};
};

// Step t of S series, of which the first is `first` in the block and `series` in the replicate.
template <int S>
__attribute__((noinline)) void backward_group(const Backward& a, const float* packed,
                                              BackwardState& state, float* d_gates,
                                              int64_t replicate, int64_t t, int64_t first,
                                              int64_t series) {
  const Sizes& n = a.n;
  const int vectors = n.vectors(), padded = n.padded(), gate_floats = n.gate_floats();
  const int units = n.hidden, inputs = n.inputs, width = n.state_padded();
  float(*d_state)[2 * MAX_SIZE] = state.d_state + first;
  float(*d_cell)[MAX_SIZE] = state.d_cell + first;
  const int64_t row = (replicate * n.steps + t) * n.batch + series;
  for (int s = 0; s < S; ++s) {
    const int64_t carry = (replicate * n.batch + series + s) * units;
    const float* save =
        a.saved + ((replicate * n.batch + series + s) * n.steps + t) * SAVED * padded;
    const float* before = t > 0 ? save - (SAVED - 4) * padded : a.cell0 + carry;
    for (int v = 0; v < vectors; ++v) {
      int left = units - v * LANES;
      if (left <= 0) break;  // gradients of padding stay zero
      const float* kept = save + v * LANES;
      Vec i = load(kept), f = load(kept + padded), g = load(kept + 2 * padded);
      Vec o = load(kept + 3 * padded), tanh_c = load(kept + 5 * padded);
      Vec c_before = load_first(before + v * LANES, t > 0 ? LANES : left);
      Vec dh = load_first(d_state[s] + v * LANES, left) +  // behind it, the inputs' lanes
               load_first(a.d_hidden_all + (row + s) * units + v * LANES, left);
      Vec dh_o = dh * o;
      // 1 - y^2 is 0 where y is 1, with or without fused products; dy - dy y^2 need not be.
      Vec dc = load(d_cell[s] + v * LANES) + dh_o * (all(1.0f) - tanh_c * tanh_c);
      Vec di = dc * g, dg = dc * i, df = dc * c_before, d_o = dh * tanh_c;
      store(d_cell[s] + v * LANES, dc * f);
      float* to = d_gates + int64_t{s} * gate_floats + v * GATES * LANES;
      store(to, di * (i - i * i));
      store(to + LANES, df * (f - f * f));
      store(to + 2 * LANES, dg * (all(1.0f) - g * g));
      store(to + 3 * LANES, d_o * (o - o * o));
    }
  }
  for (int k = 0; k < width; k += LANES) {
    Vec sums[S][GATES] = {};
    for (int j = 0; j < units; ++j) {
      const float* w = packed + int64_t{j} * GATES * width + k;
      const float* d = d_gates + j / LANES * GATES * LANES + j % LANES;
      for (int g = 0; g < GATES; ++g) {
        Vec weight = load(w + g * width);
        for (int s = 0; s < S; ++s) sums[s][g] += all(d[s * gate_floats + g * LANES]) * weight;
      }
    }
    for (int s = 0; s < S; ++s) {
      store(d_state[s] + k, (sums[s][0] + sums[s][1]) + (sums[s][2] + sums[s][3]));
    }
  }
  for (int s = 0; s < S; ++s) {
    for (int k = 0; k < inputs; ++k) {
      a.d_inputs[(row + s) * inputs + k] = d_state[s][units + k];
    }
  }
}

// Series start .. start + count of one replicate, through all steps; adds to `partial`. False
// without memory.
bool backward_block(const Backward& a, int64_t replicate, int64_t start, int64_t count,
                    float* partial) {
  const Sizes& n = a.n;
  const int units = n.hidden;
  Scratch packed =
      pack_backward(n, weights_of(n, replicate, a.input_kernel, a.hidden_kernel, a.bias));
  BackwardState state;
  Chunk chunk;
  chunk.series = count;
  chunk.d_gates = scratch(CHUNK * count * n.gate_floats());
  if (!packed || !chunk.d_gates) return false;
  const int64_t first = (replicate * n.batch + start) * units;
  for (int64_t s = 0; s < count; ++s) {
    std::memcpy(state.d_state[s], a.d_hidden_last + first + s * units, units * sizeof(float));
    std::memcpy(state.d_cell[s], a.d_cell_last + first + s * units, units * sizeof(float));
  }
  for (int64_t t = n.steps - 1; t >= 0; --t) {
    const int64_t row = (replicate * n.steps + t) * n.batch + start;
    float* d_gates = chunk.d_gates.get() + chunk.steps * count * n.gate_floats();
    chunk.hidden[chunk.steps] = t > 0 ? a.hidden_all + (row - n.batch) * units : a.hidden0 + first;
    chunk.inputs[chunk.steps] = a.inputs + row * n.inputs;
    chunk.steps += 1;
    for_each_part<GROUP>(count, [&](auto size, int64_t s) {
      backward_group<size()>(a, packed.get(), state, d_gates + s * n.gate_floats(), replicate, t,
                             s, start + s);
    });
    if (t % CHUNK == 0) add_weight_gradients(n, chunk, partial);
  }
  for (int64_t s = 0; s < count; ++s) {
    std::memcpy(a.d_hidden0 + first + s * units, state.d_state[s], units * sizeof(float));
    std::memcpy(a.d_cell0 + first + s * units, state.d_cell[s], units * sizeof(float));
  }
  return true;
}

// Adds up the blocks of one replicate and unpacks the sums into the gradients' own layouts.
void reduce_weight_gradients(const Backward& a, int64_t replicate) {
  const Sizes& n = a.n;
  const int64_t floats = int64_t{n.rows()} * n.gate_floats();
  float* total = a.partial + replicate * n.blocks() * floats;
  for (int64_t block = 1; block < n.blocks(); ++block) {
    const float* other = total + block * floats;
    for (int64_t i = 0; i < floats; ++i) total[i] += other[i];
  }
  const int64_t gates = GATES * n.hidden;
  for (int k = 0; k <= n.state(); ++k) {
    float* to = k < n.hidden  ? a.d_hidden_kernel + (replicate * n.hidden + k) * gates
                : k < n.state() ? a.d_input_kernel + (replicate * n.inputs + k - n.hidden) * gates
                                : a.d_bias + replicate * gates;
    for (int g = 0; g < GATES; ++g) {
      for (int j = 0; j < n.hidden; ++j) {
        int lane = (j / LANES * GATES + g) * LANES + j % LANES;
        to[g * n.hidden + j] = total[int64_t{k} * n.gate_floats() + lane];
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
  if (size < 1 || size > MAX_SIZE) return ffi::Unexpected(bad_shape("inputs (1 to 64)"));
  if (units < 1 || units > MAX_SIZE) return ffi::Unexpected(bad_shape("hidden units (1 to 64)"));
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

ffi::Error forward(ffi::ThreadPool pool, Array inputs, Array input_kernel, Array hidden_kernel,
                   Array bias, Array hidden0, Array cell0, Result hidden_all, Result hidden_last,
                   Result cell_last, Result saved) {
  auto sizes = sizes_of(inputs, input_kernel, hidden_kernel, bias, hidden0, cell0);
  if (sizes.has_error()) return sizes.error();
  const Sizes n = *sizes;
  if (!has_shape(*hidden_all, {n.replicates, n.steps, n.batch, n.hidden}) ||
      !has_shape(*hidden_last, {n.replicates, n.batch, n.hidden}) ||
      !has_shape(*cell_last, {n.replicates, n.batch, n.hidden}) ||
      !has_shape(*saved, {n.replicates, n.batch, n.steps, SAVED, n.padded()})) {
    return bad_shape("a result of forward");
  }
  Forward a{n, inputs.typed_data(), input_kernel.typed_data(), hidden_kernel.typed_data(),
            bias.typed_data(), hidden0.typed_data(), cell0.typed_data(), n.steps,
            nullptr, nullptr, hidden_last->typed_data(), cell_last->typed_data(),
            hidden_all->typed_data(), saved->typed_data(), nullptr};
  return for_each_block(pool, n, [&](int64_t replicate, int64_t start, int64_t count, int64_t) {
    return forward_block<true>(a, replicate, start, count);
  });
}

// The inputs have as many steps as the predictions, or one that is repeated.
ffi::Error predict(ffi::ThreadPool pool, Array inputs, Array input_kernel, Array hidden_kernel,
                   Array bias, Array readout_kernel, Array readout_bias, Array hidden0, Array cell0,
                   Result predictions, Result hidden_last, Result cell_last) {
  auto sizes = sizes_of(inputs, input_kernel, hidden_kernel, bias, hidden0, cell0);
  if (sizes.has_error()) return sizes.error();
  Sizes n = *sizes;
  const int64_t input_steps = n.steps;
  if (input_steps == 1 && predictions->dimensions().size() == 3) {
    n.steps = predictions->dimensions()[1];
  }
  if (!has_shape(readout_kernel, {n.replicates, n.hidden}) ||
      !has_shape(readout_bias, {n.replicates})) {
    return bad_shape("readout");
  }
  if (!has_shape(*predictions, {n.replicates, n.steps, n.batch}) ||
      !has_shape(*hidden_last, {n.replicates, n.batch, n.hidden}) ||
      !has_shape(*cell_last, {n.replicates, n.batch, n.hidden})) {
    return bad_shape("a result of predict");
  }
  Forward a{n, inputs.typed_data(), input_kernel.typed_data(), hidden_kernel.typed_data(),
            bias.typed_data(), hidden0.typed_data(), cell0.typed_data(), input_steps,
            readout_kernel.typed_data(), readout_bias.typed_data(), hidden_last->typed_data(),
            cell_last->typed_data(), nullptr, nullptr, predictions->typed_data()};
  return for_each_block(pool, n, [&](int64_t replicate, int64_t start, int64_t count, int64_t) {
    return forward_block<false>(a, replicate, start, count);
  });
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
      !has_shape(saved, {n.replicates, n.batch, n.steps, SAVED, n.padded()})) {
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
  Scratch partial = scratch(n.replicates * n.blocks() * n.rows() * n.gate_floats());
  if (!partial) return no_memory();
  Backward a{n, inputs.typed_data(), input_kernel.typed_data(), hidden_kernel.typed_data(),
             bias.typed_data(), hidden0.typed_data(), cell0.typed_data(), hidden_all.typed_data(),
             saved.typed_data(), d_hidden_all.typed_data(), d_hidden_last.typed_data(),
             d_cell_last.typed_data(), d_inputs->typed_data(), d_input_kernel->typed_data(),
             d_hidden_kernel->typed_data(), d_bias->typed_data(), d_hidden0->typed_data(),
             d_cell0->typed_data(), partial.get()};
  ffi::Error error =
      for_each_block(pool, n, [&](int64_t replicate, int64_t start, int64_t count, int64_t item) {
        float* own = partial.get() + item * n.rows() * n.gate_floats();
        return backward_block(a, replicate, start, count, own);
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
