// Scores of many items for a few users, and which of them can be among the best. Nothing but the candidates changes.
#pragma once

#include "math/storage.hpp"
#include "types/search.hpp"

namespace fastfm::FASTFM_ISA {

// s = sum_f u_f t_f, in float32, of U users from the given one on and the 2 W items of a panel that begin at `t`.
template <class S, int W, int U>
FASTFM_INLINE void multiply(const typename S::Value* t, int32_t d, const float* u_f, int32_t n_users,
                            float (*scores)[2 * W]) {
    Vec<W> low[U], high[U];
#pragma GCC unroll 12
    for (int u = 0; u < U; ++u) low[u] = high[u] = Vec<W>::fill(0.0f);
    for (int32_t f = 0; f < d; ++f, t += panel_items, u_f += n_users) {
        const Vec<W> t_low = S::template load<W>(t), t_high = S::template load<W>(t + W);
#pragma GCC unroll 12
        for (int u = 0; u < U; ++u) {
            const Vec<W> value = Vec<W>::fill(u_f[u]);
            low[u] = fma(value, t_low, low[u]);
            high[u] = fma(value, t_high, high[u]);
        }
    }
#pragma GCC unroll 12
    for (int u = 0; u < U; ++u) {
        low[u].store(scores[u]);
        high[u].store(scores[u] + W);
    }
}

// For U users u of the group, from the given one on, and every item t of the panels first <= panel < last: where
// s = <u, t> is at least the user's limit, s and the item's place are appended to the user's candidates. Two vectors of
// items times U users are held in registers, and their scores are looked at while they are in the nearest cache. O(U d)
// for an item. S is how the items are stored.
template <class S, int W, int U>
void collect_candidates(const PackedItems& items, int64_t first, int64_t last, const UserGroup& group, int from_user) {
    constexpr int tile_items = 2 * W;
    const auto* panels = static_cast<const typename S::Value*>(items.panels);
    alignas(64) float scores[U][tile_items];
    for (int64_t panel = first; panel < last; ++panel) {
        for (int part = 0; part < panel_items; part += tile_items) {
            multiply<S, W, U>(panels + panel * items.d * panel_items + part, items.d, group.vectors + from_user,
                              group.n_users, scores);
            int32_t places[tile_items];
            for (int l = 0; l < tile_items; ++l) places[l] = static_cast<int32_t>(panel * panel_items + part + l);
            // Whom an item reaches is hard to predict: no branch for each user asks.
            unsigned in_low[U], in_high[U];
            int reached[U], n_reached = 0;
#pragma GCC unroll 12
            for (int u = 0; u < U; ++u) {
                const Vec<W> limit = Vec<W>::fill(group.candidates[from_user + u].limit);
                in_low[u] = at_least(Vec<W>::load(scores[u]), limit);
                in_high[u] = at_least(Vec<W>::load(scores[u] + W), limit);
                reached[n_reached] = u;
                n_reached += (in_low[u] | in_high[u]) != 0;
            }
            for (int r = 0; r < n_reached; ++r) {
                const int u = reached[r];
                const Vec<W> low = Vec<W>::load(scores[u]), high = Vec<W>::load(scores[u] + W);
                Candidates& own = group.candidates[from_user + u];
                own.count += compress(low, places, in_low[u], own.scores + own.count, own.places + own.count);
                own.count += compress(high, places + W, in_high[u], own.scores + own.count, own.places + own.count);
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

// The least and the largest score.
template <int W>
void extremes(const float* scores, int n_vecs, float& least, float& most) {
    Vec<W> low = Vec<W>::load(scores), high = low;
    for (int v = 1; v < n_vecs; ++v) {
        const Vec<W> next = Vec<W>::load(scores + v * W);
        low = min(low, next);
        high = max(high, next);
    }
    float lows[W], highs[W];
    low.store(lows);
    high.store(highs);
    for (int half = W / 2; half; half /= 2)
        for (int l = 0; l < half; ++l) {
            lows[l] = lows[l] < lows[l + half] ? lows[l] : lows[l + half];
            highs[l] = highs[l] > highs[l + half] ? highs[l] : highs[l + half];
        }
    least = lows[0];
    most = highs[0];
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
    float low, high;
    extremes<W>(own.scores, n_vecs, low, high);
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

// rank[c] becomes the number of candidates with a higher score than candidate c. O(count^2 / W), which for a few hundred
// candidates is less than sorting them. `rank` has room for whole vectors.
template <int W>
void rank_candidates(Candidates& own, int32_t* rank) {
    pad_scores<W>(own, -INFINITY);
    for (int32_t first = 0; first < own.count; first += W) {
        const float* scores = own.scores + first;
        int32_t higher[W] = {};
        for (int32_t c = 0; c < own.count; ++c)
            for (int l = 0; l < W; ++l) higher[l] += own.scores[c] > scores[l];
        for (int l = 0; l < W; ++l) rank[first + l] = higher[l];
    }
}

// <user, item> in float64 of the items at these positions. Products of two floats are exact there, and the sums are
// always added up alike, so that all instruction sets give the same bits. Vectors further on are on their way into the
// cache meanwhile.
template <class S>
void score_exactly(const double* user, const PackedItems& items, const int32_t* positions, int32_t n, double* scores) {
    using Value = typename S::Value;
    constexpr int n_sums = 8, values_per_line = 64 / sizeof(Value), ahead = 8;
    const auto* vectors = static_cast<const Value*>(items.vectors);
    const int32_t d = items.d;
    for (int32_t i = 0; i < n; ++i) {
        if (i + ahead < n) {
            const Value* later = vectors + int64_t{positions[i + ahead]} * d;
            for (int32_t f = 0; f < d; f += values_per_line) prefetch_line(later + f);
        }
        const Value* t = vectors + int64_t{positions[i]} * d;
        double sums[n_sums] = {}, rest = 0.0;
        float room[n_sums];
        int32_t f = 0;
        for (; f + n_sums <= d; f += n_sums) {
            const float* t_f = S::eight_floats(t + f, room);
            for (int l = 0; l < n_sums; ++l) sums[l] += user[f + l] * static_cast<double>(t_f[l]);
        }
        for (; f < d; ++f) rest += user[f] * static_cast<double>(S::one_float(t[f]));
        scores[i] = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + rest;
    }
}

}  // namespace fastfm::FASTFM_ISA
