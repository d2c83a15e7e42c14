// One epoch of learning to rank: each visit pools a user's row, scores a few items that the user chose and others that
// are drawn here, never one that the user chose, and takes a step on the gradient of the loss (math/ranking_loss.hpp).
//
//   theta <- theta - update( d/dtheta [ L + l2/2 ( A |theta_u|^2 + sum_c a_c |theta_c|^2 + A/n sum_j |theta_j|^2 ) ] )
//
// theta_u, theta_c, theta_j: the parameters of the features of the user, of the chosen items (with their weights a_c,
// A = sum_c a_c) and of the n drawn ones. WARP has n = 1, and neither loss nor L2 where no drawn item comes near. The
// items take their steps one after the other, each with the S_u of before; the user's step comes last, with the sum of
// g_t S_t over all of them. O(k nnz) for each item; the parameters and the optimizer's state change in place.
//
// What is drawn follows from the seed and the number of the visit alone, whichever thread makes it.
#pragma once

#include <math.h>

#include "math/random.hpp"
#include "math/ranking_loss.hpp"
#include "models/fm_pair.hpp"

namespace fastfm::FASTFM_ISA {

// Whether the ascending items[0 .. n) hold this item. Without a branch on what is found: it is as good as random.
inline bool holds(const int32_t* items, int64_t n, int32_t item) {
    if (n == 0) return false;
    while (n > 1) {
        const int64_t half = n / 2;
        items += (items[half] <= item) ? half : 0;
        n -= half;
    }
    return *items == item;
}

// An item that the user has not chosen, of `n_items`. After this many misses, the user has chosen nearly all that is
// ever drawn, and one of the others is taken evenly: the r-th, for a random r.
inline int32_t draw_other(SplitMix64& random, const Negatives& negatives, int32_t n_items, const int32_t* chosen,
                          int64_t n_chosen) {
    constexpr int most_misses = 64;
    for (int miss = 0; miss < most_misses; ++miss) {
        const uint64_t bits = random.next();
        auto item = static_cast<int32_t>(SplitMix64::scaled(bits, n_items));
        if (negatives.keep && SplitMix64::fraction(bits) >= negatives.keep[item]) item = negatives.alias[item];
        if (!holds(chosen, n_chosen, item)) return item;
    }
    auto item = static_cast<int32_t>(random.below(static_cast<uint32_t>(n_items - n_chosen)));
    for (int64_t c = 0; c < n_chosen && chosen[c] <= item; ++c) ++item;
    return item;
}

// Where the visits of an epoch lead.
struct RankingView : RankingData {
    explicit RankingView(const RankingData& data) : RankingData(data) {}

    int64_t begin(int64_t visit) const { return visits.begins ? visits.begins[visit] : visit; }
    int32_t user(int64_t visit) const { return interactions.users[visits.order[begin(visit)]]; }
    const int32_t* chosen(int32_t user) const { return interactions.items.indices + interactions.items.indptr[user]; }
    int64_t n_chosen(int32_t user) const {
        return interactions.items.indptr[user + 1] - interactions.items.indptr[user];
    }
};

template <int K, class Rule, bool ones>
class Ranker {
  public:
    Ranker(const RankingView& data, const Params& params, const RankingOptions& options, const RankingWorkspace& room)
        : data_(data),
          options_(options),
          room_(room),
          pair_(params, options, room.sum_user, room.gradient),
          tries_items_(tries_items(options.loss)),
          corrects_scores_(corrects_scores(options.loss) && data.negatives.log_q),
          n_drawn_(tries_items_ ? 1 : data.negatives.n) {}

    // Draws for a later visit and asks for the parameters that it will need. WARP goes on drawing when it is there.
    void prepare(int64_t visit) {
        constexpr int most_prefetched = 4;
        const int32_t user = data_.user(visit);
        pair_.prefetch(Row<ones>(data_.users, user));
        pair_.prefetch(Row<ones>(data_.items, first_chosen(visit)));
        SplitMix64 random = SplitMix64::of(data_.negatives.seed, visit);
        int32_t* drawn = drawn_for(visit);
        for (int j = 0; j < n_drawn_; ++j) {
            drawn[j] = draw(random, user);
            if (j < most_prefetched) pair_.prefetch(Row<ones>(data_.items, drawn[j]));
        }
        states_[visit & ranking_ahead] = random;
    }

    // Returns the visit's loss through `loss`, and whether all scores were finite.
    bool visit(int64_t visit, double* loss) {
        const int64_t begin = data_.begin(visit);
        const int32_t user = data_.user(visit);
        m_ = static_cast<int>(data_.begin(visit + 1) - begin);
        total_weight_ = 0.0f;
        for (int c = 0; c < m_; ++c) {
            const int64_t e = data_.visits.order[begin + c];
            room_.items[c] = data_.interactions.items.indices[e];
            room_.weights[c] = data_.interactions.items.data ? data_.interactions.items.data[e] : 1.0f;
            total_weight_ += room_.weights[c];
        }
        const Row<ones> row(data_.users, user);
        pair_.begin_user(row);
        if (tries_items_) return visit_warp(visit, user, loss);
        for (int j = 0; j < n_drawn_; ++j) room_.items[m_ + j] = drawn_for(visit)[j];
        if (!score_all()) return false;
        *loss = evaluate(options_.loss, room_.scores, m_, n_drawn_, room_.weights, room_.gradients);
        step_all(row);
        return true;
    }

  private:
    // How many items ahead their parameters are asked for: from memory before they are scored, from the second-level
    // cache before they are stepped on.
    static constexpr int scores_ahead = 6, steps_ahead = 8;

    int32_t* drawn_for(int64_t visit) const { return room_.drawn + (visit & ranking_ahead) * n_drawn_; }

    int32_t first_chosen(int64_t visit) const {
        return data_.interactions.items.indices[data_.visits.order[data_.begin(visit)]];
    }

    int32_t draw(SplitMix64& random, int32_t user) const {
        return draw_other(random, data_.negatives, data_.interactions.n_items, data_.chosen(user),
                          data_.n_chosen(user));
    }

    Row<ones> item_row(int j) const { return Row<ones>(data_.items, room_.items[j]); }

    bool score_all() {
        const int n = m_ + n_drawn_;
        bool finite = true;
        for (int j = 0; j < n; ++j) {
            if (j + scores_ahead < n) pair_.prefetch(item_row(j + scores_ahead));
            float p = pair_.score(item_row(j));
            finite = finite && isfinite(p);
            if (corrects_scores_) p -= data_.negatives.log_q[room_.items[j]];
            room_.scores[j] = p;
        }
        return finite;
    }

    void step_all(const Row<ones>& user) {
        const float share = total_weight_ / static_cast<float>(n_drawn_);
        const int n = m_ + n_drawn_;
        for (int j = 0; j < n; ++j) {
            if (j + steps_ahead < n) pair_.prefetch(item_row(j + steps_ahead));
            pair_.step_item(item_row(j), room_.gradients[j], j < m_ ? room_.weights[j] : share);
        }
        pair_.step_user(user, total_weight_);
    }

    // Returns the score of the choice to learn, which becomes item 0: the visit's own, or of several the k-th best.
    float score_positive(SplitMix64& random, int32_t user) {
        const int n = data_.visits.n_positives, kth = data_.visits.kth;
        float scores[most_positives];
        int64_t found[most_positives];  // places among what the user chose, by falling score; -1: the visit's choice
        scores[0] = pair_.score(item_row(0));
        if (!isfinite(scores[0])) return scores[0];
        found[0] = -1;
        const int32_t *chosen = data_.chosen(user), first = room_.items[0];
        for (int j = 1; j < n; ++j) {
            const int64_t place = random.below(static_cast<uint32_t>(data_.n_chosen(user)));
            room_.items[0] = chosen[place];
            const float score = pair_.score(item_row(0));
            if (!isfinite(score)) return score;
            int at = j;
            for (; at > 0 && scores[at - 1] < score; --at) {
                scores[at] = scores[at - 1];
                found[at] = found[at - 1];
            }
            scores[at] = score;
            found[at] = place;
        }
        const int64_t place = found[kth - 1];
        room_.items[0] = place < 0 ? first : chosen[place];
        if (place >= 0 && data_.interactions.items.data)
            room_.weights[0] = data_.interactions.items.data[data_.interactions.items.indptr[user] + place];
        total_weight_ = room_.weights[0];
        return scores[kth - 1];
    }

    // Tries items until one violates the margin.
    bool visit_warp(int64_t visit, int32_t user, double* loss) {
        SplitMix64 random = states_[visit & ranking_ahead];
        const float p = room_.scores[0] = score_positive(random, user);
        if (!isfinite(p)) return false;
        const int64_t n_others = data_.interactions.n_items - data_.n_chosen(user);
        *loss = 0.0;
        for (int tried = 1; tried <= data_.negatives.n; ++tried) {
            room_.items[1] = tried == 1 ? *drawn_for(visit) : draw(random, user);
            const float s = pair_.score(item_row(1));
            if (!isfinite(s)) return false;
            if (s <= p - 1.0f) continue;
            const float g = room_.weights[0] * warp_weight(tried, n_others);
            *loss = double{g} * (1.0 - double{p} + double{s});
            room_.gradients[0] = -g;
            room_.gradients[1] = g;
            step_all(Row<ones>(data_.users, user));
            return true;
        }
        return true;
    }

    const RankingView& data_;
    const RankingOptions& options_;
    const RankingWorkspace& room_;
    FmPair<K, Rule> pair_;
    bool tries_items_;
    bool corrects_scores_;
    int n_drawn_;
    int m_ = 0;
    float total_weight_ = 0.0f;
    SplitMix64 states_[ranking_ahead + 1];
};

// Where a visit's rows lie is itself in memory, and is asked for in three steps; see prefetch_rows() in gradient.hpp.
inline void prefetch_visit(const RankingView& data, int64_t visit) {
    constexpr int64_t order_ahead = 4 * ranking_ahead, interaction_ahead = 3 * ranking_ahead;
    constexpr int64_t rows_ahead = 2 * ranking_ahead;
    if (visit + order_ahead < data.visits.last) prefetch_line(data.visits.order + data.begin(visit + order_ahead));
    if (visit + interaction_ahead < data.visits.last) {
        const int64_t e = data.visits.order[data.begin(visit + interaction_ahead)];
        prefetch_line(data.interactions.users + e);
        prefetch_line(data.interactions.items.indices + e);
    }
    if (visit + rows_ahead < data.visits.last) {
        const int32_t user = data.user(visit + rows_ahead);
        prefetch_line(data.interactions.items.indptr.address(user));
        prefetch_line(data.users.indptr.address(user));
    }
    constexpr int64_t chosen_ahead = 3 * ranking_ahead / 2;
    if (visit + chosen_ahead < data.visits.last) {
        const int32_t user = data.user(visit + chosen_ahead);
        prefetch_line(data.users.indices + data.users.indptr[user]);
        prefetch_line(data.chosen(user) + data.n_chosen(user) / 2);
    }
}

template <int K, class Rule, bool ones>
Status ranking_epoch(const RankingData& source, const Params& params, const RankingOptions& options,
                     const RankingWorkspace& room, double* loss_sum) {
    const RankingView data(source);
    Ranker<K, Rule, ones> ranker(data, params, options, room);
    double sum = 0.0;
    const int64_t first = data.visits.first, last = data.visits.last;
    for (int64_t visit = first; visit < last && visit < first + ranking_ahead; ++visit) ranker.prepare(visit);
    for (int64_t visit = first; visit < last; ++visit) {
        prefetch_visit(data, visit);
        if (visit + ranking_ahead < last) ranker.prepare(visit + ranking_ahead);
        double loss;
        if (!ranker.visit(visit, &loss)) return {StatusCode::non_finite, data.visits.order[data.begin(visit)]};
        sum += loss;
    }
    *loss_sum = sum;
    return {StatusCode::ok, -1};
}

}  // namespace fastfm::FASTFM_ISA
