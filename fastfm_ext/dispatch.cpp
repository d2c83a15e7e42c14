#include "dispatch.hpp"

#if defined(FASTFM_X86)
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace fastfm {

namespace baseline {
extern const Kernels kernels;
}

#if defined(FASTFM_X86)

namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}

namespace {

struct CpuidRegisters {
    uint32_t eax, ebx, ecx, edx;
};

CpuidRegisters cpuid(uint32_t leaf) noexcept {
    CpuidRegisters r{0, 0, 0, 0};
#if defined(_MSC_VER)
    int regs[4];
    __cpuid(regs, 0);
    if (static_cast<uint32_t>(regs[0]) < leaf) return r;
    __cpuidex(regs, static_cast<int>(leaf), 0);
    r = {static_cast<uint32_t>(regs[0]), static_cast<uint32_t>(regs[1]), static_cast<uint32_t>(regs[2]),
         static_cast<uint32_t>(regs[3])};
#else
    __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
    return r;
}

// The register states that the operating system saves (XCR0); only to be read when cpuid shows OSXSAVE.
uint64_t saved_states() noexcept {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t{high} << 32) | low;
#endif
}

constexpr bool has(uint64_t word, uint64_t bits) { return (word & bits) == bits; }

struct Features {
    bool avx2 = false;
    bool avx512 = false;
};

Features detect() noexcept {
    constexpr uint32_t fma = 1u << 12, popcnt = 1u << 23, osxsave = 1u << 27, avx = 1u << 28,
                       f16c = 1u << 29;                                              // leaf 1, ecx
    constexpr uint32_t avx2_bit = 1u << 5, avx512f = 1u << 16, avx512dq = 1u << 17;  // leaf 7, ebx
    constexpr uint32_t avx512bw = 1u << 30, avx512vl = 1u << 31;
    constexpr uint64_t ymm_state = 0x06, zmm_state = 0xe6;

    Features features;
    if (!has(cpuid(1).ecx, fma | popcnt | osxsave | avx | f16c)) return features;
    const uint64_t states = saved_states();
    const uint32_t extended = cpuid(7).ebx;
    features.avx2 = has(states, ymm_state) && has(extended, avx2_bit);
    features.avx512 =
        features.avx2 && has(states, zmm_state) && has(extended, avx512f | avx512dq | avx512bw | avx512vl);
    return features;
}

}  // namespace

const Kernels* const* compiled_kernels() noexcept {
    static const Kernels* const tables[] = {&avx512::kernels, &avx2::kernels, &baseline::kernels, nullptr};
    return tables;
}

bool is_supported(const Kernels& kernels) noexcept {
    static const Features features = detect();
    if (&kernels == &avx512::kernels) return features.avx512;
    if (&kernels == &avx2::kernels) return features.avx2;
    return true;
}

#else

const Kernels* const* compiled_kernels() noexcept {
    static const Kernels* const tables[] = {&baseline::kernels, nullptr};
    return tables;
}

bool is_supported(const Kernels&) noexcept { return true; }

#endif

#define FASTFM_STRINGIFY_(value) #value
#define FASTFM_STRINGIFY(value) FASTFM_STRINGIFY_(value)

const char* compiler() noexcept {
#if defined(__clang__)
    return "Clang " __clang_version__;
#elif defined(__GNUC__)
    return "GCC " __VERSION__;
#elif defined(_MSC_VER)
    return "MSVC " FASTFM_STRINGIFY(_MSC_FULL_VER);
#else
    return "unknown";
#endif
}

}  // namespace fastfm
