#include "tables/coding.hpp"

#include <string.h>

#include <algorithm>
#include <vector>

#include "threads/fan_out.hpp"
#include "threads/prefetch.hpp"
#include "types/compiler.hpp"

namespace fastfm {

namespace {

constexpr uint64_t mixer = 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio, made odd

uint64_t mix(uint64_t x) {
    x *= mixer;
    return x ^ (x >> 32);
}

// What tells values apart: equal values have equal keys. Where the key says all of the value, the converse holds, too.
struct Key {
    uint64_t a, b;
    int64_t size;  // of a text; 0 for a number; `missing` for no value, `other` for one that has no code
};

constexpr int64_t missing = -1, other = -2;

bool operator==(Key x, Key y) { return x.a == y.a && x.b == y.b && x.size == y.size; }

uint64_t hash_of(Key key) { return mix(key.a ^ mix(key.b + static_cast<uint64_t>(key.size))) * mixer >> 20; }

// An open-addressing table from keys to codes.
class CodeTable {
  public:
    CodeTable() : slots_(1024, Slot{{0, 0, 0}, -1}), mask_(1023) {}

    // The code of the value with this key for which same(code), or n_distinct if it is new, which it then no longer is.
    template <class Same>
    int32_t find(Key key, int32_t n_distinct, Same same) {
        for (uint64_t at = hash_of(key) & mask_;; at = (at + 1) & mask_) {
            Slot& slot = slots_[at];
            if (slot.code < 0) {
                slot = {key, n_distinct};
                if (static_cast<uint64_t>(2 * n_distinct) > mask_) grow();
                return n_distinct;
            }
            if (slot.key == key && same(slot.code)) return slot.code;
        }
    }

  private:
    struct Slot {
        Key key;
        int32_t code;
    };

    void grow() {
        std::vector<Slot> old(4 * slots_.size(), Slot{{0, 0, 0}, -1});
        old.swap(slots_);
        mask_ = slots_.size() - 1;
        for (const Slot& slot : old) {
            if (slot.code < 0) continue;
            uint64_t at = hash_of(slot.key) & mask_;
            while (slots_[at].code >= 0) at = (at + 1) & mask_;
            slots_[at] = slot;
        }
    }

    std::vector<Slot> slots_;
    uint64_t mask_;
};

constexpr int64_t rows_per_guess = 1024;

// Codes the n values whose keys are key_of(row), and that are equal where their keys are and same(key, row, row) holds.
template <class KeyOf, class Same>
void code_by_hash(int64_t n, KeyOf key_of, Same same, Coding* out) {
    CodeTable table;
    int32_t* codes = out->codes;
    int64_t* first = out->first;
    int32_t n_distinct = 0, last_code = -1;
    Key last_key{0, 0, -1};
    // Equal values often stand in neighbouring rows, and then need no look into the table. Where they do not, to ask costs
    // more than to look: the processor cannot foresee the answer.
    bool look_back = false;
    int n_alike = 0;
    for (int64_t r = 0; r < n; ++r) {
        if (r % rows_per_guess == 0) {
            look_back = n_alike > rows_per_guess / 4 * 3;
            n_alike = 0;
        }
        const Key key = key_of(r);
        if (key.size < 0) {
            codes[r] = -1;
            if (key.size == missing) continue;
            out->n_distinct = -1;
            return;
        }
        int32_t code = last_code;
        if (!look_back || !(key == last_key) || !same(key, first[last_code], r)) {
            code = table.find(key, n_distinct, [&](int32_t c) { return same(key, first[c], r); });
            if (code == n_distinct) first[n_distinct++] = r;
        }
        n_alike += code == last_code;
        last_key = key;
        codes[r] = last_code = code;
    }
    out->n_distinct = n_distinct;
}

// A table of this many numbers costs less than hashing the rows.
int64_t direct_limit(int64_t n) { return 2 * n + 65536; }

void code_by_table(const int64_t* values, int64_t n, const uint8_t* valid, int64_t low, int64_t width, Coding* out) {
    std::vector<int32_t> table(static_cast<size_t>(width), -1);
    int32_t n_distinct = 0;
    for (int64_t r = 0; r < n; ++r) {
        if (valid && !valid[r]) {
            out->codes[r] = -1;
            continue;
        }
        int32_t& code = table[values[r] - low];
        if (code < 0) {
            out->first[n_distinct] = r;
            code = n_distinct++;
        }
        out->codes[r] = code;
    }
    out->n_distinct = n_distinct;
}

struct Text {
    const uint8_t* begin;
    int64_t size;
};

template <class Word>
uint64_t load(const uint8_t* at) {
    Word word;
    memcpy(&word, at, sizeof word);
    return word;
}

constexpr int64_t longest_in_key = 16;

// Up to 16 bytes stand in the key themselves: the first and the last 8, which may overlap. Of longer texts it holds a hash
// of all but the last 8.
// A key that is returned through memory costs more than its hash.
FASTFM_INLINE Key text_key(Text text) {
    const uint8_t* at = text.begin;
    const int64_t n = text.size;
    if (n < 4) return {n ? uint64_t{at[0]} | uint64_t{at[n / 2]} << 8 | uint64_t{at[n - 1]} << 16 : 0, 0, n};
    if (n < 8) return {load<uint32_t>(at), load<uint32_t>(at + n - 4), n};
    const uint64_t last = load<uint64_t>(at + n - 8);
    uint64_t first = load<uint64_t>(at);
    for (int64_t j = 8; j < n - 8; j += 8) first = mix(first) ^ load<uint64_t>(at + j);
    return {first, last, n};
}

Text view_text(const Texts& texts, int64_t r) {
    const uint8_t* view = texts.views + 16 * r;
    int32_t size, buffer, offset;
    memcpy(&size, view, 4);
    if (size <= 12) return {view + 4, size};
    memcpy(&buffer, view + 8, 4);
    memcpy(&offset, view + 12, 4);
    return {texts.buffers[buffer] + offset, size};
}

// Calls body(text_of), text_of(r) giving text r by the one layout that is there.
template <class Body>
void with_layout(const Texts& texts, Body body) {
    if (texts.offsets32) {
        body([&](int64_t r) {
            return Text{texts.bytes + texts.offsets32[r], texts.offsets32[r + 1] - texts.offsets32[r]};
        });
    } else if (texts.offsets64) {
        body([&](int64_t r) {
            return Text{texts.bytes + texts.offsets64[r], texts.offsets64[r + 1] - texts.offsets64[r]};
        });
    } else {
        body([&](int64_t r) { return view_text(texts, r); });
    }
}

constexpr int64_t objects_ahead = 16;
constexpr uint64_t seen_objects = 256;

uint32_t rotate_left(uint32_t x, int bits) { return (x << bits) | (x >> (32 - bits)); }

uint32_t murmur3_word(uint32_t word) { return rotate_left(word * 0xcc9e2d51u, 15) * 0x1b873593u; }

uint32_t murmur3_one(const uint8_t* at, int64_t size, uint32_t seed) {
    uint32_t h = seed;
    int64_t left = size;
    for (; left >= 4; left -= 4, at += 4) {
        const uint32_t word = at[0] | at[1] << 8 | at[2] << 16 | static_cast<uint32_t>(at[3]) << 24;
        h = rotate_left(h ^ murmur3_word(word), 13) * 5 + 0xe6546b64u;
    }
    uint32_t tail = 0;
    for (int64_t j = left; j-- > 0;) tail = tail << 8 | at[j];
    h ^= murmur3_word(tail);
    h ^= static_cast<uint32_t>(size);
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    return h ^ (h >> 16);
}

}  // namespace

Status code_ints(const int64_t* values, int64_t n, const uint8_t* valid, Coding* out) noexcept {
    return guarded([&]() -> Status {
        int64_t low = INT64_MAX, high = INT64_MIN;
        for (int64_t r = 0; r < n; ++r) {
            if (valid && !valid[r]) continue;
            low = std::min(low, values[r]);
            high = std::max(high, values[r]);
        }
        const auto width = low <= high ? static_cast<uint64_t>(high) - static_cast<uint64_t>(low) : 0;
        if (width < static_cast<uint64_t>(direct_limit(n))) {
            code_by_table(values, n, valid, low, static_cast<int64_t>(width) + 1, out);
        } else {
            code_by_hash(
                n,
                [=](int64_t r) {
                    return valid && !valid[r] ? Key{0, 0, missing} : Key{static_cast<uint64_t>(values[r]), 0, 0};
                },
                [](Key, int64_t, int64_t) { return true; }, out);
        }
        return {StatusCode::ok, -1};
    });
}

Status code_texts(const Texts& texts, Coding* out) noexcept {
    return guarded([&]() -> Status {
        with_layout(texts, [&](auto text_of) {
            const uint8_t* valid = texts.valid;
            code_by_hash(
                texts.n, [=](int64_t r) { return valid && !valid[r] ? Key{0, 0, missing} : text_key(text_of(r)); },
                [=](Key key, int64_t a, int64_t b) {
                    const auto n = static_cast<size_t>(key.size);
                    return key.size <= longest_in_key || memcmp(text_of(a).begin, text_of(b).begin, n) == 0;
                },
                out);
        });
        return {StatusCode::ok, -1};
    });
}

Status code_objects(void* const* objects, int64_t n, ReadObject read, Coding* out) noexcept {
    return guarded([&]() -> Status {
        struct Seen {
            void* object;
            const uint8_t* begin;
            Key key;
        };
        // Where a column has few objects in many rows, most of them need not be looked into again.
        std::vector<Seen> recent(seen_objects, Seen{nullptr, nullptr, {0, 0, 0}});
        const uint8_t* begin = nullptr;  // of the text of the row at hand
        const auto key_of = [&](int64_t r) {
            if (r + objects_ahead < n) prefetch(objects[r + objects_ahead]);
            Seen& seen = recent[mix(reinterpret_cast<uintptr_t>(objects[r])) % seen_objects];
            if (seen.object != objects[r]) {
                int64_t size = 0;
                const ObjectKind kind = read(objects[r], &begin, &size);
                const int64_t no_text = kind == ObjectKind::missing ? missing : other;
                seen = {objects[r], begin, kind == ObjectKind::text ? text_key({begin, size}) : Key{0, 0, no_text}};
            }
            begin = seen.begin;
            return seen.key;
        };
        const auto same = [&](Key key, int64_t a, int64_t) {
            if (key.size <= longest_in_key) return true;
            const uint8_t* known = nullptr;
            int64_t size = 0;
            read(objects[a], &known, &size);
            return memcmp(known, begin, static_cast<size_t>(key.size)) == 0;
        };
        code_by_hash(n, key_of, same, out);
        return {StatusCode::ok, -1};
    });
}

void take_texts(const Texts& texts, const int64_t* rows, int64_t n_rows, int64_t* offsets, uint8_t* bytes) noexcept {
    with_layout(texts, [&](auto text_of) {
        int64_t end = 0;
        for (int64_t j = 0; j < n_rows; ++j) {
            const Text text = text_of(rows[j]);
            if (bytes && text.size) memcpy(bytes + end, text.begin, static_cast<size_t>(text.size));
            offsets[j] = end;
            end += text.size;
        }
        offsets[n_rows] = end;
    });
}

void murmur3(const uint8_t* bytes, const int64_t* offsets, int64_t n, uint32_t seed, int32_t* out) noexcept {
    for (int64_t j = 0; j < n; ++j)
        out[j] = static_cast<int32_t>(murmur3_one(bytes + offsets[j], offsets[j + 1] - offsets[j], seed));
}

}  // namespace fastfm
