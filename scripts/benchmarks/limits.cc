// How fast a core does what the kernel is made of, when it does nothing else.

#include "vectors.h"

extern "C" {

int lanes() { return LANES; }

// `rounds` times SUMS multiply-adds of vectors, as many at once as hide how long one takes.
constexpr int SUMS = 10;
int sums() { return SUMS; }
float multiply_adds(int64_t rounds, const float* factor) {
  Vec a = load(factor), b = load(factor + LANES), sum[SUMS] = {};
  for (int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < SUMS; ++i) sum[i] = sum[i] * a + b;
  }
  Vec total{};
  for (int i = 0; i < SUMS; ++i) total += sum[i];
  return total[0];
}

// `rounds` times VECTORS of a function, from the first-level cache and back.
constexpr int VECTORS = 16;
int vectors() { return VECTORS; }
void sigmoids(int64_t rounds, float* values) {
  for (int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < VECTORS * LANES; i += LANES) store(values + i, sigmoid(load(values + i)));
  }
}
void tangents(int64_t rounds, float* values) {
  for (int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < VECTORS * LANES; i += LANES) {
      store(values + i, hyperbolic_tangent(load(values + i)));
    }
  }
}
}
