// How a call ended.
#pragma once

#include <stdint.h>

namespace fastfm {

enum class StatusCode : int32_t { ok = 0, non_finite = 1, out_of_memory = 2 };

struct Status {
    StatusCode code;
    int64_t row;  // where it happened, or -1
};

}  // namespace fastfm
