#include "threads/halves.hpp"

#include "math/half.hpp"

namespace fastfm {

namespace {

float as_float(uint16_t value, bool is_parameter) {
    return is_parameter ? float_of_half(value) : float_of_bfloat(value);
}

uint16_t rounded(float value, bool is_parameter, SplitMix64& random) {
    const auto bits = static_cast<uint32_t>(random.next() >> 32);
    return is_parameter ? half_of_float(value, bits >> (32 - bits_below_half)) : bfloat_of_float(value, bits & 0xffffu);
}

// Calls body(t, place of a value, whether it is a parameter) for all values in halves.
template <class Body>
void for_each_half(const Params& params, Body body) {
    for (int t = 0; t < params.n_tables; ++t) {
        const Table& table = params.tables[t];
        if (table.storage != Storage::half) continue;
        for (int64_t s = 0; s < table.n_rows * (1 + params.n_slots); ++s)
            for (int64_t f = 0; f < table.width; ++f) body(t, s * table.width + f, s % (1 + params.n_slots) == 0);
    }
}

}  // namespace

void add_changes(uint16_t* record, const uint16_t* copy, const uint16_t* before, int64_t length, int64_t width,
                 SplitMix64& random) {
    for (int64_t l = 0; l < length; ++l) {
        const bool is_parameter = l < width;
        const float change = as_float(copy[l], is_parameter) - as_float(before[l], is_parameter);
        record[l] = rounded(as_float(record[l], is_parameter) + change, is_parameter, random);
    }
}

AsFloats::AsFloats(const Params& params) : narrow_(params), wide_(params) {
    for (int t = 0; t < params.n_tables; ++t) {
        Table& table = wide_.tables[t];
        if (table.storage != Storage::half) continue;
        memory_[t].reset(new float[table.n_rows * (1 + params.n_slots) * table.width]);
        table.records = memory_[t].get();
        table.storage = Storage::float32;
    }
    for_each_half(narrow_, [this](int t, int64_t at, bool is_parameter) {
        memory_[t][at] = as_float(narrow_.tables[t].halves[at], is_parameter);
    });
}

void AsFloats::put_back() const {
    SplitMix64 random(narrow_.seed);
    for_each_half(narrow_, [&](int t, int64_t at, bool is_parameter) {
        narrow_.tables[t].halves[at] = rounded(memory_[t][at], is_parameter, random);
    });
}

}  // namespace fastfm
