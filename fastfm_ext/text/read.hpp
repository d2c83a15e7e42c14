// Rows from libsvm and libffm text: "label id:value id:value ..." and "label field:id:value ...", one row a line.
//
// The parser goes over a range of whole lines in memory and appends to arrays of the caller's. When an array is full or
// a line is wrong, it stops at the beginning of that line, so that the caller can make room and go on from there.
#pragma once

#include <stdint.h>

namespace fastfm {
namespace text {

struct ReadOptions {
    bool has_fields;  // libffm
    bool has_labels;  // each line begins with one
    bool wants_qid;   // "qid:7" must follow the label; otherwise it may, and is passed over
    int32_t min_id;   // ids outside of min_id .. max_id are errors
    int32_t max_id;
    int32_t base;  // taken off every id
};

// The arrays to append to. A row's indices ascend, each at most once: the values of an id that a line holds several times
// are added up in double precision, and the field is that of the first.
struct RowSink {
    float* y;          // (max_rows,), or null where there are no labels
    int64_t* qid;      // (max_rows,), or null: not wanted
    int64_t* indptr;   // (max_rows + 1,); indptr[0 .. n_rows] are filled already
    int32_t* indices;  // (max_nnz,)
    int32_t* fields;   // (max_nnz,), or null for libsvm
    float* data;       // (max_nnz,)
    int64_t max_rows;
    int64_t max_nnz;
    int64_t n_rows;  // in and out; so far
};

enum class ReadCode : int32_t {
    done = 0,
    rows_full,
    values_full,
    out_of_memory,
    no_label,
    bad_label,
    several_labels,
    bad_qid,
    no_qid,
    bad_id,
    id_too_small,
    id_too_large,
    bad_field,
    field_too_large,
    no_colon,
    no_second_colon,
    second_colon,
    bad_value,
    not_finite,
    too_large,
};

struct ReadResult {
    ReadCode code;
    int64_t position;  // where to go on: the range's end, or the beginning of the line that was not taken
    int64_t lines;     // that were taken, blank ones and comments included
    int64_t error_at;  // where in the text the error is
    int32_t min_id;    // of the rows that were taken, as the text has them; INT32_MAX and -1 where there are no values
    int32_t max_id;
    int32_t max_field;
};

// Takes the lines of text[first .. last). text[last - 1] is a line feed, and `slack` more characters can be read behind
// it. Linear in the characters; a line whose ids do not ascend is sorted.
ReadResult read_rows(const uint8_t* text, int64_t first, int64_t last, const ReadOptions& options,
                     RowSink& sink) noexcept;

}  // namespace text
}  // namespace fastfm
