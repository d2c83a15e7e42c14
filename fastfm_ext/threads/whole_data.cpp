#include "threads/whole_data.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

#include "threads/fan_out.hpp"

namespace fastfm {

namespace {

// Calls body(t, first, last) for blocks of n rows, whichever thread t is free: the first rows are often the longest.
template <class Body>
Status share_out(int64_t n, int n_threads, Body body) {
    constexpr int64_t rows_at_once = 64;
    n_threads = static_cast<int>(std::clamp<int64_t>(n / (2 * rows_at_once), 1, n_threads));
    std::atomic<int64_t> next{0};
    split(n_threads, n_threads, [&](int t, int64_t, int64_t) {
        for (int64_t first; (first = next.fetch_add(rows_at_once)) < n;)
            body(t, first, std::min(first + rows_at_once, n));
    });
    return {StatusCode::ok, -1};
}

int64_t room_of_row(int32_t k) { return 5 * (int64_t{k} + 16); }

}  // namespace

Status whole_gradient(const Kernels& kernels, const OtherSide& side, const Vectors& at, int n_threads,
                      const Vectors& gradient, const Vectors& diagonal, double* losses) noexcept {
    return guarded([&] {
        return share_out(side.chosen.n_rows, n_threads, [&](int, int64_t first, int64_t last) {
            kernels.whole_gradient(side, at, first, last, gradient, diagonal, losses);
        });
    });
}

Status whole_product(const Kernels& kernels, const OtherSide& side, const Vectors& direction, int n_threads,
                     const Vectors& product) noexcept {
    return guarded([&] {
        return share_out(side.chosen.n_rows, n_threads, [&](int, int64_t first, int64_t last) {
            kernels.whole_product(side, direction, first, last, product);
        });
    });
}

Status whole_solve(const Kernels& kernels, const OtherSide& side, const RowPenalties& l2, int n_steps, int n_threads,
                   const Vectors& at, double* losses) noexcept {
    return guarded([&] {
        const int64_t length = room_of_row(side.k);
        std::vector<float> rooms(length * n_threads);
        return share_out(side.chosen.n_rows, n_threads, [&](int t, int64_t first, int64_t last) {
            kernels.whole_solve(side, l2, n_steps, first, last, at, rooms.data() + t * length, losses);
        });
    });
}

Status combine(const Kernels& kernels, const Csr& A, const Vectors& from, int32_t k, int n_threads,
               const Vectors& to) noexcept {
    return guarded([&] {
        return share_out(A.n_rows, n_threads,
                         [&](int, int64_t first, int64_t last) { kernels.combine(A, from, k, first, last, to); });
    });
}

Status rotate(const Kernels& kernels, const float* from, const float* rotation, int64_t n, int32_t k, int n_threads,
              float* to) noexcept {
    return guarded([&] {
        return share_out(n, n_threads,
                         [&](int, int64_t first, int64_t last) { kernels.rotate(from, rotation, first, last, k, to); });
    });
}

Status moments(const Kernels& kernels, const Vectors& rows, int64_t n, int32_t k, int n_threads,
               double* sums) noexcept {
    constexpr int n_chunks = 16;  // so many threads are of use
    return guarded([&] {
        const int64_t length = (int64_t{k} + 2) * k;
        std::vector<double> chunks(length * n_chunks);
        std::vector<float> rooms(length * n_threads);
        std::atomic<int> next{0};
        split(n_threads, n_threads, [&](int t, int64_t, int64_t) {
            for (int chunk; (chunk = next.fetch_add(1)) < n_chunks;)
                kernels.add_moments(rows, n * chunk / n_chunks, n * (chunk + 1) / n_chunks, k,
                                    rooms.data() + t * length, chunks.data() + chunk * length);
        });
        std::fill_n(sums, length, 0.0);
        for (int chunk = 0; chunk < n_chunks; ++chunk)
            for (int64_t j = 0; j < length; ++j) sums[j] += chunks[chunk * length + j];
        return Status{StatusCode::ok, -1};
    });
}

}  // namespace fastfm
