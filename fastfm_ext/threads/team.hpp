// Threads that do the shares of a job together, phase by phase: nobody begins a phase before all have ended the last.
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace fastfm {

// Work on n shares, by as many threads as there are cores at most: a thread may do several shares of a phase. What comes
// out depends on the shares alone, so it is the same with fewer threads than shares.
class Team {
  public:
    explicit Team(int n_shares)
        : n_shares_(n_shares), most_(std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, n_shares)) {}

    // Calls body(member) once in each thread and joins them all; the calling thread is a member, too.
    template <class Body>
    void run(Body body) {
        std::vector<std::thread> helpers;
        helpers.reserve(most_ - 1);
        try {
            for (int member = 1; member < most_; ++member)
                helpers.emplace_back([this, member, &body] {
                    while (n_members_.load(std::memory_order_acquire) == 0) std::this_thread::yield();
                    body(member);
                });
        } catch (...) {  // the system has no more threads: those that there are do all shares
        }
        n_members_.store(static_cast<int>(helpers.size()) + 1, std::memory_order_release);
        body(0);
        for (std::thread& helper : helpers) helper.join();
    }

    // Calls share(s) for the shares of a member.
    template <class Share>
    void each_share(int member, Share share) const {
        for (int s = member; s < n_shares_; s += n_members()) share(s);
    }

    // Waits until all members are here.
    void meet() {
        const unsigned phase = phase_.load(std::memory_order_relaxed);
        if (n_here_.fetch_add(1, std::memory_order_acq_rel) + 1 == n_members()) {
            n_here_.store(0, std::memory_order_relaxed);
            phase_.store(phase + 1, std::memory_order_release);
            return;
        }
        // Others are here within microseconds, unless they have lost their core.
        constexpr int patience = 1 << 12;
        for (int turn = 0; phase_.load(std::memory_order_acquire) == phase; ++turn)
            if (turn > patience) std::this_thread::yield();
    }

    int n_members() const { return n_members_.load(std::memory_order_acquire); }

  private:
    const int n_shares_;
    const int most_;
    std::atomic<int> n_members_{0};
    std::atomic<int> n_here_{0};
    std::atomic<unsigned> phase_{0};
};

}  // namespace fastfm
