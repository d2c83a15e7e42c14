// The factorization machines of a multinomial model, one a class.
#pragma once

#include <stdint.h>

#include "types/parameters.hpp"

namespace fastfm {

struct Machines {
    const Params* params;  // (n_classes,): they share no memory
    int32_t n_classes;
    float* scores;  // (n_classes,): room for those of a row
};

}  // namespace fastfm
