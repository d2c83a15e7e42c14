#include "encode.hpp"

#include <string.h>

#include <algorithm>
#include <vector>

#include "fan_out.hpp"

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
    int64_t size;  // of a text; 0 for a number
};

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
void code_by_hash(int64_t n, const uint8_t* valid, KeyOf key_of, Same same, Coding* out) {
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
        if (valid && !valid[r]) {
            codes[r] = -1;
            continue;
        }
        const Key key = key_of(r);
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

// Sorts by insertion, for rows are short and mostly in order.
void sort_row(int32_t* features, float* values, int64_t n) {
    for (int64_t j = 1; j < n; ++j) {
        const int32_t feature = features[j];
        const float value = values ? values[j] : 0.0f;
        int64_t to = j;
        for (; to > 0 && features[to - 1] > feature; --to) {
            features[to] = features[to - 1];
            if (values) values[to] = values[to - 1];
        }
        features[to] = feature;
        if (values) values[to] = value;
    }
}

// Rows that are worked on together, block after block, so that their counts stay in the cache.
constexpr int64_t chunk_rows = 2048;

void count_block(const Block& block, int64_t first, int64_t last, int64_t* counts) {
    switch (block.kind) {
        case BlockKind::one:
            for (int64_t r = first; r < last; ++r) counts[r] += block.features[block.codes[r] + 1] >= 0;
            break;
        case BlockKind::several:
            for (int64_t r = first; r < last; ++r)
                counts[r] += block.indptr[block.codes[r] + 2] - block.indptr[block.codes[r] + 1];
            break;
        case BlockKind::number:
            for (int64_t r = first; r < last; ++r) {
                const float x = block.values[r];
                counts[r] += x == x ? x != 0.0f : block.features[1] >= 0;
            }
            break;
    }
}

// Appends the block's entries to rows first <= r < last; the next entry of row r goes to to[r - first].
void write_block(const Block& block, int64_t first, int64_t last, int64_t* to, int32_t* indices, float* data) {
    const auto put = [&](int64_t r, int32_t feature, float value) {
        const int64_t at = to[r - first]++;
        indices[at] = feature;
        if (data) data[at] = value;
    };
    const float* values = block.values;
    switch (block.kind) {
        case BlockKind::one:
            for (int64_t r = first; r < last; ++r) {
                const int64_t c = block.codes[r] + 1;
                if (block.features[c] >= 0) put(r, block.features[c], values ? values[c] : 1.0f);
            }
            break;
        case BlockKind::several:
            for (int64_t r = first; r < last; ++r) {
                const int64_t c = block.codes[r] + 1;
                for (int64_t j = block.indptr[c]; j < block.indptr[c + 1]; ++j)
                    put(r, block.features[j], values ? values[j] : 1.0f);
            }
            break;
        case BlockKind::number:
            for (int64_t r = first; r < last; ++r) {
                const float x = values[r];
                if (x != x) {
                    if (block.features[1] >= 0) put(r, block.features[1], 1.0f);
                } else if (x != 0.0f) {
                    put(r, block.features[0], x);
                }
            }
            break;
    }
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
                n, valid, [=](int64_t r) { return Key{static_cast<uint64_t>(values[r]), 0, 0}; },
                [](Key, int64_t, int64_t) { return true; }, out);
        }
        return {StatusCode::ok, -1};
    });
}

Status code_texts(const Texts& texts, Coding* out) noexcept {
    return guarded([&]() -> Status {
        with_layout(texts, [&](auto text_of) {
            code_by_hash(
                texts.n, texts.valid, [=](int64_t r) { return text_key(text_of(r)); },
                [=](Key key, int64_t a, int64_t b) {
                    const auto n = static_cast<size_t>(key.size);
                    return key.size <= longest_in_key || memcmp(text_of(a).begin, text_of(b).begin, n) == 0;
                },
                out);
        });
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

void tidy_cells(int64_t* indptr, int64_t n_cells, int32_t* features, float* weights) noexcept {
    int64_t end = 0, begin = 0;
    for (int64_t c = 0; c < n_cells; ++c) {
        const int64_t stop = indptr[c + 1], start = end;
        sort_row(features + begin, weights ? weights + begin : nullptr, stop - begin);
        for (int64_t j = begin; j < stop; ++j) {
            if (features[j] < 0) continue;
            if (end > start && features[end - 1] == features[j]) {
                if (weights) weights[end - 1] += weights[j];
                continue;
            }
            // Every weight of the feature before has been added.
            if (weights && end > start && weights[end - 1] == 0.0f) --end;
            features[end] = features[j];
            if (weights) weights[end] = weights[j];
            ++end;
        }
        if (weights && end > start && weights[end - 1] == 0.0f) --end;
        begin = stop;
        indptr[c + 1] = end;
    }
}

void count_entries(const Block* blocks, int64_t n_blocks, int64_t n_rows, int64_t* indptr) noexcept {
    int64_t* counts = indptr + 1;
    int64_t total = 0;
    indptr[0] = 0;
    for (int64_t first = 0; first < n_rows; first += chunk_rows) {
        const int64_t last = std::min(first + chunk_rows, n_rows);
        std::fill(counts + first, counts + last, 0);
        for (int64_t b = 0; b < n_blocks; ++b) count_block(blocks[b], first, last, counts);
        for (int64_t r = first; r < last; ++r) counts[r] = total += counts[r];
    }
}

void write_entries(const Block* blocks, int64_t n_blocks, int64_t n_rows, const int64_t* indptr, bool sort,
                   int32_t* indices, float* data) noexcept {
    int64_t to[chunk_rows];
    for (int64_t first = 0; first < n_rows; first += chunk_rows) {
        const int64_t last = std::min(first + chunk_rows, n_rows);
        std::copy(indptr + first, indptr + last, to);
        for (int64_t b = 0; b < n_blocks; ++b) write_block(blocks[b], first, last, to, indices, data);
        if (!sort) continue;
        for (int64_t r = first; r < last; ++r)
            sort_row(indices + indptr[r], data ? data + indptr[r] : nullptr, indptr[r + 1] - indptr[r]);
    }
}

}  // namespace fastfm
