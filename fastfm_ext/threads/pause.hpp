// A turn of a loop that waits for another thread: leaves the core to the hyperthread beside it.
#pragma once

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace fastfm {

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace fastfm
