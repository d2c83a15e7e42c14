#include "threads/replicas.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "threads/fan_out.hpp"
#include "threads/prefetch.hpp"
#include "threads/team.hpp"
#include "types/compiler.hpp"

namespace fastfm {

namespace {

// A merge of all features is due when they have been visited so often on average, two where few changes do not just add
// up, and one of hot features at a part of that. A segment of visits is long enough for starting and meeting not to
// matter.
constexpr int64_t visits_of_a_feature = 48, hot_merges = 12, least_visits = 512;
// Changes by more visits than these do not just add up: features that are visited more often between two merges of all
// are hot; or warm, where so many merges are enough for at most half as many visits to lie between two of them.
constexpr float few_visits = 128.0f;
constexpr int64_t warm_merges = 3;
constexpr int64_t sampled_rows = 4096, rows_of_a_run = 256, rows_ahead = 8, rows_between_norms = 16;

int64_t record_length(const Params& params, int t) { return int64_t{1 + params.n_slots} * params.tables[t].width; }

int64_t mean_nnz(const Csr& X) { return std::max<int64_t>(X.indptr[X.n_rows] / std::max<int64_t>(X.n_rows, 1), 1); }

// Visits between merges of hot features, by all threads together. Where few changes do not just add up, what is lost grows
// with the threads, and those beyond two merge the more often.
int64_t visits_between_merges(const Csr& X, const Params& params, int n_threads, bool adds_few) {
    const int64_t visits = visits_of_a_feature * params.n_features / mean_nnz(X) / hot_merges;
    const int64_t more_often = adds_few || n_threads <= 2 ? 4 : int64_t{n_threads} * n_threads;
    return std::max(4 * visits / more_often, n_threads * least_visits);
}

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
    explicit Sample(int64_t n_features) : rates_(n_features, 0.0f) {}

    void take(const Csr& X, const Targets& targets, const RowOrder& order, const Params& params) {
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
        // Where features have a vector for each field, each is multiplied by those of one field only.
        const double n_vectors = params.tables[V_table].width > params.k ? params.fields.n : 1;
        const double factor_norm = factor_norms * rows_between_norms / (n * n_vectors);
        rows_.mean_weight = static_cast<float>(weights / n);
        rows_.mean_squared_weight = static_cast<float>(squared_weights / n);
        rows_.row_square = static_cast<float>(row_norm);
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

    // Adds the features that have more than few visits in so many visits to rows, and not in `few_in`.
    void add_frequent(int64_t visits, int64_t few_in, std::vector<int32_t>& features) const {
        const float limit = few_visits * rows_.mean_weight;
        for (size_t i = 0; i < rates_.size(); ++i)
            if (rates_[i] * static_cast<float>(visits) > limit && rates_[i] * static_cast<float>(few_in) <= limit)
                features.push_back(static_cast<int32_t>(i));
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

// One epoch as the job of a team: a step of training on a segment of the visits, each replica on a share of it, then
// one of merging; and so on.
class Epoch {
  public:
    Epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
          const std::vector<Params>& params, const Options& options)
        : kernels_(kernels),
          X_(X),
          targets_(targets),
          order_(order),
          options_(options),
          n_(static_cast<int>(params.size())),
          n_visits_(order.last - order.first),
          adds_few_(kernels.optimizers[static_cast<int>(options.optimizer)].adds_few),
          interval_(visits_between_merges(X, params[0], n_, adds_few_)),
          n_merges_((n_visits_ + interval_ - 1) / interval_),
          period_(adds_few_ ? hot_merges : hot_merges / 2),
          sample_(params[0].n_features),
          status_(n_, Status{StatusCode::ok, -1}),
          sums_(n_, 0.0) {
        replicas_.reserve(n_);
        for (int t = 0; t < n_; ++t) {
            replicas_.emplace_back(params[t]);
            each_.push_back(replicas_.back().params());
        }
        merging_ = Replicas{each_.data(), n_, params[0], sample_.visit_rates(), 0.0f, VisitedRows{}};
        for (std::vector<int32_t>* features : {&hot_, &warm_}) features->reserve(params[0].n_features);
    }

    int next_step() {
        switch (step_) {
            case Step::none: return step_of(Step::prepare, n_ + 1);
            case Step::prepare: return next_training();
            case Step::train: return next_merging();
            case Step::merge: return has_failed() || merge_ == n_merges_ ? 0 : next_training();
        }
        FASTFM_UNREACHABLE();
    }

    // The task is a replica, or a part of the features; in the first step one more.
    void run(int task) {
        switch (step_) {
            case Step::none: return;
            case Step::prepare: return task < n_ ? replicas_[task].take_up(merging_.shared) : look_at_rows();
            case Step::train: return train(task);
            case Step::merge: return merge(task);
        }
    }

    double loss_sum() const { return std::accumulate(sums_.begin(), sums_.end(), 0.0); }

    // That of the first replica of those that have failed.
    Status status() const {
        const auto failed = std::find_if(status_.begin(), status_.end(), is_failure);
        return failed == status_.end() ? Status{StatusCode::ok, -1} : *failed;
    }

  private:
    enum class Step { none, prepare, train, merge };

    static bool is_failure(const Status& s) { return s.code != StatusCode::ok; }
    bool has_failed() const { return std::any_of(status_.begin(), status_.end(), is_failure); }

    int64_t bound_of(int64_t merge) const { return order_.first + part_bound(n_visits_, n_merges_, merge); }

    void train(int t) {
        const int64_t n = last_ - first_;
        const RowOrder visits{first_ + part_bound(n, n_, t), first_ + part_bound(n, n_, t + 1), order_.rows};
        double sum = 0.0;
        status_[t] = kernels_.sgd_epoch(X_, targets_, visits, each_[t], options_, &sum);
        sums_[t] += sum;
    }

    int step_of(Step step, int n_tasks) {
        step_ = step;
        return n_tasks;
    }

    int next_training() {
        first_ = bound_of(merge_);
        last_ = bound_of(++merge_);
        return step_of(Step::train, n_);
    }

    // A task of its own: the calling thread has the time for it while others start. It may not ask for memory.
    void look_at_rows() {
        sample_.take(X_, targets_, order_, merging_.shared);
        const int64_t visits = hot_merges * interval_, half = adds_few_ ? 2 * visits / warm_merges : visits;
        sample_.add_frequent(half, 0, hot_);
        sample_.add_frequent(visits, half, warm_);
    }

    int next_merging() {
        const double loss = loss_sum();
        merging_.rows = sample_.rows(loss - loss_before_, last_ - first_);
        loss_before_ = loss;
        merges_all_ = has_failed() || merge_ % period_ == 0 || merge_ == n_merges_;
        merges_warm_ = !merges_all_ && merge_ % (period_ / warm_merges) == 0;
        size_t n = merges_warm_ ? hot_.size() + warm_.size() : hot_.size();
        if (merges_all_) {
            n = merging_.shared.n_features;
            visits_of_all_ = static_cast<float>(last_ - last_of_all_);
            last_of_all_ = last_;
        }
        constexpr size_t features_of_a_task = 32;
        n_tasks_ = static_cast<int>(std::clamp<size_t>(n / features_of_a_task, 1, n_));
        return step_of(Step::merge, n_tasks_);
    }

    void merge(int task) {
        const auto bound = [&](int64_t n, int t) { return part_bound(n, n_tasks_, t); };
        const int64_t n = merging_.shared.n_features;
        const auto hot_bound = [&](int t) -> int64_t {
            if (!merges_all_) return bound(hot_.size(), t);
            return std::lower_bound(hot_.begin(), hot_.end(), bound(n, t)) - hot_.begin();
        };
        Replicas merging = merging_;
        merging.n_visits = static_cast<float>(last_ - first_);
        kernels_.merge_replicas(merging, options_,
                                {hot_bound(task), hot_bound(task + 1), hot_.data(), task == 0, true});
        if (merges_warm_)
            kernels_.merge_replicas(
                merging, options_,
                {bound(warm_.size(), task), bound(warm_.size(), task + 1), warm_.data(), false, false});
        if (!merges_all_) return;
        // What is hot has no changes left.
        merging.n_visits = visits_of_all_;
        kernels_.merge_replicas(merging, options_, {bound(n, task), bound(n, task + 1), nullptr, false, false});
    }

    const Kernels& kernels_;
    const Csr& X_;
    const Targets& targets_;
    const RowOrder& order_;
    const Options& options_;
    const int n_;
    const int64_t n_visits_;
    const bool adds_few_;
    const int64_t interval_, n_merges_;
    const int64_t period_;  // segments between merges of all features
    Sample sample_;
    std::vector<int32_t> hot_, warm_;
    std::vector<Replica> replicas_;
    std::vector<Params> each_;
    Replicas merging_;
    std::vector<Status> status_;
    std::vector<double> sums_;

    Step step_ = Step::none;
    int64_t merge_ = 0, first_ = 0, last_ = 0;
    int64_t last_of_all_ = order_.first;  // the first visit after the last merge of all features
    double loss_before_ = 0.0;
    bool merges_all_ = false, merges_warm_ = false;
    float visits_of_all_ = 0.0f;
    int n_tasks_ = 0;
};

}  // namespace

int64_t bytes_of_features(const Params& params) {
    int64_t n_bytes = 0;
    for (int t = 0; t < params.n_tables; ++t) {
        const Table& table = params.tables[t];
        if (table.per_feature) n_bytes += table.n_rows * record_length(params, t) * bytes_of_value(table.storage);
    }
    return n_bytes;
}

bool pays_for_replicas(const Csr& X, const RowOrder& order, const Params& params) {
    constexpr int64_t least_visits_of_a_feature = 12;
    return (order.last - order.first) * mean_nnz(X) >= least_visits_of_a_feature * params.n_features;
}

Status replicas_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                      const std::vector<Params>& params, const Options& options, double* loss_sum) {
    Epoch epoch(kernels, X, targets, order, params, options);
    Team<Epoch>(epoch, static_cast<int>(params.size())).run();
    *loss_sum = epoch.loss_sum();
    return epoch.status();
}

}  // namespace fastfm
