// Rows of users who are represented by what they chose: x_i of their features, and |H|^(-1/2) for each item of
//
//   H = what the user chose, without the choices of the visit that the row is for
//
// (FISM: Kabbur, Ning, Karypis 2013, with alpha = 1/2, and a visit of several choices in place of one.) Where no row has
// values, each item counts 1: cosines are the same, as long as the user has no other features.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "types/ranking.hpp"

namespace fastfm {

class HistoryRows {
  public:
    // `first` is the feature that stands for item 0 in a history.
    HistoryRows(const RankingData& data, int32_t first) : data_(data), first_(first) {}

    void clear() {
        starts_.assign(1, 0);
        numbers_.clear();
        indices_.clear();
        values_.clear();
    }

    // Adds the row of a visit of this user to the interactions [begin, end).
    void add(int32_t user, const int64_t* begin, const int64_t* end) {
        const Csr &features = data_.users, &chosen = data_.interactions.items;
        for (int64_t j = features.indptr[user]; j < features.indptr[user + 1]; ++j)
            add_value(features.indices[j], features.data ? features.data[j] : 1.0f);
        left_out_.assign(begin, end);
        std::sort(left_out_.begin(), left_out_.end());
        const int64_t n = chosen.indptr[user + 1] - chosen.indptr[user] - (end - begin);
        const float share = 1.0f / std::sqrt(static_cast<float>(std::max<int64_t>(n, 1)));
        auto next = left_out_.cbegin();
        for (int64_t e = chosen.indptr[user]; e < chosen.indptr[user + 1]; ++e) {
            if (next != left_out_.cend() && *next == e) {
                ++next;
                continue;
            }
            add_value(first_ + chosen.indices[e], share);
        }
        numbers_.push_back(static_cast<int32_t>(numbers_.size()));
        starts_.push_back(static_cast<int64_t>(indices_.size()));
    }

    // To be called after the last row.
    void end() {
        rows_ = {static_cast<int64_t>(numbers_.size()),
                 {nullptr, starts_.data()},
                 indices_.data(),
                 data_.items.data ? values_.data() : nullptr};
    }

    const Csr& rows() const { return rows_; }
    const int32_t* numbers() const { return numbers_.data(); }  // 0, 1, 2, ...

  private:
    void add_value(int32_t feature, float value) {
        indices_.push_back(feature);
        if (data_.items.data) values_.push_back(value);
    }

    const RankingData& data_;
    int32_t first_;
    Csr rows_{};
    std::vector<int64_t> starts_, left_out_;
    std::vector<int32_t> numbers_, indices_;
    std::vector<float> values_;
};

}  // namespace fastfm
