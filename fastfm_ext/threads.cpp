#include "threads.hpp"

#include <algorithm>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace fastfm {

namespace {

// Below this many rows a thread costs more to start than it saves.
constexpr int64_t min_rows_per_thread = 4096;

int useful_threads(int n_threads, int64_t n_rows) {
    return static_cast<int>(std::clamp<int64_t>(n_rows / min_rows_per_thread, 1, n_threads));
}

// Calls body(t, first, last) once for each thread t, [first, last) being its share of n. The calling thread takes the
// first share; a share for which the system gives no thread is done by the calling thread too.
template <class Body>
void split(int64_t n, int n_threads, Body body) {
    const auto bound = [=](int t) { return n / n_threads * t + std::min<int64_t>(n % n_threads, t); };
    std::vector<std::thread> helpers;
    helpers.reserve(n_threads - 1);
    int started = 1;
    try {
        for (; started < n_threads; ++started)
            helpers.emplace_back([=, &body] { body(started, bound(started), bound(started + 1)); });
    } catch (const std::system_error&) {
    }
    body(0, bound(0), bound(1));
    for (int t = started; t < n_threads; ++t) body(t, bound(t), bound(t + 1));
    for (std::thread& helper : helpers) helper.join();
}

// Nothing may leave as an exception: the caller holds no GIL and is C.
template <class Body>
Status guarded(Body body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc&) {
        return {StatusCode::out_of_memory, -1};
    }
}

}  // namespace

Status sgd_epoch(const Kernels& kernels, const Csr& X, const Targets& targets, const RowOrder& order,
                 const Params& params, const Options& options, int n_threads, double* loss_sum) noexcept {
    n_threads = useful_threads(n_threads, order.last - order.first);
    if (n_threads == 1) return kernels.sgd_epoch(X, targets, order, params, options, loss_sum);
    return guarded([&]() -> Status {
        std::vector<Status> status(n_threads);
        std::vector<double> sums(n_threads, 0.0);
        split(order.last - order.first, n_threads, [&](int t, int64_t first, int64_t last) {
            const RowOrder share{order.first + first, order.first + last, order.rows};
            status[t] = kernels.sgd_epoch(X, targets, share, params, options, &sums[t]);
        });
        *loss_sum = 0.0;
        for (double sum : sums) *loss_sum += sum;
        for (const Status& s : status)
            if (s.code != StatusCode::ok) return s;
        return {StatusCode::ok, -1};
    });
}

Status predict(const Kernels& kernels, const Csr& X, const Params& params, int n_threads, float* p) noexcept {
    return guarded([&]() -> Status {
        split(X.n_rows, useful_threads(n_threads, X.n_rows),
              [&](int, int64_t first, int64_t last) { kernels.predict(X, params, first, last, p); });
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

}  // namespace fastfm
