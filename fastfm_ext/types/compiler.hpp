// Words that compilers spell differently.
#pragma once

// Behind a switch that has a case for every enumerator.
#if defined(_MSC_VER)
#define FASTFM_UNREACHABLE() __assume(0)
#else
#define FASTFM_UNREACHABLE() __builtin_unreachable()
#endif

// A condition that hardly ever holds: a branch on it costs nothing, where a choice between two values would be waited for.
#if defined(__GNUC__)
#define FASTFM_RARELY(condition) (__builtin_expect(!!(condition), 0))
#else
#define FASTFM_RARELY(condition) (condition)
#endif

// For what runs once a row: a call would make the caller put its registers into memory and take them back. Copies would
// make gcov count the branches of each by themselves.
#if defined(_MSC_VER)
#define FASTFM_INLINE __forceinline
#define FASTFM_INLINE_LAMBDA
#elif defined(FASTFM_COVERAGE)
#define FASTFM_INLINE inline
#define FASTFM_INLINE_LAMBDA
#else
#define FASTFM_INLINE inline __attribute__((always_inline))
#define FASTFM_INLINE_LAMBDA __attribute__((always_inline))
#endif

// For short loops over registers in an array, before a long body: GCC would leave them as loops, and the array in memory.
#if defined(__clang__)
#define FASTFM_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define FASTFM_UNROLL _Pragma("GCC unroll 16")
#else
#define FASTFM_UNROLL
#endif
