// Vectors of float32 as wide as the CPU that is compiled for has them, and functions of them.

#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16;
constexpr int GROUP = 5;  // 5 x 4 sums + 4 weights + 1 value in 32 registers
#elif defined(__AVX__)
constexpr int LANES = 8;
constexpr int GROUP = 2;  // 16 registers
#elif defined(__ARM_NEON)
constexpr int LANES = 4;
constexpr int GROUP = 5;  // 32 registers
#else
constexpr int LANES = 4;
constexpr int GROUP = 2;
#endif

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

inline float dot(const float* a, const float* b, int count) {
  Vec products{};
  for (int i = 0; i < count; i += LANES) {
    products += load_first(a + i, count - i) * load_first(b + i, count - i);
  }
  return sum(products);
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

}  // namespace
