// Scores of many items for a few users, and which of them can be among the best. Nothing but the candidates changes.
#pragma once

#include "math/vec.hpp"
#include "types/search.hpp"

namespace fastfm::FASTFM_ISA {

// For U users u of the group, from the given one on, and every item t of the panels first <= panel < last:
//
//   s = sum_f u_f t_f     in float32
//
// Where s is at least the user's limit, s and the item's place are appended to the user's candidates. Product and
// selection are one pass: two vectors of items times U users are held in registers, and no score is written to memory
// but those few. O(U d) for an item.
template <int W, int U>
void collect_candidates(const PackedItems& items, int64_t first, int64_t last, const UserGroup& group, int from_user) {
    constexpr int tile_items = 2 * W;
    for (int64_t panel = first; panel < last; ++panel) {
        for (int part = 0; part < panel_items; part += tile_items) {
            const float* t = items.panels + panel * items.d * panel_items + part;
            const float* u_f = group.vectors + from_user;
            Vec<W> low[U], high[U];
            for (int u = 0; u < U; ++u) low[u] = high[u] = Vec<W>::fill(0.0f);
            for (int32_t f = 0; f < items.d; ++f, t += panel_items, u_f += group.n_users) {
                const Vec<W> t_low = Vec<W>::load(t), t_high = Vec<W>::load(t + W);
                for (int u = 0; u < U; ++u) {
                    const Vec<W> value = Vec<W>::fill(u_f[u]);
                    low[u] = fma(value, t_low, low[u]);
                    high[u] = fma(value, t_high, high[u]);
                }
            }
            int32_t places[tile_items];
            for (int l = 0; l < tile_items; ++l) places[l] = static_cast<int32_t>(panel * panel_items + part + l);
            for (int u = 0; u < U; ++u) {
                Candidates& own = group.candidates[from_user + u];
                const Vec<W> limit = Vec<W>::fill(own.limit);
                const unsigned in_low = at_least(low[u], limit), in_high = at_least(high[u], limit);
                if (!(in_low | in_high)) continue;
                own.count += compress(low[u], places, in_low, own.scores + own.count, own.places + own.count);
                own.count += compress(high[u], places + W, in_high, own.scores + own.count, own.places + own.count);
                if (own.count > group.room) group.make_room(group.search, own);
            }
        }
    }
}

// Fills up the last vector of a user's scores.
template <int W>
void pad_scores(Candidates& own, float value) {
    for (int32_t c = own.count; c % W; ++c) own.scores[c] = value;
}

// The least (sign = -1) or largest (sign = 1) score.
template <int W>
float extreme_score(const float* scores, int n_vecs, float sign) {
    const Vec<W> signs = Vec<W>::fill(sign);
    Vec<W> most = Vec<W>::load(scores) * signs;
    for (int v = 1; v < n_vecs; ++v) most = max(most, Vec<W>::load(scores + v * W) * signs);
    float lanes[W];
    most.store(lanes);
    for (float lane : lanes) lanes[0] = lane > lanes[0] ? lane : lanes[0];
    return lanes[0] * sign;
}

template <int W>
int count_at_least(const float* scores, int n_vecs, float x) {
    const Vec<W> limit = Vec<W>::fill(x);
    int count = 0;
    for (int v = 0; v < n_vecs; ++v) count += count_bits(at_least(Vec<W>::load(scores + v * W), limit));
    return count;
}

// Drops candidates that surely are not among the n best, where there are more than n: a bisection finds a score that at
// least n candidates reach and few more, and what lies more than `margin` below it goes. Changes the candidates, the rest
// of which stay in their order, and raises their limit. O(count) for each of a few halvings.
template <int W>
void keep_best(Candidates& own, int32_t n, double margin) {
    constexpr int max_halvings = 12;
    if (own.count <= n) return;
    const int n_vecs = (own.count + W - 1) / W;
    pad_scores<W>(own, own.scores[0]);
    float low = extreme_score<W>(own.scores, n_vecs, -1.0f), high = extreme_score<W>(own.scores, n_vecs, 1.0f);
    pad_scores<W>(own, -INFINITY);
    for (int step = 0; step < max_halvings; ++step) {
        const float middle = 0.5f * (low + high);
        const int reached = count_at_least<W>(own.scores, n_vecs, middle);
        (reached < n ? high : low) = middle;
        if (reached >= n && reached <= n + n / 4) break;
    }
    const float limit = nextafterf(static_cast<float>(low - margin), -INFINITY);
    own.limit = limit > own.limit ? limit : own.limit;
    int32_t kept = 0;
    for (int v = 0; v < n_vecs; ++v) {
        const Vec<W> scores = Vec<W>::load(own.scores + v * W);
        kept += compress(scores, own.places + v * W, at_least(scores, Vec<W>::fill(own.limit)), own.scores + kept,
                         own.places + kept);
    }
    own.count = kept;
}

}  // namespace fastfm::FASTFM_ISA
