#include "text/read.hpp"

#include <limits.h>
#include <string.h>

#include <algorithm>
#include <new>
#include <vector>

#include "text/number.hpp"

namespace fastfm {
namespace text {

namespace {

bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r' && c != '\n'); }

bool is_line_end(uint8_t c) { return c == '\n' || c == '#'; }

bool is_separator(uint8_t c) { return is_space(c) || is_line_end(c); }

const uint8_t* skip_spaces(const uint8_t* p) {
    while (is_space(*p)) ++p;
    return p;
}

// A whole number up to INT64_MAX at p. Returns its end, or null where there is none, or a larger one.
const uint8_t* read_integer(const uint8_t* p, int64_t& value) {
    uint64_t chunk;
    int n = read_digits(p, chunk);
    if (n == 0) return nullptr;
    value = static_cast<int64_t>(chunk);
    while (n == 8) {
        p += n;
        n = read_digits(p, chunk);
        const int64_t power = static_cast<int64_t>(whole_powers[n]);
        if (value > (INT64_MAX - static_cast<int64_t>(chunk)) / power) return nullptr;
        value = value * power + static_cast<int64_t>(chunk);
    }
    return p + n;
}

// Sorts rows whose ids do not ascend. Its memory grows to the longest of them.
class RowSorter {
  public:
    // Sorts the n values from begin on and adds up those of the same id; returns how many are left, or -1 where memory
    // runs out.
    int64_t sort(const RowSink& sink, int64_t begin, int64_t n, int32_t base) {
        if (n > INT32_MAX) return -1;
        try {
            order_.resize(n);
            old_.resize(n);
        } catch (const std::bad_alloc&) {
            return -1;
        }
        // Id and place in one number: values of the same id stay in the order of the line.
        for (int64_t j = 0; j < n; ++j) {
            // The base is put back, since an index may be -1 without it.
            order_[j] = static_cast<uint64_t>(sink.indices[begin + j] + base) << 32 | static_cast<uint64_t>(j);
            old_[j] = {sink.data[begin + j], sink.fields ? sink.fields[begin + j] : 0};
        }
        std::sort(order_.begin(), order_.end());
        int64_t to = begin;
        for (int64_t j = 0; j < n; ++to) {
            const uint64_t id = order_[j] >> 32;
            sink.indices[to] = static_cast<int32_t>(id) - base;
            if (sink.fields) sink.fields[to] = at(j).field;
            double sum = at(j).value;
            const int64_t first = j;
            for (++j; j < n && order_[j] >> 32 == id; ++j) sum += at(j).value;
            sink.data[to] = j == first + 1 ? at(first).value : static_cast<float>(sum);
        }
        return to - begin;
    }

  private:
    struct Entry {
        float value;
        int32_t field;
    };

    const Entry& at(int64_t j) const { return old_[order_[j] & UINT32_MAX]; }

    std::vector<uint64_t> order_;
    std::vector<Entry> old_;
};

class Reader {
  public:
    Reader(const uint8_t* text, const ReadOptions& options, RowSink& sink)
        : text_(text), options_(options), sink_(sink), nnz_(sink.indptr[sink.n_rows]) {
        result_ = {ReadCode::done, 0, 0, -1, INT_MAX, -1, -1};
    }

    template <bool has_fields>
    ReadResult read(int64_t first, int64_t last) {
        const uint8_t* p = text_ + first;
        const uint8_t* const end = text_ + last;
        while (p < end) {
            const uint8_t* const line = p;
            const int64_t nnz_before = nnz_;
            p = skip_spaces(p);
            if (!is_line_end(*p)) p = read_row<has_fields>(p);
            if (!p) {
                nnz_ = nnz_before;
                p = line;
                break;
            }
            if (*p == '#') p = static_cast<const uint8_t*>(memchr(p, '\n', static_cast<size_t>(end - p)));
            ++p;
            ++result_.lines;
        }
        result_.position = p - text_;
        return result_;
    }

  private:
    const uint8_t* fail(ReadCode code, const uint8_t* at) {
        result_.code = code;
        result_.error_at = at - text_;
        return nullptr;
    }

    // Each of these reads on from p and returns the end of what it has read, or null after an error.

    template <bool has_fields>
    const uint8_t* read_row(const uint8_t* p) {
        if (sink_.n_rows == sink_.max_rows) return fail(ReadCode::rows_full, p);
        if (options_.has_labels && !(p = read_label(p))) return nullptr;
        p = skip_spaces(p);
        if (*p == 'q') {
            if (!(p = read_qid(p))) return nullptr;
        } else if (options_.wants_qid) {
            return fail(ReadCode::no_qid, p);
        }
        const int64_t begin = nnz_;
        if (!(p = read_values<has_fields>(p))) return nullptr;
        if (!ascends_ && !finish_unsorted(begin)) return fail(ReadCode::out_of_memory, p);
        if (nnz_ > begin) {
            result_.min_id = std::min(result_.min_id, sink_.indices[begin] + options_.base);
            result_.max_id = std::max(result_.max_id, sink_.indices[nnz_ - 1] + options_.base);
            result_.max_field = std::max(result_.max_field, row_max_field_);
        }
        sink_.indptr[++sink_.n_rows] = nnz_;
        return p;
    }

    const uint8_t* read_label(const uint8_t* p) {
        double label = 0.0;
        const uint8_t* const end = read_number(p, label);
        if (!end || !is_separator(*end)) {
            if (end && *end == ',') return fail(ReadCode::several_labels, p);
            return fail(end && *end == ':' ? ReadCode::no_label : ReadCode::bad_label, p);
        }
        const float y = static_cast<float>(label);
        if (!(y - y == 0.0f)) return fail(not_finite_code(end), p);
        sink_.y[sink_.n_rows] = y;
        return end;
    }

    const uint8_t* read_qid(const uint8_t* p) {
        int64_t qid = 0;
        const uint8_t* const end = p[1] == 'i' && p[2] == 'd' && p[3] == ':' ? read_integer(p + 4, qid) : nullptr;
        if (!end || !is_separator(*end)) return fail(ReadCode::bad_qid, p);
        if (options_.wants_qid) sink_.qid[sink_.n_rows] = qid;
        return end;
    }

    template <bool has_fields>
    const uint8_t* read_values(const uint8_t* p) {
        int64_t previous = -1, n = nnz_;
        int falls = 0;
        int32_t max_field = -1;
        const uint64_t span = static_cast<uint64_t>(static_cast<int64_t>(options_.max_id) - options_.min_id);
        for (;;) {
            if (*p == ' ') ++p;  // mostly all that there is between two entries
            if (!begins_with_digit(p)) {
                p = skip_spaces(p);
                if (is_line_end(*p)) break;
            }
            if (n == sink_.max_nnz) return fail(ReadCode::values_full, p);
            const uint8_t* const entry = p;
            int64_t id = 0, field = 0;
            if (has_fields) {
                if (!(p = read_id(p, field)) || field > INT32_MAX) return fail_field(entry);
                ++p;
            }
            double value = 0.0;
            const uint8_t* end = read_usual_entry(p, id, value);
            if (!end) {
                if (!(end = read_id(p, id))) return fail_id(entry, p, has_fields);
                const uint8_t* const begin = end + 1;
                end = read_number(begin, value);
                if (!end || !is_separator(*end)) return fail_value(entry, begin, end);
                const float x = static_cast<float>(value);
                if (!(x - x == 0.0f)) return fail(not_finite_code(end), entry);
            }
            if (static_cast<uint64_t>(id - options_.min_id) > span) return fail_id(entry, p, has_fields);
            p = end;
            falls |= id <= previous;
            previous = id;
            if (has_fields) {
                sink_.fields[n] = static_cast<int32_t>(field);
                max_field = std::max(max_field, static_cast<int32_t>(field));
            }
            sink_.indices[n] = static_cast<int32_t>(id - options_.base);
            sink_.data[n] = static_cast<float>(value);
            ++n;
        }
        nnz_ = n;
        ascends_ = !falls;
        row_max_field_ = max_field;
        return p;
    }

    // A whole number and a colon behind it; returns the place of the colon.
    const uint8_t* read_id(const uint8_t* p, int64_t& id) {
        uint64_t digits;
        const int n = read_digits(p, digits);
        const uint8_t* end = p + n;
        id = static_cast<int64_t>(digits);
        if (n == 8) end = read_integer(p, id);
        return end && n && *end == ':' ? end : nullptr;
    }

    bool finish_unsorted(int64_t begin) {
        const int64_t left = sorter_.sort(sink_, begin, nnz_ - begin, options_.base);
        nnz_ = begin + left;
        return left >= 0;
    }

    // What is wrong, once something is.

    static ReadCode not_finite_code(const uint8_t* end) {
        // "inf" and "nan" end with a letter, a number with a digit or a point.
        return (end[-1] | 0x20) >= 'a' ? ReadCode::not_finite : ReadCode::too_large;
    }

    const uint8_t* fail_field(const uint8_t* entry) {
        int64_t field;
        if (!begins_with_digit(entry)) return fail(has_colon(entry) ? ReadCode::bad_field : ReadCode::no_colon, entry);
        if (read_id(entry, field) || all_digits_to_colon(entry)) return fail(ReadCode::field_too_large, entry);
        return fail(has_colon(entry) ? ReadCode::bad_field : ReadCode::no_colon, entry);
    }

    // `p` is where the id begins: at `entry`, or behind the field.
    const uint8_t* fail_id(const uint8_t* entry, const uint8_t* p, bool has_fields) {
        int64_t id;
        if (read_id(p, id)) return fail(id < options_.min_id ? ReadCode::id_too_small : ReadCode::id_too_large, entry);
        if (all_digits_to_colon(p)) return fail(ReadCode::id_too_large, entry);
        if (!has_colon(p)) return fail(has_fields ? ReadCode::no_second_colon : ReadCode::no_colon, entry);
        return fail(ReadCode::bad_id, entry);
    }

    const uint8_t* fail_value(const uint8_t* entry, const uint8_t* p, const uint8_t* value_end) {
        const bool is_other_format = !options_.has_fields && value_end && *value_end == ':';
        return fail(is_other_format && begins_with_digit(p) ? ReadCode::second_colon : ReadCode::bad_value, entry);
    }

    static bool begins_with_digit(const uint8_t* p) { return static_cast<uint8_t>(*p - '0') < 10; }

    static bool has_colon(const uint8_t* p) {
        while (*p != ':' && !is_separator(*p)) ++p;
        return *p == ':';
    }

    // More digits than fit any integer.
    static bool all_digits_to_colon(const uint8_t* p) {
        const uint8_t* const first = p;
        while (begins_with_digit(p)) ++p;
        return p > first && *p == ':';
    }

    const uint8_t* const text_;
    const ReadOptions& options_;
    RowSink& sink_;
    int64_t nnz_;
    bool ascends_ = true;  // of the row that was read last
    int32_t row_max_field_ = -1;
    ReadResult result_;
    RowSorter sorter_;
};

}  // namespace

ReadResult read_rows(const uint8_t* text, int64_t first, int64_t last, const ReadOptions& options,
                     RowSink& sink) noexcept {
    Reader reader(text, options, sink);
    return options.has_fields ? reader.read<true>(first, last) : reader.read<false>(first, last);
}

}  // namespace text
}  // namespace fastfm
