#include "threads/sweep.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

#include "threads/fan_out.hpp"

namespace fastfm {

namespace {

// Block rows with more rows than this are cut into pieces of so many, whoever takes them, so that one can keep several
// threads busy. The sums of the pieces are added in their order.
constexpr int64_t piece_rows = 4096;
// A thread takes block rows with about so many rows at once.
constexpr int64_t rows_at_once = 2048;

// Room on a cache line.
class Room {
  public:
    explicit Room(int64_t size) : floats_(size + 16) {}
    float* start() {
        const uintptr_t address = reinterpret_cast<uintptr_t>(floats_.data());
        return floats_.data() + (64 - address % 64) % 64 / sizeof(float);
    }

  private:
    std::vector<float> floats_;
};

// Calls body(room, i) for each i < n; threads take the numbers as they come.
template <class Body>
void share(int64_t n, int n_threads, int64_t room_size, Body body) {
    n_threads = static_cast<int>(std::clamp<int64_t>(n, 1, n_threads));
    std::vector<Room> rooms(n_threads, Room(room_size));
    std::atomic<int64_t> next{0};
    split(n_threads, n_threads, [&](int t, int64_t, int64_t) {
        float* room = rooms[t].start();
        for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) body(room, i);
    });
}

int threads_for(const BlockedRows& rows, int n_threads) { return useful_threads(n_threads, rows.n_rows); }

struct Piece {
    int64_t block_row, first, last;
};

std::vector<Piece> pieces_of(const RowsByBlock& by_block, int64_t n_block_rows) {
    std::vector<Piece> pieces;
    for (int64_t b = 0; b < n_block_rows; ++b) {
        const int64_t begin = by_block.starts[b], end = by_block.starts[b + 1];
        if (end - begin <= piece_rows) continue;
        for (int64_t first = begin; first < end; first += piece_rows)
            pieces.push_back({b, first, std::min(first + piece_rows, end)});
    }
    return pieces;
}

// Block rows in ranges of about rows_at_once rows: the first of each, and the end.
std::vector<int64_t> ranges_of(const RowsByBlock& by_block) {
    std::vector<int64_t> firsts{0};
    int64_t rows = 0;
    for (int64_t b = 0; b < by_block.n_block_rows; ++b) {
        rows += by_block.starts[b + 1] - by_block.starts[b] + 16;
        if (rows >= rows_at_once) {
            firsts.push_back(b + 1);
            rows = 0;
        }
    }
    if (firsts.back() != by_block.n_block_rows) firsts.push_back(by_block.n_block_rows);
    return firsts;
}

// Sums over the rows of long block rows, one after the other; the pieces of one stand together.
class LongSums {
  public:
    LongSums(const Kernels& kernels, const BlockedRows& rows, const RowsByBlock& by_block, int64_t n_block_rows,
             bool of_errors, int n_threads)
        : pieces_(pieces_of(by_block, n_block_rows)), size_(sums_size(rows.k)), floats_(pieces_.size() * size_) {
        share(static_cast<int64_t>(pieces_.size()), n_threads, kernels.draw_room(rows.k), [&](float* room, int64_t i) {
            const Piece& piece = pieces_[i];
            kernels.sum_rows(rows, by_block, piece.first, piece.last, of_errors, room, floats_.data() + i * size_);
        });
        for (size_t first = 0, last; first < pieces_.size(); first = last) {
            float* sums = floats_.data() + first * size_;
            for (last = first + 1; last < pieces_.size() && pieces_[last].block_row == pieces_[first].block_row;
                 ++last) {
                const float* part = floats_.data() + last * size_;
                for (int64_t i = 0; i < size_; ++i) sums[i] += part[i];
            }
            block_rows_.push_back({pieces_[first].block_row, sums});
        }
    }

    struct Of {
        int64_t block_row;
        float* sums;
    };
    const std::vector<Of>& block_rows() const { return block_rows_; }

  private:
    std::vector<Piece> pieces_;
    int64_t size_;
    std::vector<float> floats_;
    std::vector<Of> block_rows_;
};

}  // namespace

Status draw_blocks(const Kernels& kernels, const BlockDraw& task, int n_threads) noexcept {
    return guarded([&]() -> Status {
        n_threads = threads_for(task.rows, n_threads);
        const int64_t room_size = kernels.draw_room(task.rows.k);
        // Among values, changes are drawn: see solvers/gibbs.hpp.
        const bool of_errors = task.rows.has_values;
        const LongSums long_sums(kernels, task.rows, task.by_block, task.n_drawn, of_errors, n_threads);
        const auto& long_rows = long_sums.block_rows();
        share(static_cast<int64_t>(long_rows.size()), n_threads, room_size, [&](float* room, int64_t i) {
            kernels.draw_from_sums(task, long_rows[i].block_row, long_rows[i].sums, room);
        });
        const std::vector<int64_t> ranges = ranges_of(task.by_block);
        share(static_cast<int64_t>(ranges.size()) - 1, n_threads, room_size, [&](float* room, int64_t i) {
            kernels.draw_block_rows(task, ranges[i], ranges[i + 1], piece_rows, room);
        });
        return {StatusCode::ok, -1};
    });
}

Status draw_features(const Kernels& kernels, const FeatureDraw& task, int n_threads) noexcept {
    return guarded([&]() -> Status {
        n_threads = threads_for(task.rows, n_threads);
        const RowsByBlock& by_block = task.by_block;
        const int64_t size = sums_size(task.rows.k), room_size = kernels.draw_room(task.rows.k);
        if (task.sums) {
            const LongSums long_sums(kernels, task.rows, by_block, by_block.n_block_rows, false, n_threads);
            for (const auto& of : long_sums.block_rows()) std::copy_n(of.sums, size, task.sums + of.block_row * size);
            const std::vector<int64_t> ranges = ranges_of(by_block);
            share(static_cast<int64_t>(ranges.size()) - 1, n_threads, room_size, [&](float* room, int64_t i) {
                for (int64_t b = ranges[i]; b < ranges[i + 1]; ++b) {
                    const int64_t begin = by_block.starts[b], end = by_block.starts[b + 1];
                    if (end - begin <= piece_rows)
                        kernels.sum_rows(task.rows, by_block, begin, end, false, room, task.sums + b * size);
                }
            });
        }
        Room room(kernels.draw_room(task.rows.k));
        kernels.draw_features(task, room.start());
        return {StatusCode::ok, -1};
    });
}

Status draw_means(const Kernels& kernels, const MeanDraw& task) noexcept {
    return guarded([&]() -> Status {
        Room room(kernels.draw_room(task.k));
        kernels.draw_means(task, room.start());
        return {StatusCode::ok, -1};
    });
}

Status residuals(const Kernels& kernels, const BlockedRows& rows, int n_threads, float* out) noexcept {
    return guarded([&]() -> Status {
        n_threads = threads_for(rows, n_threads);
        std::vector<Room> rooms(n_threads, Room(rows.k));
        split(rows.n_rows, n_threads,
              [&](int t, int64_t first, int64_t last) { kernels.residuals(rows, first, last, rooms[t].start(), out); });
        return {StatusCode::ok, -1};
    });
}

}  // namespace fastfm
