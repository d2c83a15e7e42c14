#include "threads/search.hpp"

#include <float.h>
#include <math.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "threads/fan_out.hpp"
#include "threads/panel_sample.hpp"

namespace fastfm {

namespace {

constexpr float nothing = -std::numeric_limits<float>::infinity();
constexpr float everything = std::numeric_limits<float>::infinity();

// Bytes of items that the groups of a batch are shown one after the other: a part of a second-level cache.
constexpr int64_t block_bytes = 1 << 18;
// Panels between two looks at whether a group can stop.
constexpr int64_t chunk_panels = 16;
// Bytes that the candidates of a batch of users take if these are not too few: another part of that cache. The fewest
// users of a batch, which share what reading the items takes, and the most.
constexpr int64_t batch_bytes = 1 << 18;
constexpr int64_t fewest_batch_users = 8 * group_users;
constexpr int64_t most_batch_users = 24 * group_users;
// Room for candidates beyond the wanted items: more of it means fewer, longer selections.
constexpr int64_t spare_room = 40;
// Up to so many candidates are put in order by counting, for each, those before it.
constexpr int32_t most_ranked = 1024;
// A user who may get less than this part of the items has them scored one by one.
constexpr int64_t short_list = 8;
// A thread takes some 50 us to start, in which one multiplies about this often.
constexpr int64_t products_per_thread = 1 << 21;

struct Scored {
    double score;
    int32_t position;
    int32_t candidate;

    bool operator<(const Scored& other) const {  // comes before
        return score != other.score ? score > other.score : position < other.position;
    }
};

float just_below(double value) { return nextafterf(static_cast<float>(value), nothing); }

// The search of one thread. All memory is taken when it is built: a thread must not throw.
class Search {
  public:
    Search(const Kernels& kernels, const PackedItems& items, const TopNQuery& query, const Best& best)
        : kernels_(kernels), items_(items), query_(query), best_(best), n_(std::min(query.n, items.n_items)) {
        room_ = (std::min(2 * n_ + spare_room, items.n_items) + panel_items - 1) / panel_items * panel_items;
        const int64_t length = room_ + panel_items;
        const int64_t affordable = batch_bytes / (length * (sizeof(float) + sizeof(int32_t)));
        const int64_t most = std::clamp(affordable / group_users * group_users, fewest_batch_users, most_batch_users);
        batch_ = std::min(most, (query.n_users + group_users - 1) / group_users * group_users);
        scores_.resize(batch_ * length + floats_per_line);
        places_.resize(batch_ * length);
        vectors_.resize(batch_ * items.d);
        candidates_.resize(batch_);
        checked_.resize(batch_);
        rows_.reserve(batch_);
        groups_.reserve(query.probes ? batch_ : batch_ / group_users + 2);
        order_.resize(length);
        ranks_.resize(length);
        const int64_t most_scored = std::max(length, query.lists.may_get ? items.n_items / short_list + 1 : 0);
        positions_.resize(most_scored);
        exact_.resize(most_scored);
        scored_.resize(most_scored);
        user_.resize(items.d);
        error_ = (items.d + 3) * 0x1p-23;
    }

    // The users first <= u < last.
    void run(int64_t first, int64_t last) {
        for (int64_t u = first; u < last; ++u) {
            if (has_short_list(u)) {
                rank_list(u);
                continue;
            }
            rows_.push_back(u);
            if (static_cast<int64_t>(rows_.size()) == batch_) run_batch();
        }
        run_batch();
    }

  private:
    void run_batch() {
        search_batch(query_.probes ? PanelSample{} : PanelSample::of(items_, n_, room_));
        // Of these, the sample promised too much.
        search_batch({});
    }

    // Leaves in rows_ the users whose limits, guessed from a sample, were too high.
    void search_batch(const PanelSample& sample) {
        sample_ = sample;
        begin_batch();
        guess_limits();
        query_.probes ? scan_lists() : scan_everything();
        size_t n_left = 0;
        for (size_t i = 0; i < rows_.size(); ++i)
            if (!finish(i)) rows_[n_left++] = rows_[i];
        rows_.resize(n_left);
    }

    void guess_limits() {
        if (!sample_.n_panels) return;
        for (const UserGroup& group : groups_)
            for (int64_t s = 0; s < sample_.n_panels; ++s)
                kernels_.collect_candidates(items_, sample_.panel(s), sample_.panel(s) + 1, group);
        for (size_t i = 0; i < rows_.size(); ++i) {
            drop_forbidden(i);
            select(i, sample_.n_best);
        }
    }

    void scan_everything() {
        const int64_t panel_bytes = int64_t{panel_items} * items_.d * bytes_of_value(items_.storage);
        const int64_t step = std::max<int64_t>(block_bytes / panel_bytes, 1);
        for (int64_t from = 0; from < items_.n_panels; from += step) {
            const int64_t to = std::min(from + step, items_.n_panels);
            for (const UserGroup& group : groups_) scan(group, from, to);
        }
    }

    void scan_lists() {
        for (size_t i = 0; i < rows_.size(); ++i) {
            const int32_t* probes = query_.probes + rows_[i] * query_.n_probes;
            for (int64_t p = 0; p < query_.n_probes; ++p)
                scan(groups_[i], items_.list_panels[probes[p]], items_.list_panels[probes[p] + 1]);
        }
    }

    // The panels from <= panel < to, but for those of the sample.
    void scan(const UserGroup& group, int64_t from, int64_t to) {
        int64_t s = sample_.first_from(from);
        for (int64_t panel = from; panel < to && !is_done(group, panel);) {
            const int64_t passed_over = s < sample_.n_panels ? sample_.panel(s) : to;
            if (panel == passed_over) {
                ++s, ++panel;
                continue;
            }
            const int64_t end = std::min({panel + chunk_panels, passed_over, to});
            kernels_.collect_candidates(items_, panel, end, group);
            panel = end;
        }
    }

    // Lays out the users of rows_ in groups; places of a group that no user takes have a limit that nothing reaches.
    void begin_batch() {
        groups_.clear();
        const int64_t length = room_ + panel_items;
        for (int64_t i = 0, n = 0; i < static_cast<int64_t>(rows_.size()); i += n) {
            const int64_t left = static_cast<int64_t>(rows_.size()) - i;
            n = left == 1 || query_.probes ? 1 : left > 4 ? group_users : 4;
            float* vectors = vectors_.data() + i * items_.d;
            for (int64_t u = 0; u < n; ++u) {
                const bool taken = u < left;
                candidates_[i + u] = {taken ? nothing : everything, 0, on_a_line(scores_.data()) + (i + u) * length,
                                      places_.data() + (i + u) * length};
                checked_[i + u] = 0;
                const float* vector = taken ? vector_of(rows_[i + u]) : nullptr;
                for (int32_t f = 0; f < items_.d; ++f) vectors[f * n + u] = taken ? vector[f] : 0.0f;
            }
            groups_.push_back({static_cast<int32_t>(n), vectors, candidates_.data() + i, static_cast<int32_t>(room_),
                               [](void* search, Candidates& full) { static_cast<Search*>(search)->make_room(full); },
                               this});
        }
    }

    // Whether no item from this panel on can reach the limit of any user of the group.
    bool is_done(const UserGroup& group, int64_t panel) const {
        for (int32_t u = 0; u < group.n_users; ++u) {
            const Candidates& own = group.candidates[u];
            if (own.limit == everything) continue;
            const int64_t row = rows_[&own - candidates_.data()];
            if (query_.user_norms[row] * items_.norms[panel] + slack(row) >= static_cast<double>(own.limit))
                return false;
        }
        return true;
    }

    // Called by the kernel when there is no room for more.
    void make_room(Candidates& own) {
        const int64_t i = &own - candidates_.data();
        drop_forbidden(i);
        select(i, n_);
        // So many within rounding of each other that there would soon be no room again.
        if (own.count > (room_ + n_) / 2) select_in_float64(i);
    }

    void drop_forbidden(int64_t i) {
        Candidates& own = candidates_[i];
        // Without lists, places that hold no item are the last ones, and so the last candidates.
        while (own.count && items_.positions[own.places[own.count - 1]] < 0) --own.count;
        if (query_.allowed || query_.lists.indptr || query_.probes) {
            int32_t kept = checked_[i];
            for (int32_t c = kept; c < own.count; ++c) {
                const int32_t position = items_.positions[own.places[c]];
                if (position < 0 || !may_get(rows_[i], position)) continue;
                own.scores[kept] = own.scores[c];
                own.places[kept++] = own.places[c];
            }
            own.count = kept;
        }
        checked_[i] = own.count;
    }

    // Drops what n others beat by more than both scores can be wrong.
    void select(int64_t i, int64_t n) {
        kernels_.keep_best(candidates_[i], static_cast<int32_t>(n), 2.0 * slack(rows_[i]));
        checked_[i] = candidates_[i].count;
    }

    // Keeps the n best.
    void select_in_float64(int64_t i) {
        Candidates& own = candidates_[i];
        score_candidates(i);
        std::nth_element(scored_.begin(), scored_.begin() + (n_ - 1), scored_.begin() + own.count);
        own.limit = std::max(own.limit, just_below(scored_[n_ - 1].score - slack(rows_[i])));
        // In their old order, each moves to the left.
        std::sort(scored_.begin(), scored_.begin() + n_,
                  [](const Scored& a, const Scored& b) { return a.candidate < b.candidate; });
        for (int64_t c = 0; c < n_; ++c) {
            own.scores[c] = own.scores[scored_[c].candidate];
            own.places[c] = own.places[scored_[c].candidate];
        }
        own.count = checked_[i] = static_cast<int32_t>(n_);
    }

    void score_candidates(int64_t i) {
        const Candidates& own = candidates_[i];
        for (int32_t c = 0; c < own.count; ++c) positions_[c] = items_.positions[own.places[c]];
        score(rows_[i], own.count);
    }

    // Fills scored_ with the items at the first `count` of positions_.
    void score(int64_t u, int32_t count) {
        std::copy_n(vector_of(u), items_.d, user_.begin());
        kernels_.score_exactly(user_.data(), items_, positions_.data(), count, exact_.data());
        for (int32_t c = 0; c < count; ++c) scored_[c] = {exact_[c], positions_[c], c};
    }

    // Returns false, and writes nothing, if a guessed limit may have kept one of the best away.
    bool finish(int64_t i) {
        drop_forbidden(i);
        if (candidates_[i].count > n_ + n_ / 4) select(i, n_);
        const int32_t count = candidates_[i].count <= most_ranked ? score_by_rank(i) : score_and_sort(i);
        if (sample_.n_panels && may_lack_some(i, count)) return false;
        write(rows_[i], count);
        return true;
    }

    // Whether an item below the limit can be better than the n-th of the `count` candidates of scored_.
    bool may_lack_some(int64_t i, int32_t count) const {
        const float limit = candidates_[i].limit;
        return limit != nothing && (count < n_ || scored_[n_ - 1].score < limit + slack(rows_[i]));
    }

    int32_t score_and_sort(int64_t i) {
        score_candidates(i);
        std::sort(scored_.begin(), scored_.begin() + candidates_[i].count);
        return candidates_[i].count;
    }

    // Where float32 has the candidates nearly in order, float64 only moves a few of them. Returns how many of them can be
    // among the best, which scored_ then has.
    int32_t score_by_rank(int64_t i) {
        const Candidates& own = candidates_[i];
        order_by_rank(candidates_[i]);
        int32_t count = own.count;
        if (count > n_) {
            const float limit = just_below(own.scores[order_[n_ - 1]] - 2.0 * slack(rows_[i]));
            for (count = static_cast<int32_t>(n_); count < own.count && own.scores[order_[count]] >= limit;) ++count;
        }
        for (int32_t c = 0; c < count; ++c) positions_[c] = items_.positions[own.places[order_[c]]];
        score(rows_[i], count);
        for (int32_t c = 1; c < count; ++c) {
            const Scored moved = scored_[c];
            int32_t to = c;
            for (; to && moved < scored_[to - 1]; --to) scored_[to] = scored_[to - 1];
            scored_[to] = moved;
        }
        return count;
    }

    // Fills order_ with the candidates by decreasing float32 score.
    void order_by_rank(Candidates& own) {
        kernels_.rank_candidates(own, ranks_.data());
        std::fill_n(order_.begin(), own.count, -1);
        for (int32_t c = 0; c < own.count; ++c) {
            int32_t at = ranks_[c];
            while (order_[at] >= 0) ++at;  // taken by one of the same score
            order_[at] = c;
        }
    }

    void rank_list(int64_t u) {
        const int32_t* end = query_.lists.listed + query_.lists.indptr[u + 1];
        int32_t count = 0;
        for (const int32_t* position = query_.lists.listed + query_.lists.indptr[u]; position < end; ++position)
            if (!query_.allowed || query_.allowed[*position]) positions_[count++] = *position;
        score(u, count);
        std::partial_sort(scored_.begin(), scored_.begin() + std::min<int64_t>(n_, count), scored_.begin() + count);
        write(u, count);
    }

    // Gives user u the best of the first `count` of scored_, whose first n_ are in order.
    void write(int64_t u, int64_t count) {
        const int64_t found = std::min(n_, count);
        int64_t* positions = best_.positions + u * query_.n;
        float* scores = best_.scores + u * query_.n;
        for (int64_t c = 0; c < found; ++c) {
            positions[c] = scored_[c].position;
            scores[c] = static_cast<float>(scored_[c].score);
        }
        std::fill(positions + found, positions + query_.n, -1);
        std::fill(scores + found, scores + query_.n, nothing);
    }

    static constexpr int64_t floats_per_line = 16;

    static float* on_a_line(float* values) {
        return values + (-(reinterpret_cast<uintptr_t>(values) / sizeof(float)) % floats_per_line);
    }

    const float* vector_of(int64_t u) const { return query_.users + u * items_.d; }

    // What a float32 score of this user can be wrong by; the last term is for products that float32 is too coarse for.
    double slack(int64_t u) const {
        return error_ * query_.user_norms[u] * items_.largest_norm + items_.d * static_cast<double>(FLT_MIN);
    }

    bool has_short_list(int64_t u) const {
        const ItemLists& lists = query_.lists;
        return lists.may_get && (lists.indptr[u + 1] - lists.indptr[u]) * short_list <= items_.n_items;
    }

    bool may_get(int64_t u, int32_t position) const {
        if (query_.allowed && !query_.allowed[position]) return false;
        const ItemLists& lists = query_.lists;
        if (!lists.indptr) return true;
        const int32_t* first = lists.listed + lists.indptr[u];
        return std::binary_search(first, lists.listed + lists.indptr[u + 1], position) == lists.may_get;
    }

    const Kernels& kernels_;
    const PackedItems& items_;
    const TopNQuery& query_;
    const Best best_;
    int64_t n_;
    int64_t room_;
    int64_t batch_;
    double error_;
    PanelSample sample_;         // that limits of this batch were guessed from
    std::vector<int64_t> rows_;  // the users of the batch
    std::vector<UserGroup> groups_;
    std::vector<Candidates> candidates_;
    std::vector<int32_t> checked_;  // so many of the candidates are known to be items that the user may get
    std::vector<float> vectors_, scores_;
    std::vector<int32_t> places_, ranks_, order_, positions_;
    std::vector<double> user_, exact_;
    std::vector<Scored> scored_;
};

}  // namespace

Status top_n(const Kernels& kernels, const PackedItems& items, const TopNQuery& query, int n_threads,
             const Best& best) noexcept {
    return guarded([&]() -> Status {
        const double products = static_cast<double>(query.n_users) * static_cast<double>(items.n_items) * items.d;
        const double worthwhile = std::min(
            {products / products_per_thread, static_cast<double>(query.n_users), static_cast<double>(n_threads)});
        n_threads = std::max(static_cast<int>(worthwhile), 1);
        std::vector<Search> searches;
        searches.reserve(n_threads);
        for (int t = 0; t < n_threads; ++t) searches.emplace_back(kernels, items, query, best);
        split(query.n_users, n_threads, [&](int t, int64_t first, int64_t last) { searches[t].run(first, last); });
        return {StatusCode::ok, -1};
    });
}

}  // namespace fastfm
