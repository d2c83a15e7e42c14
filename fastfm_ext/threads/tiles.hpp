// Tiles of an epoch of learning to rank by cosines: draws, and which rows and features a tile has. Baseline flags only.
#pragma once

#include <vector>

#include "threads/histories.hpp"
#include "threads/ranking.hpp"
#include "types/ranking.hpp"
#include "types/tile.hpp"

namespace fastfm {

// Numbers those of many things that a tile has, 0, 1, 2, ..., in the order in which they are met.
class Numbering {
  public:
    explicit Numbering(int64_t n) : numbers_(n, -1) {}

    int32_t n() const { return static_cast<int32_t>(members_.size()); }
    const std::vector<int32_t>& members() const { return members_; }
    int32_t find(int32_t member) const { return numbers_[member]; }

    int32_t add(int32_t member) {
        int32_t& number = numbers_[member];
        if (number < 0) {
            number = n();
            members_.push_back(member);
        }
        return number;
    }

    void clear() {
        for (const int32_t member : members_) numbers_[member] = -1;
        members_.clear();
    }

  private:
    std::vector<int32_t> numbers_;
    std::vector<int32_t> members_;
};

// Makes one tile after the other, in the same memory.
//
// Items are drawn for a tile from all items; each of its visits leaves out those that its user chose. What is drawn follows from the
// seed and the number of the tile alone. Where as many are to be drawn as there are items, every item takes part once.
class TileMaker {
  public:
    TileMaker(const RankingData& data, const Tiling& tiling, int64_t n_features)
        : data_(data),
          items_(data.interactions.n_items),
          features_(n_features),
          has_histories_(tiling.history >= 0),
          histories_(data, tiling.history) {}

    // The tile of the visits first <= v < last; valid until the next call.
    const Tile& make(int64_t number, int64_t first, int64_t last);

    // The matrix that the tile's users are rows of.
    const Csr& users() const { return has_histories_ ? histories_.rows() : data_.users; }

  private:
    void draw(int64_t number);
    void add_visits(int64_t first, int64_t last);
    void leave_out();
    void share_out();
    void count_features();

    template <class Body>
    void for_each_row(Body body) const;

    void look_up_histories();

    const RankingData& data_;
    Tile tile_{};
    Numbering items_;
    Numbering features_;
    bool has_histories_;
    HistoryRows histories_;
    std::vector<int32_t> n_times_;  // how often each of the drawn items was drawn
    std::vector<float> log_shares_, paid_, weights_, values_;
    std::vector<int32_t> users_, begins_, chosen_, left_out_begins_, left_out_, places_, next_, rows_;
    std::vector<int64_t> visited_;
};

}  // namespace fastfm
