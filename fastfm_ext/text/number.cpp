#include "text/number.hpp"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <charconv>

#if !defined(__cpp_lib_to_chars) || defined(FASTFM_NO_FROM_CHARS)
#define FASTFM_STRTOD 1
#include <locale.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif
#endif

namespace fastfm {
namespace text {

const double powers_of_ten[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
const uint64_t whole_powers[20] = {1,
                                   10,
                                   100,
                                   1000,
                                   10000,
                                   100000,
                                   1000000,
                                   10000000,
                                   100000000,
                                   1000000000,
                                   10000000000,
                                   100000000000,
                                   1000000000000,
                                   10000000000000,
                                   100000000000000,
                                   1000000000000000,
                                   10000000000000000,
                                   100000000000000000,
                                   1000000000000000000,
                                   10000000000000000000u};

namespace {

bool is_digit(uint8_t c) { return static_cast<uint8_t>(c - '0') < 10; }

// Whether the letters at p are these, in upper or lower case.
bool is_word(const uint8_t* p, const char* word) {
    for (; *word; ++p, ++word) {
        if ((*p | 0x20) != *word) return false;
    }
    return true;
}

// The double nearest to the decimal [first, last); what overflows or underflows is told by `magnitude`, the power of ten
// that its first digit other than 0 stands for.
double nearest_double(const char* first, const char* last, int64_t magnitude) {
#ifdef FASTFM_STRTOD
    // LLVM's C++ library had no from_chars for a double for long; the C libraries have strtod for a locale.
    (void)magnitude;
    char copy[most_characters + 1];
    memcpy(copy, first, static_cast<size_t>(last - first));
    copy[last - first] = '\0';
#ifdef _WIN32
    static const _locale_t c_locale = _create_locale(LC_ALL, "C");
    return _strtod_l(copy, nullptr, c_locale);
#else
    static const locale_t c_locale = newlocale(LC_ALL_MASK, "C", static_cast<locale_t>(nullptr));
    return strtod_l(copy, nullptr, c_locale);
#endif
#else
    double value = 0.0;
    if (std::from_chars(first, last, value).ec == std::errc::result_out_of_range) {
        return magnitude > 0 ? HUGE_VAL : 0.0;
    }
    return value;
#endif
}

// An exponent at p as in "e-12", none as 0. Returns its end, or null for an "e" without digits.
const uint8_t* read_exponent(const uint8_t* p, int64_t& exponent) {
    exponent = 0;
    if ((*p | 0x20) != 'e') return p;
    const bool negative = *++p == '-';
    if (*p == '-' || *p == '+') ++p;
    if (!is_digit(*p)) return nullptr;
    for (; is_digit(*p); ++p) {
        if (exponent < 100000) exponent = exponent * 10 + (*p - '0');
    }
    if (negative) exponent = -exponent;
    return p;
}

}  // namespace

const uint8_t* read_long_number(const uint8_t* p, double& value) noexcept {
    const bool negative = *p == '-';
    if (*p == '-' || *p == '+') ++p;
    if (is_word(p, "nan") || is_word(p, "inf")) {
        value = *p == 'n' || *p == 'N' ? NAN : HUGE_VAL;
        return p + (is_word(p, "infinity") ? 8 : 3);
    }
    const uint8_t* const first = p;
    // Digits with the point left out: w, and how many of them stand before the point and behind it.
    uint64_t w = 0;
    int64_t n_whole = 0, n_decimals = 0, n_significant = 0, leading_zeros = 0;
    for (int64_t* n = &n_whole; is_digit(*p) || (*p == '.' && n == &n_whole); ++p) {
        if (*p == '.') {
            n = &n_decimals;
            continue;
        }
        ++*n;
        if (n_significant == 0 && *p == '0') {
            ++leading_zeros;
        } else if (++n_significant <= 19) {
            w = w * 10 + (*p - '0');
        }
    }
    int64_t exponent;
    if (n_whole + n_decimals == 0 || !(p = read_exponent(p, exponent)) || p - first > most_characters) return nullptr;
    const int64_t power = exponent - n_decimals;
    double x;
    if (n_significant == 0) {
        x = 0.0;
    } else if (n_significant <= 19 && w <= (uint64_t(1) << 53) && power >= -22 && power <= 22) {
        const double digits = static_cast<double>(w);
        x = power < 0 ? digits / powers_of_ten[-power] : digits * powers_of_ten[power];
    } else {
        const char* const begin = reinterpret_cast<const char*>(first);
        x = nearest_double(begin, reinterpret_cast<const char*>(p), n_whole - leading_zeros + exponent);
    }
    value = negative ? -x : x;
    return p;
}

char* write_integer(char* out, int64_t x) noexcept {
    uint64_t rest = x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x);
    if (x < 0) *out++ = '-';
    char digits[20];
    int n = 0;
    do {
        digits[n++] = static_cast<char>('0' + rest % 10);
        rest /= 10;
    } while (rest);
    while (n) *out++ = digits[--n];
    return out;
}

namespace {

// w / 10^n_decimals, without an exponent.
char* write_decimal(char* out, uint64_t w, int n_decimals) {
    out = write_integer(out, static_cast<int64_t>(w / whole_powers[n_decimals]));
    if (n_decimals == 0) return out;
    *out++ = '.';
    uint64_t rest = w % whole_powers[n_decimals];
    for (int n = n_decimals - 1; n >= 0; --n) {
        out[n] = static_cast<char>('0' + rest % 10);
        rest /= 10;
    }
    return out + n_decimals;
}

// Very large and very small: the fewest digits that read back as the same, by trial.
char* write_scientific(char* out, double x) {
    char* end = out;
    for (int n_digits = 1; n_digits <= 17; ++n_digits) {
        char text[longest_number];
        snprintf(text, sizeof text, "%.*e", n_digits - 1, x);
        end = out;
        const char* c = text;
        for (; *c != 'e'; ++c) {
            if (end == out + 1) *end++ = '.';
            // What the locale puts between the first two digits need not be a point.
            if (is_digit(static_cast<uint8_t>(*c))) *end++ = *c;
        }
        if (end == out + 2) --end;
        while (*c) *end++ = *c++;
        uint8_t copy[longest_number + slack] = {};
        memcpy(copy, out, static_cast<size_t>(end - out));
        double again = 0.0;
        read_number(copy, again);
        if (static_cast<float>(again) == static_cast<float>(x)) break;
    }
    return end;
}

}  // namespace

char* write_float(char* out, float x) noexcept {
    if (signbit(x)) {
        *out++ = '-';
        x = -x;
    }
    const double exact = x;
    if (exact == 0.0) return write_integer(out, 0);
    if (exact >= 1e-5 && exact < 1e9) {
        for (int n_decimals = 0; n_decimals <= 14; ++n_decimals) {
            const double w = floor(exact * powers_of_ten[n_decimals] + 0.5);
            if (w > 1e15) break;
            // The same quotient that read_number takes: no reading back is needed.
            if (static_cast<float>(w / powers_of_ten[n_decimals]) == x) {
                return write_decimal(out, static_cast<uint64_t>(w), n_decimals);
            }
        }
    }
    return write_scientific(out, exact);
}

}  // namespace text
}  // namespace fastfm
