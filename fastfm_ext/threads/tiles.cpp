#include "threads/tiles.hpp"

#include <algorithm>
#include <cmath>

#include "math/random.hpp"

namespace fastfm {

const Tile& TileMaker::make(int64_t number, int64_t first, int64_t last) {
    items_.clear();
    draw(number);
    add_visits(first, last);
    leave_out();
    share_out();
    if (has_histories_) look_up_histories();
    count_features();
    tile_ = {static_cast<int32_t>(users_.size()),
             items_.n(),
             static_cast<int32_t>(log_shares_.size()),
             has_histories_ ? histories_.numbers() : users_.data(),
             items_.members().data(),
             log_shares_.data(),
             paid_.data(),
             begins_.data(),
             chosen_.data(),
             weights_.data(),
             visited_.data(),
             left_out_begins_.data(),
             left_out_.data(),
             features_.n(),
             features_.members().data(),
             places_.data(),
             rows_.data(),
             data_.items.data ? values_.data() : nullptr};
    return tile_;
}

void TileMaker::draw(int64_t number) {
    const Negatives& negatives = data_.negatives;
    const int32_t n_items = data_.interactions.n_items;
    if (negatives.n >= n_items) {
        for (int32_t item = 0; item < n_items; ++item) items_.add(item);
        log_shares_.assign(n_items, 0.0f);
        n_times_.assign(n_items, 1);
        return;
    }
    SplitMix64 random = SplitMix64::of(negatives.seed, number);
    n_times_.clear();
    for (int32_t j = 0; j < negatives.n; ++j) {
        const uint64_t bits = random.next();
        auto item = static_cast<int32_t>(SplitMix64::scaled(bits, n_items));
        if (negatives.keep && SplitMix64::fraction(bits) >= negatives.keep[item]) item = negatives.alias[item];
        const auto t = static_cast<size_t>(items_.add(item));
        n_times_.resize(items_.n(), 0);
        ++n_times_[t];
    }
    log_shares_.resize(items_.n());
    for (int32_t t = 0; t < items_.n(); ++t) {
        const double share = static_cast<double>(n_times_[t]) * n_items / negatives.n;
        log_shares_[t] =
            static_cast<float>(std::log(share)) - (negatives.log_q ? negatives.log_q[items_.members()[t]] : 0.0f);
    }
}

void TileMaker::add_visits(int64_t first, int64_t last) {
    const auto begin = [&](int64_t v) { return data_.visits.begins ? data_.visits.begins[v] : v; };
    const Interactions& interactions = data_.interactions;
    users_.clear();
    chosen_.clear();
    weights_.clear();
    visited_.clear();
    begins_.assign(1, 0);
    for (int64_t v = first; v < last; ++v) {
        users_.push_back(interactions.users[data_.visits.order[begin(v)]]);
        for (int64_t place = begin(v); place < begin(v + 1); ++place) {
            const int64_t e = data_.visits.order[place];
            chosen_.push_back(items_.add(interactions.items.indices[e]));
            weights_.push_back(interactions.items.data ? interactions.items.data[e] : 1.0f);
            visited_.push_back(e);
        }
        begins_.push_back(static_cast<int32_t>(chosen_.size()));
    }
}

void TileMaker::leave_out() {
    const Csr& chosen = data_.interactions.items;
    const std::vector<int32_t>& items = items_.members();
    const auto n_drawn = static_cast<int32_t>(log_shares_.size());
    left_out_.clear();
    left_out_begins_.assign(1, 0);
    for (size_t v = 0; v < users_.size(); ++v) {
        const int32_t* begin = chosen.indices + chosen.indptr[users_[v]];
        const int32_t* end = chosen.indices + chosen.indptr[users_[v] + 1];
        constexpr int64_t search_steps = 16;  // about what finding an item in a long history costs
        if (end - begin > search_steps * n_drawn) {
            for (int32_t t = 0; t < n_drawn; ++t)
                if (std::binary_search(begin, end, items[t])) left_out_.push_back(t);
        } else {
            for (const int32_t* item = begin; item < end; ++item) {
                const int32_t t = items_.find(*item);
                if (t >= 0 && t < n_drawn) left_out_.push_back(t);
            }
        }
        left_out_begins_.push_back(static_cast<int32_t>(left_out_.size()));
    }
}

// Each choice pays for its user and its item; all of them together for the mean over the drawn items.
void TileMaker::share_out() {
    const auto n_users = static_cast<int32_t>(users_.size());
    paid_.assign(n_users + items_.n(), 0.0f);
    float total = 0.0f;
    for (int32_t u = 0; u < n_users; ++u) {
        for (int32_t c = begins_[u]; c < begins_[u + 1]; ++c) {
            paid_[u] += weights_[c];
            paid_[n_users + chosen_[c]] += weights_[c];
        }
        total += paid_[u];
    }
    int64_t n_draws = 0;
    for (const int32_t n : n_times_) n_draws += n;
    for (size_t t = 0; t < n_times_.size(); ++t)
        paid_[n_users + t] += total * static_cast<float>(n_times_[t]) / static_cast<float>(n_draws);
}

void TileMaker::look_up_histories() {
    histories_.clear();
    for (size_t v = 0; v < users_.size(); ++v)
        histories_.add(users_[v], visited_.data() + begins_[v], visited_.data() + begins_[v + 1]);
    histories_.end();
}

template <class Body>
void TileMaker::for_each_row(Body body) const {
    const auto n_users = static_cast<int32_t>(users_.size());
    for (int32_t u = 0; u < n_users; ++u) body(u, users(), has_histories_ ? u : users_[u]);
    for (int32_t t = 0; t < items_.n(); ++t) body(n_users + t, data_.items, items_.members()[t]);
}

void TileMaker::count_features() {
    features_.clear();
    next_.clear();
    for_each_row([&](int32_t, const Csr& X, int64_t row) {
        for (int64_t j = X.indptr[row]; j < X.indptr[row + 1]; ++j) {
            const auto feature = static_cast<size_t>(features_.add(X.indices[j]));
            next_.resize(features_.n(), 0);
            ++next_[feature];
        }
    });
    places_.assign(1, 0);
    for (int32_t& count : next_) {
        const int32_t begin = places_.back();
        places_.push_back(begin + count);
        count = begin;
    }
    rows_.resize(places_.back());
    if (data_.items.data) values_.resize(places_.back());
    for_each_row([&](int32_t r, const Csr& X, int64_t row) {
        for (int64_t j = X.indptr[row]; j < X.indptr[row + 1]; ++j) {
            const int32_t place = next_[features_.find(X.indices[j])]++;
            rows_[place] = r;
            if (data_.items.data) values_[place] = X.data[j];
        }
    });
}

}  // namespace fastfm
