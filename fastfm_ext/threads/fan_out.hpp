// Work over several std::threads, started for one call and joined before it returns.
#pragma once

#include <algorithm>
#include <new>
#include <thread>
#include <vector>

#include "types/status.hpp"

namespace fastfm {

// Below this many rows a thread costs more to start than it saves.
constexpr int64_t min_rows_per_thread = 4096;

inline int useful_threads(int n_threads, int64_t n_rows) {
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
    } catch (...) {
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

}  // namespace fastfm
