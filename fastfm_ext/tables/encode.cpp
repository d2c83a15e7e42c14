#include "tables/encode.hpp"

#include <algorithm>

namespace fastfm {

namespace {

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
