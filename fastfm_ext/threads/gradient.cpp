#include "threads/gradient.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <vector>

#include "threads/copies.hpp"
#include "threads/cpus.hpp"
#include "threads/fan_out.hpp"
#include "threads/halves.hpp"
#include "threads/replicas.hpp"

namespace fastfm {

namespace {

// Between two merges a thread does not see the others' changes of hot parameters; a merge costs some 50 us. So short
// rows, which are quick to visit, are given more visits, and an epoch has several merges in any case.
int64_t visits_between_merges(const Csr& X, int64_t visits_per_thread) {
    constexpr int64_t least = 4096, most = 16384, nonzeros = 1 << 18, merges = 8;
    const int64_t by_length = nonzeros * X.n_rows / std::max<int64_t>(X.indptr[X.n_rows], 1);
    return std::min(std::clamp(by_length, least, most), visits_per_thread / merges + 1);
}

// The most nonzeros of a row, for models that ask for room; else 0.
int64_t most_nonzeros(const Csr& X, bool is_asked_for) {
    int64_t most = 0;
    for (int64_t r = 0; is_asked_for && r < X.n_rows; ++r) most = std::max(most, X.indptr[r + 1] - X.indptr[r]);
    return most;
}

// The room that a model asks for, for each of n threads, and for the rows of X.
class Rooms {
  public:
    Rooms(const Kernels& kernels, const Csr& X, const Params& params, int n_threads)
        : Rooms(kernels.models[params.model], X, params, n_threads) {}

    // These parameters, with the room of thread t.
    Params params(Params shared, int t) {
        if (!size_) return shared;
        const auto address = reinterpret_cast<uintptr_t>(memory_.data());
        shared.most_nnz = most_nnz_;
        shared.room = memory_.data() + (-(address / sizeof(float)) % floats_per_line) + t * size_;
        return shared;
    }

  private:
    static constexpr int64_t floats_per_line = 16;

    Rooms(const ModelTraits& model, const Csr& X, const Params& params, int n_threads)
        : most_nnz_(most_nonzeros(X, model.room(params.k, params.fields.n, 1))),
          size_(padded(model.room(params.k, params.fields.n, most_nnz_))),
          memory_(size_ ? size_ * n_threads + floats_per_line : 0) {}

    static int64_t padded(int64_t n) { return (n + floats_per_line - 1) / floats_per_line * floats_per_line; }

    int64_t most_nnz_;
    int64_t size_;
    std::vector<float> memory_;
};

// Whether the first cache has room for what is asked for ahead. With 48 KB (Zen 5, Emerald Rapids), epochs of one thread over
// large tables take 0.94 to 1.0 of the time; a Zen 4, which has 32, is far better off with the second.
bool has_large_first_cache() {
    constexpr int64_t large = 48 << 10;
    return first_cache_bytes() >= large;
}

// A value of each feature, (n_features,) or null, and behind these those of the copies of hot ones.
template <class T>
std::vector<T> with_copies(const T* values, int64_t n_features, const HotFeatures& hot) {
    if (!values || !hot.n) return {};
    std::vector<T> all(values, values + n_features);
    for (int64_t h = 0; h < hot.n; ++h) all.push_back(values[hot.features[h]]);
    return all;
}

// An epoch over threads that share the parameters but for copies of w0 and of the hot features. Each claims the pieces of
// its share of the visits one after the other, and then what is left of other shares: nobody waits long for a thread that
// has no core at the moment.
Status shared_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                    const Params& params, const HotFeatures& hot, const Options& options, int n_threads,
                    double* loss_sum) {
    const int64_t n_visits = order.last - order.first;
    const Merge merge = kernels.optimizers[static_cast<int>(options.optimizer)].merge;
    const std::vector<int32_t> fields = with_copies(params.fields.of_feature, params.n_features, hot);
    const std::vector<float> l2_scale = with_copies(params.l2_scale, params.n_features, hot);
    Params shared = params;
    if (!fields.empty()) shared.fields.of_feature = fields.data();
    if (!l2_scale.empty()) shared.l2_scale = l2_scale.data();
    Rooms rooms(kernels, X, params, n_threads);
    // What the threads have learned: side by side, as merges of records far apart take long.
    Copies together(params, hot);
    together.take_from_tables();
    std::vector<OwnCopies> copies;
    copies.reserve(n_threads);
    for (int t = 0; t < n_threads; ++t) {
        Params own = rooms.params(shared, t);
        own.seed = SplitMix64::of(shared.seed, t).next();
        copies.emplace_back(own, hot, merge, n_threads, t == 0);
    }
    Csr renamed = X;
    if (hot.n) renamed.indices = hot.indices;
    std::mutex merging;
    std::atomic<bool> has_failed{false};
    std::vector<Status> status(n_threads, Status{StatusCode::ok, -1});
    std::vector<double> sums(n_threads, 0.0);
    const auto train = [&](int t, int64_t first, int64_t last) {
        const RowOrder visits{order.first + first, order.first + last, order.rows};
        double sum = 0.0;
        {
            // Re-read here, not after the last merge: the thread may have been descheduled in between.
            const std::lock_guard<std::mutex> lock(merging);
            copies[t].take_up(together);
        }
        const Csr& rows = copies[t].in_tables() ? X : renamed;
        status[t] = kernels.sgd_epoch(rows, targets, visits, copies[t].params(), options, &sum);
        sums[t] += sum;
        if (status[t].code != StatusCode::ok) has_failed = true;
        const std::lock_guard<std::mutex> lock(merging);
        copies[t].merge(together);
    };
    const int64_t piece = visits_between_merges(X, n_visits / n_threads);
    std::vector<std::atomic<int64_t>> begun(n_threads);  // visits of each share that somebody has claimed
    split(n_threads, n_threads, [&](int t, int64_t, int64_t) {
        for (int s = 0; s < n_threads; ++s) {
            const int share = (t + s) % n_threads;
            const int64_t first = part_bound(n_visits, n_threads, share);
            const int64_t n = part_bound(n_visits, n_threads, share + 1) - first;
            for (int64_t from = begun[share].fetch_add(piece); from < n && !has_failed;
                 from = begun[share].fetch_add(piece))
                train(t, first + from, first + std::min(from + piece, n));
        }
    });
    together.put_into_tables();
    *loss_sum = std::accumulate(sums.begin(), sums.end(), 0.0);
    for (const Status& s : status)
        if (s.code != StatusCode::ok) return s;
    return {StatusCode::ok, -1};
}

}  // namespace

Status sgd_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                 const Params& params, const HotFeatures& hot, const Options& options, int n_threads,
                 double* loss_sum) noexcept {
    const int64_t n_visits = order.last - order.first;
    n_threads = useful_threads(n_threads, n_visits);
    const bool by_replicas =
        n_threads > 1 && hot.n == 0 && has_replicas(kernels.models[params.model], bytes_of_features(params));
    if (by_replicas && !pays_for_replicas(X, order, params)) n_threads = 1;
    if (!by_replicas) n_threads = std::min(n_threads, usable_cpus());
    Params own = params;
    // Threads that share a table would take lines from each other long before their turn: 1.05 to 1.08 of the time.
    own.far_to_first_cache = n_threads == 1 && has_large_first_cache();
    return guarded([&]() -> Status {
        if (n_threads == 1) {
            Rooms room(kernels, X, params, 1);
            return kernels.sgd_epoch(X, targets, order, room.params(own, 0), options, loss_sum);
        }
        if (by_replicas) {
            const int n_replicas = std::min(n_threads, most_replicas);
            // Small tables gain nothing from halves, in which no thread could keep a replica of its own exactly.
            const AsFloats floats(params);
            Rooms rooms(kernels, X, params, n_replicas);
            std::vector<Params> each;
            for (int t = 0; t < n_replicas; ++t) each.push_back(rooms.params(floats.params(), t));
            const Status status = replicas_epoch(kernels, X, targets, order, each, options, loss_sum);
            floats.put_back();
            return status;
        }
        return shared_epoch(kernels, X, targets, order, own, hot, options, n_threads, loss_sum);
    });
}

Status multinomial_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                         const Machines& machines, const Options& options, double* loss_sum) noexcept {
    return guarded([&]() -> Status {
        Rooms rooms(kernels, X, machines.params[0], machines.n_classes);
        std::vector<Params> params(machines.params, machines.params + machines.n_classes);
        for (int c = 0; c < machines.n_classes; ++c) params[c] = rooms.params(params[c], c);
        const Machines with_room{params.data(), machines.n_classes, machines.scores};
        return kernels.multinomial_epoch(X, targets, order, with_room, options, loss_sum);
    });
}

Status predict(const Kernels& kernels, const Csr& X, const Params& params, int n_threads, float* p) noexcept {
    return guarded([&]() -> Status {
        const int n_used = useful_threads(n_threads, X.n_rows);
        Rooms rooms(kernels, X, params, n_used);
        split(X.n_rows, n_used,
              [&](int t, int64_t first, int64_t last) { kernels.predict(X, rooms.params(params, t), first, last, p); });
        return {StatusCode::ok, -1};
    });
}

Status pool(const Kernels& kernels, const Csr& X, const Params& params, int n_threads, float* own,
            float* sum_vx) noexcept {
    return guarded([&]() -> Status {
        split(X.n_rows, useful_threads(n_threads, X.n_rows),
              [&](int, int64_t first, int64_t last) { kernels.pool(X, params, first, last, own, sum_vx); });
        return {StatusCode::ok, -1};
    });
}

Status feature_contributions(const Kernels& kernels, const Csr& X, const Params& params, int n_threads,
                             const FeatureContributions& out) noexcept {
    return guarded([&]() -> Status {
        split(X.n_rows, useful_threads(n_threads, X.n_rows),
              [&](int, int64_t first, int64_t last) { kernels.feature_contributions(X, params, first, last, out); });
        return {StatusCode::ok, -1};
    });
}

Status group_contributions(const Kernels& kernels, const Csr& X, const Params& params, int n_threads,
                           const GroupContributions& out) noexcept {
    return guarded([&]() -> Status {
        split(X.n_rows, useful_threads(n_threads, X.n_rows),
              [&](int, int64_t first, int64_t last) { kernels.group_contributions(X, params, first, last, out); });
        return {StatusCode::ok, -1};
    });
}

}  // namespace fastfm
