// Decimal text and numbers: exact reading, and writing that reads back as the same float. Pure; no memory of their own.
#pragma once

#include <stdint.h>

#if defined(__SSE2__) || defined(_M_X64)
#define FASTFM_SSE2 1
#include <emmintrin.h>
#endif
#ifdef _MSC_VER
#include <intrin.h>
#endif

namespace fastfm {
namespace text {

constexpr int longest_number = 32;     // characters that write_float and write_integer may need
constexpr int slack = 64;              // characters that reading may look at behind those that it takes
constexpr int most_characters = 1000;  // of a number in the text; a longer one is not read

// The word of the eight characters at p, the first in the lowest byte.
inline uint64_t load_word(const uint8_t* p) {
    return uint64_t(p[0]) | uint64_t(p[1]) << 8 | uint64_t(p[2]) << 16 | uint64_t(p[3]) << 24 | uint64_t(p[4]) << 32 |
           uint64_t(p[5]) << 40 | uint64_t(p[6]) << 48 | uint64_t(p[7]) << 56;
}

inline int trailing_zeros(uint64_t x) {
#ifdef _MSC_VER
    unsigned long n = 0;
    return _BitScanForward64(&n, x) ? static_cast<int>(n) : 64;
#else
    return __builtin_ctzll(x);
#endif
}

// A word whose bytes have their highest bit set where the character is no digit, up to the first of these: behind it, a
// digit may be taken for something else.
inline uint64_t other_than_digits(uint64_t word) {
    const uint64_t digits = word ^ 0x3030303030303030;  // a digit's byte is now 0 to 9
    return ((digits + 0x7676767676767676) | digits) & 0x8080808080808080;
}

// The value of the first n digits of a word, 0 <= n <= 8; see Mula, "SIMD-ized faster parse of integers" (2014).
inline uint64_t value_of_digits(uint64_t word, int n) {
    // In two shifts, since one of 64 bits is none.
    const uint64_t digits = (word ^ 0x3030303030303030) << ((8 - n) * 4) << ((8 - n) * 4);
    const uint64_t pairs = digits * 10 + (digits >> 8);
    return ((pairs & 0x000000ff000000ff) * 0x000f424000000064 +
            ((pairs >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
           32;
}

// Up to eight digits at p: their number as the result, their value in `value`.
inline int read_digits(const uint8_t* p, uint64_t& value) {
    const uint64_t word = load_word(p);
    const uint64_t others = other_than_digits(word);
    const int n = others ? trailing_zeros(others) / 8 : 8;
    value = value_of_digits(word, n);
    return n;
}

// Bit c is set where character p[c] is no digit, for 32 characters.
inline uint64_t find_others(const uint8_t* p) {
#ifdef FASTFM_SSE2
    uint64_t others = 0;
    for (int c = 0; c < 32; c += 16) {
        const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + c));
        const __m128i digits = _mm_sub_epi8(text, _mm_set1_epi8('0'));
        const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits);
        others |= static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(is_digit)) ^ 0xffffu) << c;
    }
    return others;
#else
    uint64_t others = 0;
    for (int c = 0; c < 32; c += 8) {
        // Exact for every byte: no sum of seven bits carries into the next byte.
        const uint64_t digits = load_word(p + c) ^ 0x3030303030303030;
        const uint64_t marks = (((digits & 0x7f7f7f7f7f7f7f7f) + 0x7676767676767676) | digits) & 0x8080808080808080;
        others |= ((marks >> 7) * 0x0102040810204080 >> 56) << c;
    }
    return others;
#endif
}

extern const double powers_of_ten[23];   // 10^0 .. 10^22, all exact
extern const uint64_t whole_powers[20];  // 10^0 .. 10^19

// What follows a sign, a few digits and a point is not the usual short decimal; see read_number.
const uint8_t* read_long_number(const uint8_t* p, double& value) noexcept;

// The number at p, as [+-] digits [. digits] [e [+-] digits], with digits before or behind the point: rounded to double
// as Python's float() does it. Returns the end of its characters, or null where there is no number. NaN stands for "nan"
// and infinity for "inf", "infinity" and what is too large for a double.
//
// w / 10^n is exact but for one rounding when w <= 2^53 and n <= 22: Clinger, "How to read floating point numbers
// accurately" (1990). So it is for up to 7 digits before the point and up to 7 behind it.
inline const uint8_t* read_number(const uint8_t* p, double& value) {
    const bool negative = *p == '-';
    const uint8_t* q = p + (negative | (*p == '+'));
    uint64_t whole;
    const int n_whole = read_digits(q, whole);
    if (n_whole == 0 || n_whole == 8) return read_long_number(p, value);
    q += n_whole;
    double x = static_cast<double>(whole);
    if (*q == '.') {
        uint64_t decimals;
        const int n_decimals = read_digits(++q, decimals);
        if (n_decimals == 8) return read_long_number(p, value);
        q += n_decimals;
        x = static_cast<double>(whole * whole_powers[n_decimals] + decimals) / powers_of_ten[n_decimals];
    }
    if ((*q | 0x20) == 'e') return read_long_number(p, value);
    value = negative ? -x : x;
    return q;
}

// The usual "12345:-0.25" or "12345:1": an id of at most 8 digits, a colon, a number of at most 7 digits before the point
// and 16 behind it, and a space or line feed, all within 32 characters. Returns the end of the number, or null for
// everything else, wrong or right.
//
// The places of the colon, the point and the end are found at once and without a branch on any length: a processor
// cannot foresee lengths, and the next entry has to wait for nothing but the end of this one.
inline const uint8_t* read_usual_entry(const uint8_t* p, int64_t& id, double& value) {
    uint64_t others = find_others(p);
    if (others == 0) return nullptr;
    const int colon = trailing_zeros(others);
    const uint64_t behind_colon = uint64_t(2) << colon;
    const int has_sign = (others & behind_colon) != 0;
    const int first = colon + 1 + has_sign;
    others &= (others - 1) & ~behind_colon;
    const int point = trailing_zeros(others | uint64_t(1) << 63);
    if (colon == 0 || colon > 8 || p[colon] != ':' || (has_sign && p[colon + 1] != '-')) return nullptr;
    if (point == first || point - first > 7) return nullptr;
    int end = point;
    // One digit before the point and up to eight behind it are what is most frequent, and so foreseen.
    uint64_t w = point - first == 1 ? p[first] - uint64_t('0') : value_of_digits(load_word(p + first), point - first);
    double x;
    if (p[point] == '.') {
        others &= others - 1;
        end = trailing_zeros(others | uint64_t(1) << 63);
        const int n_decimals = end - point - 1;
        const uint8_t* const decimals = p + point + 1;
        if (n_decimals <= 8) {
            w = w * whole_powers[n_decimals] + value_of_digits(load_word(decimals), n_decimals);
        } else {
            if (n_decimals > 16) return nullptr;
            w = w * whole_powers[8] + value_of_digits(load_word(decimals), 8);
            if (w >= 10000000000) return nullptr;  // with eight more digits the product could overflow
            w = w * whole_powers[n_decimals - 8] + value_of_digits(load_word(decimals + 8), n_decimals - 8);
            if (w > (uint64_t(1) << 53)) return nullptr;
        }
        x = static_cast<double>(static_cast<int64_t>(w)) / powers_of_ten[n_decimals];
    } else {
        x = static_cast<double>(static_cast<int64_t>(w));
    }
    if (end > 31 || (p[end] != ' ' && p[end] != '\n')) return nullptr;
    id = static_cast<int64_t>(value_of_digits(load_word(p), colon));
    value = has_sign ? -x : x;
    return p + end;
}

// Writes x as a short decimal that read_number, rounded to float, gives back; returns the end.
char* write_float(char* out, float x) noexcept;

char* write_integer(char* out, int64_t x) noexcept;

}  // namespace text
}  // namespace fastfm
