// Work over several std::threads, started for one call and joined before it returns.
#pragma once

#include <algorithm>
#include <atomic>
#include <new>
#include <thread>
#include <vector>

#include "threads/cpus.hpp"
#include "types/status.hpp"

namespace fastfm {

// Below this many rows a thread costs more to start than it saves.
constexpr int64_t min_rows_per_thread = 4096;

inline int useful_threads(int n_threads, int64_t n_rows) {
    return static_cast<int>(std::clamp<int64_t>(n_rows / min_rows_per_thread, 1, n_threads));
}

// Where part number `part` of n begins, if there are so many parts.
inline int64_t part_bound(int64_t n, int64_t parts, int64_t part) {
    return n / parts * part + n % parts * part / parts;
}

// Calls body(t, first, last) once for each of n_threads shares [first, last) of n. As many threads as there are CPUs for
// claim one after the other; the calling thread is one of them, and the only one where the system gives no more.
template <class Body>
void split(int64_t n, int n_threads, Body body) {
    std::atomic<int> next{0};
    const auto work = [&] {
        for (int t = next.fetch_add(1); t < n_threads; t = next.fetch_add(1))
            body(t, part_bound(n, n_threads, t), part_bound(n, n_threads, t + 1));
    };
    const int n_helpers = std::min(usable_cpus(), n_threads) - 1;
    std::vector<std::thread> helpers;
    helpers.reserve(n_helpers);
    try {
        for (int helper = 0; helper < n_helpers; ++helper) helpers.emplace_back(work);
    } catch (...) {
    }
    work();
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

}  // namespace fastfm
