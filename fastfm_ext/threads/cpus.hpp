// How many CPUs this process may use now: those that it is bound to, and no more than its control group has the time of.
// Threads beyond these would only wait for each other.
#pragma once

namespace fastfm {

int usable_cpus() noexcept;

}  // namespace fastfm
