// How records lie in memory, whose values are Vec<W> in registers.
//
//   Float32   as they are
//   Half      parameters in float16, their state in bfloat16, rounded stochastically (math/half.hpp). To the nearest, small
//             steps on a parameter would all vanish, and so would small squares that a sum of squares takes in.
//
// A storage has a type for a `Value` in memory, load<W>(from, slot), where slot 0 has the parameters and others have their
// state, eight_floats(from, room) and one_float(value) of parameters, and a `Rounding`, which begins from a seed. Its
// row<W>() is asked for at each row and has next(), for each W records, and store(value, slot, to).
#pragma once

#include "math/half_lanes.hpp"
#include "math/random.hpp"
#include "math/vec.hpp"

namespace fastfm::FASTFM_ISA {

struct Float32 {
    using Value = float;

    template <int W>
    FASTFM_INLINE static Vec<W> load(const float* from, int = 0) {
        return Vec<W>::load(from);
    }

    static const float* eight_floats(const float* from, float*) { return from; }

    static float one_float(float value) { return value; }

    template <int W>
    struct OfRow {
        void next() {}
        void store(Vec<W> value, int, float* to) const { value.store(to); }
    };

    struct Rounding {
        explicit Rounding(uint64_t) {}

        template <int W>
        OfRow<W> row() {
            return {};
        }
    };
};

// The place where a row's random bits begin: upper bits of a linear congruential generator modulo 2^64 (Knuth, "The Art of
// Computer Programming", 3.3.4). More of them, for each record, would take longer than the rest of a step.
class HalfRounding {
  public:
    explicit HalfRounding(uint64_t seed) : state_(SplitMix64(seed).next()) {}

    template <int W>
    struct OfRow {
        RandomLanes<W> random;

        void next() { random.next(); }

        FASTFM_INLINE void store(Vec<W> value, int slot, uint16_t* to) const {
            if (slot)
                HalfLanes<W>::store_bfloat(value, random, to);
            else
                HalfLanes<W>::store_half(value, random, to);
        }
    };

    template <int W>
    FASTFM_INLINE OfRow<W> row() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return {RandomLanes<W>::from(static_cast<uint16_t>(state_ >> 48))};
    }

  private:
    uint64_t state_;
};

struct Half {
    using Value = uint16_t;
    using Rounding = HalfRounding;

    template <int W>
    FASTFM_INLINE static Vec<W> load(const uint16_t* from, int slot = 0) {
        return slot ? HalfLanes<W>::load_bfloat(from) : HalfLanes<W>::load_half(from);
    }

    static const float* eight_floats(const uint16_t* from, float* room) {
        constexpr int lanes = max_lanes < 8 ? max_lanes : 8;
        for (int l = 0; l < 8; l += lanes) load<lanes>(from + l).store(room + l);
        return room;
    }

    static float one_float(uint16_t value) { return float_of_half(value); }
};

}  // namespace fastfm::FASTFM_ISA
