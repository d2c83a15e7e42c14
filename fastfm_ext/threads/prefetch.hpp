// Asks for memory that will be needed soon. For baseline code: the kernels have their own, in math/vec.hpp.
#pragma once

namespace fastfm {

inline void prefetch(const void* address) {
#if defined(__GNUC__)
    __builtin_prefetch(address);
#else
    (void)address;
#endif
}

}  // namespace fastfm
