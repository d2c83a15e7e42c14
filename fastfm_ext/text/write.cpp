#include "text/write.hpp"

#include <string.h>

#include "text/number.hpp"

namespace fastfm {
namespace text {

namespace {

char* write_row(const RowSource& rows, int64_t r, char* out) {
    const char* const begin = out;
    if (rows.y) out = write_float(out, rows.y[r]);
    if (rows.qid) {
        memcpy(out, " qid:", 5);
        out = write_integer(out + 5, rows.qid[r]);
    }
    for (int64_t j = rows.indptr[r]; j < rows.indptr[r + 1]; ++j) {
        if (out != begin) *out++ = ' ';
        if (rows.fields) {
            out = write_integer(out, rows.fields[j]);
            *out++ = ':';
        }
        out = write_integer(out, rows.indices[j] + rows.base);
        *out++ = ':';
        out = write_float(out, rows.data[j]);
    }
    *out++ = '\n';
    return out;
}

}  // namespace

int64_t longest_line(const RowSource& rows, int64_t r) noexcept {
    const int64_t per_value = 3 * (longest_number + 1);
    return (rows.indptr[r + 1] - rows.indptr[r]) * per_value + 3 * longest_number;
}

int64_t write_rows(const RowSource& rows, int64_t first, int64_t last, char* out, int64_t size,
                   int64_t& written) noexcept {
    char* p = out;
    int64_t r = first;
    for (; r < last && longest_line(rows, r) <= size - (p - out); ++r) p = write_row(rows, r, p);
    written = p - out;
    return r;
}

}  // namespace text
}  // namespace fastfm
