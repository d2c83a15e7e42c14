// Merging of replicas: every record becomes what the threads have learned together, in `shared` and in each replica.
//
//   theta <- theta + share(x) sum_t [ theta_t - theta ]        theta_t: that of replica t; share: see math/merging.hpp
//
// O(n_replicas) a value. Features are independent of each other, so threads may merge ranges of them at once.
#pragma once

#include "math/merging.hpp"
#include "types/replicas.hpp"

namespace fastfm::FASTFM_ISA {

// By how much the changes of a feature's factors are lengthened.
template <class Rule, int W>
float compounded_growth(const Replicas& replicas, int64_t row, const MergeRates<W>& rates) {
    using V = Vec<W>;
    const int width = replicas.shared.tables[V_table].width;
    const int64_t at = row * (1 + Rule::n_slots) * width;
    const float* before = replicas.shared.tables[V_table].records + at;
    V along = V::fill(0.0f), square = V::fill(0.0f);
    for (int f = 0; f < width; f += W) {
        const V v = V::load(before + f);
        V change = V::fill(0.0f);
        for (int32_t r = 0; r < replicas.n; ++r)
            change = change + (V::load(replicas.each[r].tables[V_table].records + at + f) - v);
        along = fma(v, change, along);
        square = fma(v, v, square);
    }
    return rates.compounded(sum(along), sum(square));
}

// Merges a record of table t, W parameters at a time, or its only one in all lanes for W = 1: a weight, whose changes
// are slowed down where they add up, as those of factors are lengthened. `common` is u of math/merging.hpp, at least;
// returns that of the last parameters.
template <class Rule, int W, bool adds>
float merge_record(const Replicas& replicas, int t, int64_t row, float visits, float common,
                   const MergeRates<(W > 1 ? W : 4)>& rates) {
    using V = Vec<(W > 1 ? W : 4)>;
    const auto load = [](const float* from) FASTFM_INLINE_LAMBDA {
        if constexpr (W > 1) return V::load(from);
        return V::fill(*from);
    };
    const auto store = [](V value, float* to) FASTFM_INLINE_LAMBDA {
        if constexpr (W > 1)
            value.store(to);
        else
            *to = value.first();
    };
    const int width = replicas.shared.tables[t].width;
    const int64_t at = row * (1 + Rule::n_slots) * width;
    float* shared = replicas.shared.tables[t].records + at;
    V u = V::fill(common), longer = V::fill(1.0f);
    constexpr bool compounds = W > 1 && Merging<Rule>::compounds;
    if constexpr (compounds)
        if (width > W) longer = V::fill(compounded_growth<Rule>(replicas, row, rates));
    for (int f = 0; f < width; f += W) {
        V record[1 + Rule::n_slots], change[1 + Rule::n_slots], squares;
        for (int s = 0; s <= Rule::n_slots; ++s) {
            record[s] = load(shared + s * width + f);
            change[s] = squares = V::fill(0.0f);
            for (int32_t r = 0; r < replicas.n; ++r) {
                const V moved = load(replicas.each[r].tables[t].records + at + s * width + f) - record[s];
                change[s] = change[s] + moved;
                if constexpr (adds && W == 1) squares = fma(moved, moved, squares);
            }
        }
        if constexpr (compounds)
            if (width == W)  // one reading is enough
                longer = V::fill(rates.compounded(sum(record[0] * change[0]), sum(record[0] * record[0])));
        if constexpr (adds) {
            if constexpr (W == 1) longer = Merging<Rule>::slowdown(record, change, squares);
            record[0] = fma(longer, change[0], record[0]);
            for (int s = 1; s <= Rule::n_slots; ++s) record[s] = record[s] + change[s];
        } else {
            const V x = Merging<Rule>::contraction(record, change, V::fill(visits), rates);
            u = max(V::fill(common), rates.in_common * x);
            Merging<Rule>::merge(record, change, longer * rates.share(x, u, Merging<Rule>::farthest), V::fill(visits),
                                 rates);
        }
        for (int s = 0; s <= Rule::n_slots; ++s) {
            store(record[s], shared + s * width + f);
            for (int32_t r = 0; r < replicas.n; ++r)
                store(record[s], replicas.each[r].tables[t].records + at + s * width + f);
        }
    }
    if constexpr (W > 1)
        return common;
    else
        return u.first();
}

// The records of all replicas, asked for as a whole: they lie in other cores' caches, and are written to.
inline void prefetch_records(const Replicas& replicas, int t, int64_t row) {
    constexpr int floats_per_line = 16;
    const int64_t length = int64_t{1 + replicas.shared.n_slots} * replicas.shared.tables[t].width;
    for (int32_t r = 0; r < replicas.n; ++r)
        for (int64_t f = 0; f < length; f += floats_per_line)
            prefetch_line<true>(replicas.each[r].tables[t].records + row * length + f);
}

template <class Rule, int W, bool adds>
void merge_features(const Replicas& replicas, const Options& options, const MergedRecords& merged) {
    constexpr int64_t ahead = 8;
    const VisitedRows& rows = replicas.rows;
    const auto k = static_cast<float>(replicas.shared.tables[V_table].width);
    const MergeRates<4> for_w(options.loss, options.w, replicas, 1.0f, rows.row_norm);
    const MergeRates<W> for_V(options.loss, options.V, replicas, rows.factor_norm,
                              Merging<Rule>::is_measured ? rows.row_square * k : rows.row_norm);
    const auto feature = [&](int64_t r) { return merged.features ? merged.features[r] : r; };
    for (int64_t r = merged.first; r < merged.last; ++r) {
        if (r + ahead < merged.last) {
            prefetch_records(replicas, w_table, feature(r + ahead));
            prefetch_records(replicas, V_table, feature(r + ahead));
        }
        const int64_t i = feature(r);
        const float visits = replicas.visit_rates[i] * replicas.n_visits;
        const float common = merge_record<Rule, 1, adds>(replicas, w_table, i, visits, 0.0f, for_w);
        merge_record<Rule, W, adds>(replicas, V_table, i, visits, Merging<Rule>::is_measured ? 0.0f : common, for_V);
    }
}

template <class Rule, int W>
void merge_features_of(const Replicas& replicas, const Options& options, const MergedRecords& merged) {
    if constexpr (Merging<Rule>::adds_few)
        if (!merged.are_hot) return merge_features<Rule, W, true>(replicas, options, merged);
    merge_features<Rule, W, false>(replicas, options, merged);
}

template <class Rule>
void merge_replicas(const Replicas& replicas, const Options& options, const MergedRecords& merged) {
    if (merged.with_whole_model) {
        const MergeRates<4> rates(options.loss, options.w0, replicas, 1.0f, replicas.rows.row_norm);
        const float visits = replicas.n_visits * replicas.rows.mean_weight;
        merge_record<Rule, 1, false>(replicas, w0_table, 0, visits, 0.0f, rates);
    }
    if (replicas.shared.tables[V_table].width % max_lanes == 0)
        merge_features_of<Rule, max_lanes>(replicas, options, merged);
    else
        merge_features_of<Rule, 4>(replicas, options, merged);
}

}  // namespace fastfm::FASTFM_ISA
