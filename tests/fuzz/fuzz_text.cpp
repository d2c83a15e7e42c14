// Feeds arbitrary bytes to the parser of libsvm and libffm text, under the sanitizers, and aborts when a promise of
// text/read.hpp or text/write.hpp is broken. README.md says how to run it.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "text/number.hpp"
#include "text/read.hpp"
#include "text/write.hpp"

using namespace fastfm::text;

namespace {

#define PROMISE(condition)                                    \
    do {                                                      \
        if (!(condition)) {                                   \
            std::fprintf(stderr, "broken: %s\n", #condition); \
            std::abort();                                     \
        }                                                     \
    } while (0)

struct Rows {
    std::vector<float> y, data;
    std::vector<int64_t> qid, indptr{0};
    std::vector<int32_t> indices, fields;
    ReadCode code = ReadCode::done;
    int64_t lines = 0, error_at = 0, position = 0;
};

template <typename T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// Reads text[0 .. last) into arrays with room for so many rows and values at a time, growing the latter when a row does
// not fit.
Rows read_in_pieces(const uint8_t* text, int64_t last, const ReadOptions& options, int64_t room_rows, int64_t room) {
    Rows rows;
    while (rows.position < last) {
        // Exactly as long as promised: the sanitizer sees a step beyond.
        std::unique_ptr<float[]> y(new float[room_rows]), data(new float[room]);
        std::unique_ptr<int64_t[]> qid(new int64_t[room_rows]), indptr(new int64_t[room_rows + 1]{});
        std::unique_ptr<int32_t[]> indices(new int32_t[room]), fields(new int32_t[room]);
        RowSink sink{options.has_labels ? y.get() : nullptr,
                     options.wants_qid ? qid.get() : nullptr,
                     indptr.get(),
                     indices.get(),
                     options.has_fields ? fields.get() : nullptr,
                     data.get(),
                     room_rows,
                     room,
                     0};
        const ReadResult result = read_rows(text, rows.position, last, options, sink);
        PROMISE(result.position >= rows.position && result.position <= last);
        PROMISE(result.position == 0 || text[result.position - 1] == '\n');
        PROMISE(sink.n_rows >= 0 && sink.n_rows <= room_rows && indptr[sink.n_rows] <= room);
        for (int64_t r = 0; r < sink.n_rows; ++r) {
            PROMISE(indptr[r] <= indptr[r + 1]);
            for (int64_t j = indptr[r]; j < indptr[r + 1]; ++j) {
                PROMISE(indices[j] >= options.min_id - options.base && indices[j] <= options.max_id - options.base);
                PROMISE(j == indptr[r] || indices[j] > indices[j - 1]);
                PROMISE(!std::isnan(data[j]));
                rows.indices.push_back(indices[j]);
                rows.data.push_back(data[j]);
                if (options.has_fields) rows.fields.push_back(fields[j]);
                PROMISE(!options.has_fields || fields[j] >= 0);
            }
            rows.indptr.push_back(static_cast<int64_t>(rows.indices.size()));
            if (options.has_labels) rows.y.push_back(y[r]);
            if (options.wants_qid) rows.qid.push_back(qid[r]);
            PROMISE(!options.has_labels || std::isfinite(y[r]));
        }
        rows.lines += result.lines;
        rows.code = result.code;
        rows.position = result.position;
        rows.error_at = result.error_at;
        if (result.code == ReadCode::values_full) {
            if (sink.n_rows == 0) room *= 2;
        } else if (result.code != ReadCode::done && result.code != ReadCode::rows_full) {
            PROMISE(result.error_at >= result.position && result.error_at < last);
            PROMISE(!std::memchr(text + result.position, '\n', result.error_at - result.position));
            break;
        } else {
            PROMISE(result.code != ReadCode::rows_full || sink.n_rows == room_rows);
        }
    }
    return rows;
}

void check_round_trip(const Rows& rows, const ReadOptions& options) {
    for (const float x : rows.data) {
        if (!std::isfinite(x)) return;  // a sum of repeated ids may overflow
    }
    const RowSource source{options.has_labels ? rows.y.data() : nullptr,
                           options.wants_qid ? rows.qid.data() : nullptr,
                           rows.indptr.data(),
                           rows.indices.data(),
                           options.has_fields ? rows.fields.data() : nullptr,
                           rows.data.data(),
                           options.base};
    const auto n_rows = static_cast<int64_t>(rows.indptr.size()) - 1;
    int64_t size = 0, written = 0;
    for (int64_t r = 0; r < n_rows; ++r) size += longest_line(source, r);
    std::unique_ptr<char[]> line(new char[size + 1]);
    PROMISE(write_rows(source, 0, n_rows, line.get(), size, written) == n_rows);
    PROMISE(written <= size);
    std::vector<uint8_t> text(line.get(), line.get() + written);
    text.resize(text.size() + slack, '7');
    const Rows again = read_in_pieces(text.data(), written, options, n_rows + 1, rows.data.size() + 1);
    PROMISE(again.code == ReadCode::done && again.position == written);
    if (!options.has_labels && !options.wants_qid) return;  // rows without values are blank lines
    PROMISE(same_bits(again.y, rows.y) && same_bits(again.qid, rows.qid) && same_bits(again.indptr, rows.indptr));
    PROMISE(same_bits(again.indices, rows.indices) && same_bits(again.fields, rows.fields));
    PROMISE(same_bits(again.data, rows.data));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
    if (size < 2) return 0;
    ReadOptions options{};
    options.has_fields = input[0] & 1;
    options.has_labels = !(input[0] & 2);
    options.wants_qid = input[0] & 4;
    options.base = (input[0] >> 3) & 1;
    options.min_id = (input[0] >> 4) & options.base & 1;
    options.max_id = input[0] & 32 ? 99 : INT32_MAX - 1;
    const int64_t room_rows = 1 + (input[1] & 7), room = 1 + (input[1] >> 3);

    const auto last = static_cast<int64_t>(size) - 2 + 1;
    std::unique_ptr<uint8_t[]> text(new uint8_t[last + slack]);
    std::memcpy(text.get(), input + 2, size - 2);
    text[last - 1] = '\n';
    std::memset(text.get() + last, '7', slack);

    const Rows at_once = read_in_pieces(text.get(), last, options, last + 1, last + 1);
    const Rows in_pieces = read_in_pieces(text.get(), last, options, room_rows, room);
    PROMISE(at_once.code == in_pieces.code && at_once.lines == in_pieces.lines);
    PROMISE(at_once.position == in_pieces.position);
    PROMISE(at_once.code == ReadCode::done || at_once.error_at == in_pieces.error_at);
    PROMISE(same_bits(at_once.y, in_pieces.y) && same_bits(at_once.qid, in_pieces.qid));
    PROMISE(same_bits(at_once.indptr, in_pieces.indptr) && same_bits(at_once.indices, in_pieces.indices));
    PROMISE(same_bits(at_once.fields, in_pieces.fields) && same_bits(at_once.data, in_pieces.data));
    check_round_trip(at_once, options);
    return 0;
}
