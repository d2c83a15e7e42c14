// Numbers of factors as constants, for loops that are compiled for each.
#pragma once

#include <stdint.h>

#include "models/records.hpp"

namespace fastfm::FASTFM_ISA {

// Calls body(constant K) with the compile-time constant for this k.
template <int K>
struct Constant {
    static constexpr int value = K;
};

// The same with as few constants as there can be: blocks of 16 serve all multiples of 16.
template <class Body>
auto with_few_k(int32_t k, Body body) {
    switch (k) {
        case 0: return body(Constant<0>{});
        case 4: return body(Constant<4>{});
        case 8: return body(Constant<8>{});
        default: return body(Constant<any_k>{});
    }
}

template <class Body>
auto with_k(int32_t k, Body body) {
    switch (k) {
        case 16: return body(Constant<16>{});
        case 32: return body(Constant<32>{});
        case 64: return body(Constant<64>{});
        default: return with_few_k(k, body);
    }
}

// The same with more constants, for the loops that most time is spent in: a number of factors without one takes 1.2 times
// as long a factor.
template <class Body>
auto with_common_k(int32_t k, Body body) {
    switch (k) {
        case 48: return body(Constant<48>{});
        case 128: return body(Constant<128>{});
        default: return with_k(k, body);
    }
}

}  // namespace fastfm::FASTFM_ISA
