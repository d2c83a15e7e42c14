// Copies of w0 and of the hot features, which threads that share all other parameters have of their own.
//
// One of the threads has its copies where these records are in the tables, whose values nobody else asks for meanwhile: it
// reads rows as they are, by the plain kernel, which takes 0.65 to 0.8 of the time of the one that looks for copies.
#pragma once

#include <cmath>
#include <cstring>
#include <vector>

#include "threads/halves.hpp"
#include "types/compiler.hpp"
#include "types/gradient.hpp"
#include "types/parameters.hpp"

namespace fastfm {

// Copies of w0 and of the hot features' records, table by table, each on a cache line.
class Copies {
  public:
    Copies(const Params& params, const HotFeatures& hot)
        : params_(params), hot_(hot), memory_(begin_of(params.n_tables) + bytes_per_line) {}

    // The copies of table t; for n_tables, where those of all tables end.
    char* of(int t) {
        const auto address = reinterpret_cast<uintptr_t>(memory_.data());
        return memory_.data() + -address % bytes_per_line + begin_of(t);
    }
    int64_t n_of(int t) const { return params_.tables[t].per_feature ? hot_.n : params_.tables[t].n_rows; }

    void take_up(Copies& others) { std::memcpy(of(0), others.of(0), begin_of(params_.n_tables)); }

    void take_from_tables() {
        for_each_record([](char* record, char* copy, int64_t n_bytes) { std::memcpy(copy, record, n_bytes); });
    }
    void put_into_tables() {
        for_each_record([](char* record, char* copy, int64_t n_bytes) { std::memcpy(record, copy, n_bytes); });
    }

  private:
    static constexpr int64_t bytes_per_line = 64;

    int64_t begin_of(int t) const {
        int64_t at = 0;
        for (int before = 0; before < t; ++before) {
            const int64_t n_bytes = n_of(before) * bytes_of_record(params_.tables[before], params_.n_slots);
            at += (n_bytes + bytes_per_line - 1) / bytes_per_line * bytes_per_line;
        }
        return at;
    }

    template <class Body>
    void for_each_record(Body body) {
        for (int t = 0; t < params_.n_tables; ++t) {
            const Table& table = params_.tables[t];
            const int64_t n_bytes = bytes_of_record(table, params_.n_slots);
            auto* const records = reinterpret_cast<char*>(table.records);
            for (int64_t c = 0; c < n_of(t); ++c)
                body(records + (table.per_feature ? hot_.features[c] : c) * n_bytes, of(t) + c * n_bytes, n_bytes);
        }
    }

    Params params_;
    HotFeatures hot_;
    std::vector<char> memory_;
};

// A thread's own copies: values now, and the shared values that they began from.
class OwnCopies {
  public:
    OwnCopies(const Params& params, const HotFeatures& hot, Merge merge, int n_threads, bool in_tables)
        : params_(params),
          in_tables_(in_tables),
          merge_(merge),
          share_(share_of_changes(merge, static_cast<float>(n_threads))),
          random_(params.seed),
          now_(params, hot),
          before_(params, hot) {}

    bool in_tables() const { return in_tables_; }

    // The shared parameters, with this thread's copies in their place, and random numbers that are new each time.
    Params params() {
        Params own = params_;
        own.seed = random_.next();
        if (in_tables_) return own;
        for (int t = 0; t < own.n_tables; ++t) {
            if (!own.tables[t].per_feature)
                own.tables[t].records = reinterpret_cast<float*>(now_.of(t));
            else if (now_.n_of(t))
                own.copies[t] = now_.of(t);
        }
        return own;
    }

    // Begins from the shared values.
    void take_up(Copies& shared) {
        before_.take_up(shared);
        if (in_tables_)
            shared.put_into_tables();
        else
            now_.take_up(shared);
    }

    // Adds what this thread has learned to the shared values.
    void merge(Copies& shared) {
        if (in_tables_) now_.take_from_tables();
        for (int t = 0; t < params_.n_tables; ++t) {
            const Table& table = params_.tables[t];
            const int64_t length = int64_t{1 + params_.n_slots} * table.width, n = now_.n_of(t);
            if (table.storage == Storage::half)
                merge_records<uint16_t>(t, n, length, shared,
                                        [&](uint16_t* to, const uint16_t* now, const uint16_t* before) {
                                            add_changes(to, now, before, length, table.width, random_);
                                        });
            else if (merge_ == Merge::mean_state)
                merge_records<float>(t, n, length, shared, [&](float* to, const float* now, const float* before) {
                    merge_floats(to, now, before, table.width);
                    merge_floats(to + table.width, now + table.width, to + table.width, length - table.width);
                });
            else
                merge_records<float>(t, 1, n * length, shared, [&](float* to, const float* now, const float* before) {
                    merge_floats(to, now, before, n * length);
                });
        }
    }

  private:
    static float share_of_changes(Merge merge, float n_threads) {
        switch (merge) {
            case Merge::whole_changes: return 1.0f;
            case Merge::root_changes: return 1.0f / std::sqrt(n_threads);
            case Merge::mean_changes:
            case Merge::mean_state: return 1.0f / n_threads;
        }
        FASTFM_UNREACHABLE();
    }

    template <class Value, class Body>
    void merge_records(int t, int64_t n, int64_t length, Copies& shared, Body body) {
        const auto values = [t](Copies& copies) { return reinterpret_cast<Value*>(copies.of(t)); };
        for (int64_t at = 0; at < n * length; at += length)
            body(values(shared) + at, values(now_) + at, values(before_) + at);
    }

    void merge_floats(float* shared, const float* now, const float* before, int64_t n) const {
        for (int64_t l = 0; l < n; ++l) shared[l] += share_ * (now[l] - before[l]);
    }

    Params params_;
    bool in_tables_;
    Merge merge_;
    float share_;
    SplitMix64 random_;
    Copies now_;
    Copies before_;
};

}  // namespace fastfm
