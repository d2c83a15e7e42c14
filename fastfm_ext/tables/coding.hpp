// Columns of values as codes: equal values get equal numbers, 0, 1, ... in the order of their first rows. Also texts and
// their hashes. Baseline flags only.
#pragma once

#include "types/status.hpp"

namespace fastfm {

// Texts as Arrow lays them out. Of `offsets32`, `offsets64` and `views` one is there.
// With offsets: text r is bytes[offsets[r] .. offsets[r + 1]).
// With views: 16 bytes for each text, its length first; up to 12 bytes stand in the view itself, longer ones at
// buffers[buffer] + offset, which are the last 8 bytes of the view.
struct Texts {
    int64_t n;
    const uint8_t* valid;  // (n,): 0 where the text is missing; or null: none is
    const uint8_t* bytes;
    const int32_t* offsets32;  // (n + 1,)
    const int64_t* offsets64;  // (n + 1,)
    const uint8_t* views;      // (n, 16)
    const uint8_t* const* buffers;
};

// What coding a column of n rows gives.
struct Coding {
    int32_t* codes;      // (n,): the number of each row's value, -1 where it is missing
    int64_t* first;      // (n,): for each number the first row with this value; the rest stays untouched
    int64_t n_distinct;  // out
};

// Codes whole numbers. A table of all numbers between the least and the largest where these are not many more than rows,
// else a hash table: O(n) time, memory for the table. `valid` (n,) may be null.
Status code_ints(const int64_t* values, int64_t n, const uint8_t* valid, Coding* out) noexcept;

// Codes texts, byte for byte, through a hash table: O(bytes) time.
Status code_texts(const Texts& texts, Coding* out) noexcept;

// What an object of another language holds: a text in UTF-8, which stays where it is as long as the object, nothing, or
// something else.
enum class ObjectKind : int32_t { text = 0, missing = 1, other = 2 };
using ReadObject = ObjectKind (*)(void* object, const uint8_t** utf8, int64_t* size);

// Codes texts that are objects, (n,) pointers to them, as code_texts does; `read` looks into one. Where an object is
// neither text nor missing, n_distinct becomes -1 and the rest is worth nothing.
Status code_objects(void* const* objects, int64_t n, ReadObject read, Coding* out) noexcept;

// Fills `offsets` (n_rows + 1,) with where the texts of the given rows begin when they stand one after the other, and
// copies them to `bytes` unless it is null.
void take_texts(const Texts& texts, const int64_t* rows, int64_t n_rows, int64_t* offsets, uint8_t* bytes) noexcept;

// Hashes texts by MurmurHash3_x86_32 (Austin Appleby, public domain), read as a signed number.
void murmur3(const uint8_t* bytes, const int64_t* offsets, int64_t n, uint32_t seed, int32_t* out) noexcept;

}  // namespace fastfm
