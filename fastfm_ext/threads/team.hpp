// Threads that do a job together, step by step: no task of a step begins before all tasks of the last step have ended.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "threads/cpus.hpp"
#include "threads/pause.hpp"

namespace fastfm {

// A job has
//
//   int next_step()       settles what the last step has done, and returns the number of tasks of the next, up to 31, or 0
//                         where the job has ended; called by one thread while no other is at work
//   void run(int task)    does a task of the step
//
// Free threads claim tasks, each first those that were its own in other steps, whose memory its core has near. Nobody
// waits for a thread that has no core at the moment, unless it is in the middle of a task: the others do its tasks, all of
// them if need be. What comes out must not depend on who does a task.
template <class Job>
class Team {
  public:
    Team(Job& job, int n_threads) : job_(job), n_members_(std::min(usable_cpus(), n_threads)) {}

    // Does the job; the calling thread is a member, too.
    void run() {
        open(job_.next_step());
        std::vector<std::thread> helpers;
        helpers.reserve(n_members_ - 1);
        try {
            for (int member = 1; member < n_members_; ++member) helpers.emplace_back([this, member] { work(member); });
        } catch (...) {  // the system has no more threads: those that there are do all tasks
        }
        work(0);
        for (std::thread& helper : helpers) helper.join();
    }

  private:
    // The number of the step in the upper half; in the lower one a bit for each task that nobody has claimed.
    using State = uint64_t;
    static constexpr int tasks_bits = 32;
    static constexpr State tasks_mask = (State{1} << tasks_bits) - 1, over = State{1} << (tasks_bits - 1);
    // Others are done within this time, unless they have lost their core; to sleep and to be woken takes about as long.
    static constexpr std::chrono::microseconds patience{50};

    void work(int member) {
        for (State state = state_.load(); (state & over) == 0; state = state_.load()) {
            const int task = wanted(state, member);
            if (task == none)
                wait(state);
            else if (state_.compare_exchange_weak(state, state & ~(State{1} << task)))
                finish(task);
        }
    }

    static constexpr int none = -1;

    // An unclaimed task of the member's own, else the last that is found. Steps of two kinds take turns: of a step of either,
    // a member that does several tasks begins with that which it ended the last one with, and still has in its cache.
    int wanted(State state, int member) const {
        const bool backwards = state >> (tasks_bits + 1) & 1;
        int last = none;
        for (int i = 0; i < tasks_bits - 1; ++i) {
            const int task = backwards ? tasks_bits - 2 - i : i;
            if ((state >> task & 1) == 0) continue;
            if (task % n_members_ == member) return task;
            last = task;
        }
        return last;
    }

    void finish(int task) {
        job_.run(task);
        if (n_unfinished_.fetch_sub(1) == 1) open(job_.next_step());
    }

    // The thread that opens a step takes a task of it, so others are woken only for more.
    void open(int n_tasks) {
        const State step = (state_.load() >> tasks_bits) + 1;
        n_unfinished_.store(n_tasks);
        state_.store(step << tasks_bits | (n_tasks ? (State{1} << n_tasks) - 1 : over));
        if (n_tasks == 1 || n_asleep_.load() == 0) return;
        // Whoever is about to sleep holds the lock until he does.
        {
            const std::lock_guard<std::mutex> lock(falling_asleep_);
        }
        changed_.notify_all();
    }

    void wait(State seen) {
        using Clock = std::chrono::steady_clock;
        constexpr int turns = 32;
        const auto until = Clock::now() + patience;
        do {
            for (int turn = 0; turn < turns; ++turn) {
                if (state_.load(std::memory_order_relaxed) != seen) return;
                pause();
            }
        } while (Clock::now() < until);
        std::unique_lock<std::mutex> lock(falling_asleep_);
        n_asleep_.fetch_add(1);
        changed_.wait(lock, [&] { return state_.load() != seen; });
        n_asleep_.fetch_sub(1);
    }

    Job& job_;
    const int n_members_;
    std::atomic<State> state_{0};
    std::atomic<int> n_unfinished_{0};
    std::atomic<int> n_asleep_{0};
    std::mutex falling_asleep_;
    std::condition_variable changed_;
};

}  // namespace fastfm
