#include "threads/cpus.hpp"

#include <stdio.h>

#include <algorithm>
#include <limits>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

namespace fastfm {

namespace {

// The CPUs that the thread is bound to, or all where the system does not say.
int cpus_of_thread() {
#if defined(__linux__)
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0) return CPU_COUNT(&cpus);
#endif
    return static_cast<int>(std::thread::hardware_concurrency());
}

// CPU time over wall time that a container has, rounded up, or a huge number where there is no limit.
int cpus_of_container() {
    long long quota = -1, period = 0;
#if defined(__linux__)
    if (FILE* file = fopen("/sys/fs/cgroup/cpu.max", "r")) {
        if (fscanf(file, "%lld %lld", &quota, &period) != 2) quota = -1;  // "max"
        fclose(file);
    }
#endif
    if (quota <= 0 || period <= 0) return std::numeric_limits<int>::max();
    return static_cast<int>(std::min<long long>((quota - 1) / period + 1, std::numeric_limits<int>::max()));
}

}  // namespace

int usable_cpus() noexcept {
    static const int most = cpus_of_container();
    return std::max(std::min(cpus_of_thread(), most), 1);
}

int64_t first_cache_bytes() noexcept {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
    static const int64_t bytes = sysconf(_SC_LEVEL1_DCACHE_SIZE);
    return std::max<int64_t>(bytes, 0);
#else
    return 0;
#endif
}

}  // namespace fastfm
