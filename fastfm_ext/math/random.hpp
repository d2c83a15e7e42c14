// Random numbers: SplitMix64 (Steele, Lea, Flood 2014, "Fast Splittable Pseudorandom Number Generators").
//
// ISA units have it in their own namespaces: the linker would merge its inline functions across instruction sets.
#pragma once

#include <stdint.h>

#if defined(FASTFM_ISA)
namespace fastfm::FASTFM_ISA {
#else
namespace fastfm {
#endif

class SplitMix64 {
  public:
    explicit SplitMix64(uint64_t seed = 0) : state_(seed) {}

    // Stream number `stream` of a seed, from a state that has nothing to do with its neighbours'.
    static SplitMix64 of(uint64_t seed, int64_t stream) {
        SplitMix64 parent(seed + static_cast<uint64_t>(stream) * gamma);
        return SplitMix64(parent.next());
    }

    uint64_t next() {
        uint64_t z = (state_ += gamma);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    // A number below n, for n < 2^32. The bias is below n / 2^32.
    uint32_t below(uint32_t n) { return scaled(next(), n); }

    // The upper half of `bits` as a number below n, the lower half as one in [0, 1).
    static uint32_t scaled(uint64_t bits, uint32_t n) { return static_cast<uint32_t>(((bits >> 32) * n) >> 32); }
    static float fraction(uint64_t bits) { return static_cast<float>((bits & 0xffffffff) >> 8) * 0x1p-24f; }

  private:
    static constexpr uint64_t gamma = 0x9e3779b97f4a7c15;

    uint64_t state_;
};

}  // namespace fastfm::FASTFM_ISA, or fastfm
