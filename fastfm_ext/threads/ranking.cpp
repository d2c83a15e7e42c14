#include "threads/ranking.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "math/random.hpp"
#include "threads/fan_out.hpp"
#include "threads/tiles.hpp"

namespace fastfm {

namespace {

// The memory behind one thread's RankingWorkspace.
class Room {
  public:
    Room(const RankingData& data, int32_t k)
        : n_candidates_(data.visits.most + data.negatives.n),
          k_(k),
          floats_(2 * k + 2 * n_candidates_ + data.visits.most),
          drawn_((ranking_ahead + 1) * data.negatives.n),
          items_(n_candidates_) {}

    RankingWorkspace workspace() {
        float* scores = floats_.data() + 2 * k_;
        return {floats_.data(),         floats_.data() + k_,       drawn_.data(), items_.data(), scores,
                scores + n_candidates_, scores + 2 * n_candidates_};
    }

  private:
    int64_t n_candidates_;
    int64_t k_;
    std::vector<float> floats_;
    std::vector<int32_t> drawn_;
    std::vector<int32_t> items_;
};

// Makes the tiles first <= t < last, and a step for each.
Status tiles(const Kernels& kernels, const RankingData& data, const Params& params, const TileOptions& options,
             const Tiling& tiling, int64_t first, int64_t last, double* loss_sum) {
    TileMaker maker(data, tiling, params.n_features);
    std::vector<float> floats;
    for (int64_t t = first; t < last; ++t) {
        const int64_t begin = data.visits.first + t * tiling.visits;
        const Tile& tile = maker.make(begin / tiling.visits, begin, std::min(begin + tiling.visits, data.visits.last));
        const auto n_floats = static_cast<size_t>(tile_floats(tile, params.tables[V_table].width));
        if (floats.size() < n_floats) floats.resize(n_floats);
        double loss = 0.0;
        const Status status =
            kernels.cosine_step(maker.users(), data.items, tile, params, options, floats.data(), &loss);
        if (status.code != StatusCode::ok) return status;
        *loss_sum += loss;
    }
    return {StatusCode::ok, -1};
}

}  // namespace

Status ranking_epoch(const Kernels& kernels, const RankingData& data, const Params& params,
                     const RankingOptions& options, int n_threads, double* loss_sum) noexcept {
    return guarded([&]() -> Status {
        const int64_t n_visits = data.visits.last - data.visits.first;
        n_threads = useful_threads(n_threads, n_visits);
        std::vector<Status> status(n_threads, Status{StatusCode::ok, -1});
        std::vector<double> sums(n_threads, 0.0);
        std::vector<Room> rooms;
        rooms.reserve(n_threads);
        for (int t = 0; t < n_threads; ++t) rooms.emplace_back(data, params.tables[V_table].width);
        split(n_visits, n_threads, [&](int t, int64_t first, int64_t last) {
            RankingData share = data;
            share.visits.first = data.visits.first + first;
            share.visits.last = data.visits.first + last;
            double sum = 0.0;
            status[t] = kernels.ranking_epoch(share, params, options, rooms[t].workspace(), &sum);
            sums[t] = sum;
        });
        *loss_sum = std::accumulate(sums.begin(), sums.end(), 0.0);
        for (const Status& s : status)
            if (s.code != StatusCode::ok) return s;
        return {StatusCode::ok, -1};
    });
}

Status cosine_epoch(const Kernels& kernels, const RankingData& data, const Params& params, const TileOptions& options,
                    const Tiling& tiling, int n_threads, double* loss_sum) noexcept {
    return guarded([&]() -> Status {
        const int64_t n_visits = data.visits.last - data.visits.first;
        const int64_t n_tiles = (n_visits + tiling.visits - 1) / tiling.visits;
        n_threads = static_cast<int>(std::clamp<int64_t>(n_tiles, 1, n_threads));
        std::vector<Status> status(n_threads, Status{StatusCode::ok, -1});
        std::vector<double> sums(n_threads, 0.0);
        split(n_tiles, n_threads, [&](int t, int64_t first, int64_t last) {
            status[t] = guarded([&] { return tiles(kernels, data, params, options, tiling, first, last, &sums[t]); });
        });
        *loss_sum = std::accumulate(sums.begin(), sums.end(), 0.0);
        for (const Status& s : status)
            if (s.code != StatusCode::ok) return s;
        return {StatusCode::ok, -1};
    });
}

Status order_of_visits(const int64_t* interactions, const int32_t* users, int64_t n, const Pieces& sizes, uint64_t seed,
                       int64_t* order, int64_t* begins, int64_t* n_pieces) noexcept {
    return guarded([&]() -> Status {
        SplitMix64 random(seed);
        const auto shuffle = [&](int64_t* first, int64_t size) {  // Fisher and Yates
            for (int64_t i = size - 1; i > 0; --i)
                std::swap(first[i], first[random.below(static_cast<uint32_t>(i + 1))]);
        };
        std::vector<int64_t> by_user(interactions, interactions + n), starts;
        for (int64_t first = 0, last; first < n; first = last) {
            for (last = first; last < n && users[last] == users[first];) ++last;
            const int64_t size = std::clamp<int64_t>((last - first) / sizes.fewest, 1, sizes.most);
            for (int64_t start = first; start < last; start += size) starts.push_back(start);
            shuffle(by_user.data() + first, last - first);
        }
        std::vector<int64_t> pieces(starts.size());
        std::iota(pieces.begin(), pieces.end(), 0);
        shuffle(pieces.data(), static_cast<int64_t>(pieces.size()));
        starts.push_back(n);
        begins[0] = 0;
        for (const int64_t piece : pieces) {
            const int64_t size = starts[piece + 1] - starts[piece];
            std::copy_n(by_user.data() + starts[piece], size, order + *begins);
            begins[1] = begins[0] + size;
            ++begins;
        }
        *n_pieces = static_cast<int64_t>(pieces.size());
        return {StatusCode::ok, -1};
    });
}

Status fold_in(const Kernels& kernels, const FoldIn& task, const Negatives& negatives) noexcept {
    return guarded([&]() -> Status {
        int64_t longest = 0;
        for (int64_t u = 0; u < task.histories.n_rows; ++u)
            longest = std::max(longest, task.histories.indptr[u + 1] - task.histories.indptr[u]);
        const int64_t k = (task.n_factors + 15) / 16 * 16, n = longest + negatives.n;
        std::vector<float> workspace(n * k + 4 * n + 5 * k);
        FoldIn with_room = task;
        with_room.workspace = workspace.data();
        for (int64_t u = 0; u < task.histories.n_rows; ++u) {
            const Status status = kernels.fold_in(with_room, negatives, u);
            if (status.code != StatusCode::ok) return status;
        }
        return {StatusCode::ok, -1};
    });
}

}  // namespace fastfm
