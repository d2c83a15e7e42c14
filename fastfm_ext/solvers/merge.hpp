// Merging of replicas: every record becomes what the threads have learned together, in `shared` and in each replica.
//
//   theta <- theta + share(x) sum_t [ theta_t - theta ]        theta_t: that of replica t; share: see math/merging.hpp
//
// O(n_replicas) a value. Features are independent of each other, so threads may merge ranges of them at once.
#pragma once

#include "math/merging.hpp"
#include "types/replicas.hpp"

namespace fastfm::FASTFM_ISA {

// Merges `width` parameters and their state, W at a time, or one in all lanes for W = 1.
template <class Rule, int W, bool adds>
void merge_record(const Replicas& replicas, int t, int64_t row, float visits,
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
    for (int f = 0; f < width; f += W) {
        V record[1 + Rule::n_slots], change[1 + Rule::n_slots];
        for (int s = 0; s <= Rule::n_slots; ++s) {
            record[s] = load(shared + s * width + f);
            change[s] = V::fill(0.0f);
            for (int32_t r = 0; r < replicas.n; ++r)
                change[s] = change[s] + (load(replicas.each[r].tables[t].records + at + s * width + f) - record[s]);
        }
        if constexpr (adds)
            for (int s = 0; s <= Rule::n_slots; ++s) record[s] = record[s] + change[s];
        else
            Merging<Rule>::merge(record, change, V::fill(visits), rates);
        for (int s = 0; s <= Rule::n_slots; ++s) {
            store(record[s], shared + s * width + f);
            for (int32_t r = 0; r < replicas.n; ++r)
                store(record[s], replicas.each[r].tables[t].records + at + s * width + f);
        }
    }
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
void merge_features(const Replicas& replicas, int t, const MergeRates<(W > 1 ? W : 4)>& rates,
                    const MergedRecords& merged) {
    constexpr int64_t ahead = 8;
    const auto feature = [&](int64_t r) { return merged.features ? merged.features[r] : r; };
    for (int64_t r = merged.first; r < merged.last; ++r) {
        if (r + ahead < merged.last) prefetch_records(replicas, t, feature(r + ahead));
        const int64_t i = feature(r);
        merge_record<Rule, W, adds>(replicas, t, i, replicas.visit_rates[i] * replicas.n_visits, rates);
    }
}

template <class Rule, int W>
void merge_table(const Replicas& replicas, int t, Loss loss, const StepSizes& sizes, float derivative_square,
                 const MergedRecords& merged) {
    const MergeRates<(W > 1 ? W : 4)> rates(loss, sizes, replicas, derivative_square);
    if (!replicas.shared.tables[t].per_feature)
        merge_record<Rule, W, false>(replicas, t, 0, replicas.n_visits, rates);
    else if (Merging<Rule>::adds_few && !merged.are_hot)
        merge_features<Rule, W, true>(replicas, t, rates, merged);
    else
        merge_features<Rule, W, false>(replicas, t, rates, merged);
}

template <class Rule>
void merge_replicas(const Replicas& replicas, const Options& options, const MergedRecords& merged) {
    const int32_t k = replicas.shared.tables[V_table].width;
    if (merged.with_whole_model) merge_table<Rule, 1>(replicas, w0_table, options.loss, options.w0, 1.0f, merged);
    merge_table<Rule, 1>(replicas, w_table, options.loss, options.w, 1.0f, merged);
    if (k % max_lanes == 0)
        merge_table<Rule, max_lanes>(replicas, V_table, options.loss, options.V, replicas.rows.factor_norm, merged);
    else
        merge_table<Rule, 4>(replicas, V_table, options.loss, options.V, replicas.rows.factor_norm, merged);
}

}  // namespace fastfm::FASTFM_ISA
