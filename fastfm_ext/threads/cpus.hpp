// What is known of the CPUs.
#pragma once

#include <stdint.h>

namespace fastfm {

// How many CPUs this process may use now: those that it is bound to, and no more than its control group has the time of.
// Threads beyond these would only wait for each other.
int usable_cpus() noexcept;

// Bytes of data that the cache nearest to a core holds; 0 where the system does not say.
int64_t first_cache_bytes() noexcept;

}  // namespace fastfm
