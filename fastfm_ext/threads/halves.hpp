// Tables in halves, where threads work on copies of them.
#pragma once

#include <memory>

#include "math/random.hpp"
#include "types/parameters.hpp"

namespace fastfm {

// Adds what a copy of a record in halves, (1 + n_slots, width), has learned since it was like `before`.
void add_changes(uint16_t* record, const uint16_t* copy, const uint16_t* before, int64_t length, int64_t width,
                 SplitMix64& random);

// Parameters whose tables in halves are copied as float32, and can be put back from there, rounded stochastically.
class AsFloats {
  public:
    explicit AsFloats(const Params& params);

    const Params& params() const { return wide_; }
    void put_back() const;

  private:
    Params narrow_, wide_;
    std::unique_ptr<float[]> memory_[max_tables];
};

}  // namespace fastfm
