#include "threads/replicas.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "threads/prefetch.hpp"
#include "threads/team.hpp"

namespace fastfm {

namespace {

// A merge of all features is due when they have been visited so often on average, one of hot features in between at a
// part of that. A segment of visits is long enough for starting and meeting not to matter.
constexpr int64_t visits_of_a_feature = 48, hot_merges = 12, least_visits = 512;
// A feature is hot if so many visits to it lie between merges of all.
constexpr float hot_visits = 128.0f;
constexpr int64_t sampled_rows = 4096, rows_of_a_run = 256, rows_ahead = 8, rows_between_norms = 16;

int64_t record_length(const Params& params, int t) { return int64_t{1 + params.n_slots} * params.tables[t].width; }

int64_t mean_nnz(const Csr& X) { return std::max<int64_t>(X.indptr[X.n_rows] / std::max<int64_t>(X.n_rows, 1), 1); }

// Visits between merges of hot features, by all threads together.
int64_t visits_between_merges(const Csr& X, const Params& params, int n_threads) {
    const int64_t visits = visits_of_a_feature * params.n_features / mean_nnz(X) / hot_merges;
    return std::max(visits, n_threads * least_visits);
}

// Where part number `part` of n begins, if there are so many parts.
int64_t part_bound(int64_t n, int64_t parts, int64_t part) { return n / parts * part + n % parts * part / parts; }

// Parameters in memory of their own, each table on a cache line.
class Replica {
  public:
    explicit Replica(const Params& like) : params_(like), memory_(new float[size(like) + floats_per_line]) {
        const auto address = reinterpret_cast<uintptr_t>(memory_.get());
        float* at = memory_.get() + -(address / sizeof(float)) % floats_per_line;
        for (int t = 0; t < like.n_tables; ++t) {
            params_.tables[t].records = at;
            at += padded(table_size(like, t));
        }
    }

    const Params& params() const { return params_; }

    void take_up(const Params& shared) {
        for (int t = 0; t < shared.n_tables; ++t)
            std::copy_n(shared.tables[t].records, table_size(shared, t), params_.tables[t].records);
    }

    static int64_t size(const Params& params) {
        int64_t n = 0;
        for (int t = 0; t < params.n_tables; ++t) n += padded(table_size(params, t));
        return n;
    }

  private:
    static constexpr int64_t floats_per_line = 16;

    static int64_t table_size(const Params& params, int t) {
        return params.tables[t].n_rows * record_length(params, t);
    }
    static int64_t padded(int64_t n) { return (n + floats_per_line - 1) / floats_per_line * floats_per_line; }

    Params params_;
    std::unique_ptr<float[]> memory_;
};

// What merging needs to know of the rows of an epoch, from runs of visits that lie evenly among all.
class Sample {
  public:
    Sample(const Csr& X, const Targets& targets, const RowOrder& order, const Params& params)
        : rates_(params.n_features, 0.0f) {
        const int64_t n_visits = order.last - order.first;
        const int64_t wanted = std::min(sampled_rows, n_visits);
        const int64_t length = std::min(wanted, rows_of_a_run), n_runs = wanted / length, n = n_runs * length;
        const auto row_of = [&](int64_t s) {
            const int64_t run = part_bound(n_visits - length, n_runs, s / length);
            const int64_t visit = order.first + run + s % length;
            return order.rows ? order.rows[visit] : visit;
        };
        double weights = 0.0, squared_weights = 0.0, row_norms = 0.0, factor_norms = 0.0;
        for (int64_t s = 0; s < n; ++s) {
            const int64_t r = row_of(s), soon = row_of(std::min(s + rows_ahead, n - 1));
            prefetch(X.indptr.address(row_of(std::min(s + 2 * rows_ahead, n - 1))));
            if (X.indptr[soon] < X.indptr[soon + 1]) prefetch(X.indices + X.indptr[soon]);
            const float weight = targets.sample_weight ? targets.sample_weight[r] : 1.0f;
            weights += weight;
            squared_weights += weight * weight;
            for (int64_t j = X.indptr[r]; j < X.indptr[r + 1]; ++j) {
                const float x = X.data ? X.data[j] : 1.0f;
                rates_[X.indices[j]] += weight * x * x;
                row_norms += x * x;
                if (s % rows_between_norms == 0) factor_norms += x * x * factor_square(params, X.indices[j]);
            }
        }
        for (float& rate : rates_) rate /= static_cast<float>(n);
        const double k = params.tables[V_table].width, row_norm = row_norms / n;
        const double factor_norm = factor_norms * rows_between_norms / n;
        rows_.mean_weight = static_cast<float>(weights / n);
        rows_.mean_squared_weight = static_cast<float>(squared_weights / n);
        rows_.row_norm = static_cast<float>(1.0 + row_norm * (1.0 + k * factor_norm));
        rows_.factor_norm = static_cast<float>(factor_norm);
    }

    const float* visit_rates() const { return rates_.data(); }

    // The rows of visits with this loss, summed.
    VisitedRows rows(double loss, int64_t n_visits) const {
        constexpr double tiny = 1e-20;
        VisitedRows rows = rows_;
        rows.mean_loss = static_cast<float>(std::max(loss / std::max(n_visits * rows.mean_weight, 1e-20f), tiny));
        rows.mean_squared_weight = std::max(rows.mean_squared_weight, 1e-20f);
        return rows;
    }

    std::vector<int32_t> hot(int64_t visits) const {
        std::vector<int32_t> features;
        for (size_t i = 0; i < rates_.size(); ++i)
            if (rates_[i] * static_cast<float>(visits) > hot_visits * rows_.mean_weight)
                features.push_back(static_cast<int32_t>(i));
        return features;
    }

  private:
    // The mean of a feature's squared factors.
    static float factor_square(const Params& params, int64_t i) {
        const int32_t k = params.tables[V_table].width;
        const float* v = params.tables[V_table].records + i * record_length(params, V_table);
        float sum = 0.0f;
        for (int32_t f = 0; f < k; ++f) sum += v[f] * v[f];
        return k ? sum / static_cast<float>(k) : 0.0f;
    }

    std::vector<float> rates_;
    VisitedRows rows_{};
};

}  // namespace

bool fits_replicas(const Params& params) {
    int64_t n_floats = 0;
    for (int t = 0; t < params.n_tables; ++t)
        if (params.tables[t].per_feature) n_floats += params.tables[t].n_rows * record_length(params, t);
    return n_floats * static_cast<int64_t>(sizeof(float)) <= most_replica_bytes;
}

bool pays_for_replicas(const Csr& X, const RowOrder& order, const Params& params) {
    constexpr int64_t least_visits_of_a_feature = 12;
    return (order.last - order.first) * mean_nnz(X) >= least_visits_of_a_feature * params.n_features;
}

Status replicas_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                      const Params& params, const Options& options, int n_threads, double* loss_sum) {
    const int64_t n_visits = order.last - order.first;
    const int64_t interval = visits_between_merges(X, params, n_threads);
    const int64_t n_merges = (n_visits + interval - 1) / interval;
    const Sample sample(X, targets, order, params);
    const std::vector<int32_t> hot = sample.hot(hot_merges * interval);
    std::vector<Replica> replicas;
    std::vector<Params> each;
    replicas.reserve(n_threads);
    for (int t = 0; t < n_threads; ++t) {
        replicas.emplace_back(params);
        each.push_back(replicas.back().params());
    }
    std::vector<Status> status(n_threads, Status{StatusCode::ok, -1});
    std::vector<double> sums(n_threads, 0.0);
    const auto failed = [](const Status& s) { return s.code != StatusCode::ok; };

    Team team(n_threads);
    team.run([&](int member) {
        team.each_share(member, [&](int t) { replicas[t].take_up(params); });
        double loss = 0.0;
        int64_t since_all = order.first;  // the first visit after the last merge of all features
        for (int64_t merge = 0; merge < n_merges; ++merge) {
            const int64_t first = order.first + part_bound(n_visits, n_merges, merge);
            const int64_t last = order.first + part_bound(n_visits, n_merges, merge + 1);
            team.each_share(member, [&](int t) {
                const RowOrder visits{first + part_bound(last - first, n_threads, t),
                                      first + part_bound(last - first, n_threads, t + 1), order.rows};
                double sum = 0.0;
                status[t] = kernels.sgd_epoch(X, targets, visits, each[t], options, &sum);
                sums[t] += sum;
            });
            team.meet();
            const bool ends = std::any_of(status.begin(), status.end(), failed);
            const double loss_before = loss;
            loss = std::accumulate(sums.begin(), sums.end(), 0.0);
            Replicas merged{each.data(),
                            n_threads,
                            params,
                            sample.visit_rates(),
                            static_cast<float>(last - first),
                            sample.rows(loss - loss_before, last - first)};
            const auto part = [&](int64_t n) { return part_bound(n, team.n_members(), member); };
            const auto next = [&](int64_t n) { return part_bound(n, team.n_members(), member + 1); };
            const bool is_first = member == 0;
            if (ends || (merge + 1) % hot_merges == 0 || merge + 1 == n_merges) {
                const int64_t from = part(params.n_features), to = next(params.n_features);
                const auto place = [&](int64_t i) { return std::lower_bound(hot.begin(), hot.end(), i) - hot.begin(); };
                kernels.merge_replicas(merged, options, {place(from), place(to), hot.data(), is_first, true});
                // What is hot has no changes left.
                merged.n_visits = static_cast<float>(last - since_all);
                kernels.merge_replicas(merged, options, {from, to, nullptr, false, false});
                since_all = last;
            } else {
                const auto n = static_cast<int64_t>(hot.size());
                kernels.merge_replicas(merged, options, {part(n), next(n), hot.data(), is_first, true});
            }
            team.meet();
            if (ends) return;
        }
    });
    *loss_sum = std::accumulate(sums.begin(), sums.end(), 0.0);
    const auto first_failed = std::find_if(status.begin(), status.end(), failed);
    return first_failed == status.end() ? Status{StatusCode::ok, -1} : *first_failed;
}

}  // namespace fastfm
