// What the units of AVX-512 begin with.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// GCC's own intrinsics leave registers undefined on purpose, and it warns of them.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define FASTFM_ISA avx512
