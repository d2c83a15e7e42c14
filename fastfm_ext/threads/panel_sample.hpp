// A sample of the panels of items, which tells about what the best items of all score.
#pragma once

#include <math.h>

#include "types/search.hpp"

namespace fastfm {

// Of a user's n best items, m = n * sampled / all are expected in a sample, and hardly ever more than m + 3 sqrt(m) + 2:
// so many best of the sample set a limit that the n best of all reach, and few others. Items lie longest first, and the
// best are among the longest: panels from the middle of each stride promise no more than those drawn by chance.
struct PanelSample {
    int64_t n_panels = 0;  // 0: no sample
    int64_t stride = 1;
    int32_t n_best = 0;

    // Of as many items as there is room for. There is none where it would not be a small part of all.
    static PanelSample of(const PackedItems& items, int64_t n, int64_t room) {
        constexpr int64_t least_stride = 4;
        const int64_t n_panels = room / panel_items;
        if (n_panels == 0 || items.n_panels < least_stride * n_panels) return {};
        const double expected = static_cast<double>(n) * static_cast<double>(room) / static_cast<double>(items.n_items);
        const auto n_best = static_cast<int32_t>(expected + 3.0 * sqrt(expected) + 2.0);
        if (n_best > room / 2) return {};
        return {n_panels, items.n_panels / n_panels, n_best};
    }

    int64_t panel(int64_t s) const { return s * stride + stride / 2; }

    // The number of the first one that is not before this panel of all.
    int64_t first_from(int64_t panel) const { return (panel + stride - 1 - stride / 2) / stride; }
};

}  // namespace fastfm
