# distutils: language = c++
"""The boundary of libsvm and libffm text: unpacks arrays, releases the GIL, calls C++. No arithmetic.

Python has checked types, lengths and ranges by now and owns all memory. Shapes are those of text/read.hpp and
text/write.hpp.
"""

from collections import namedtuple

from libc.stdint cimport int32_t, int64_t, uint8_t


cdef extern from "text/number.hpp" namespace "fastfm::text" nogil:
    const int cpp_slack "fastfm::text::slack"


cdef extern from "text/read.hpp" namespace "fastfm::text" nogil:
    cpdef enum class ReadCode(int32_t):
        done
        rows_full
        values_full
        out_of_memory
        no_label
        bad_label
        several_labels
        bad_qid
        no_qid
        bad_id
        id_too_small
        id_too_large
        bad_field
        field_too_large
        no_colon
        no_second_colon
        second_colon
        bad_value
        not_finite
        too_large

    struct ReadOptions:
        bint has_fields
        bint has_labels
        bint wants_qid
        int32_t min_id
        int32_t max_id
        int32_t base

    struct RowSink:
        float* y
        int64_t* qid
        int64_t* indptr
        int32_t* indices
        int32_t* fields
        float* data
        int64_t max_rows
        int64_t max_nnz
        int64_t n_rows

    struct CppReadResult "fastfm::text::ReadResult":
        ReadCode code
        int64_t position
        int64_t lines
        int64_t error_at
        int32_t min_id
        int32_t max_id
        int32_t max_field

    CppReadResult cpp_read_rows "fastfm::text::read_rows"(
        const uint8_t*, int64_t, int64_t, const ReadOptions&, RowSink&) noexcept


cdef extern from "text/write.hpp" namespace "fastfm::text" nogil:
    struct RowSource:
        const float* y
        const int64_t* qid
        const int64_t* indptr
        const int32_t* indices
        const int32_t* fields
        const float* data
        int64_t base

    int64_t cpp_write_rows "fastfm::text::write_rows"(
        const RowSource&, int64_t, int64_t, char*, int64_t, int64_t&) noexcept


include "pointers.pxi"


# Characters that must be readable behind the last line that read_rows is given.
slack = cpp_slack


# How far a call of read_rows got; see text/read.hpp.
ReadResult = namedtuple(
    "ReadResult", ["code", "n_rows", "position", "lines", "error_at", "min_id", "max_id", "max_field"])


def read_rows(const uint8_t[::1] text, int64_t first, int64_t last, ids, arrays):
    """Appends the lines of text[first:last] to the arrays, which hold arrays.n_rows rows, as far as there is room.

    `ids` has min_id, max_id and base, `arrays` the fields of RowSink of text/read.hpp.
    """
    cdef ReadOptions options
    options.has_fields = arrays.fields is not None
    options.has_labels = arrays.y is not None
    options.wants_qid = arrays.qid is not None
    options.min_id = ids.min_id
    options.max_id = ids.max_id
    options.base = ids.base
    cdef RowSink sink
    sink.y = room_f32(arrays.y)
    sink.qid = room_i64(arrays.qid)
    sink.indptr = room_i64(arrays.indptr)
    sink.indices = room_i32(arrays.indices)
    sink.fields = room_i32(arrays.fields)
    sink.data = room_f32(arrays.data)
    sink.max_rows = len(arrays.indptr) - 1
    sink.max_nnz = len(arrays.indices)
    sink.n_rows = arrays.n_rows
    cdef const uint8_t* text_ptr = &text[0]
    cdef CppReadResult result
    with nogil:
        result = cpp_read_rows(text_ptr, first, last, options, sink)
    return ReadResult(
        <int32_t>result.code, sink.n_rows, result.position, result.lines, result.error_at,
        result.min_id, result.max_id, result.max_field,
    )


def write_rows(rows, int64_t first, uint8_t[::1] out):
    """Writes rows from `first` on to `out`, as many as fit; returns the next row and the number of characters.

    `rows` has the fields of RowSource of text/write.hpp.
    """
    cdef RowSource source
    source.y = pointer_f32(rows.y)
    source.qid = pointer_i64(rows.qid)
    source.indptr = pointer_i64(rows.indptr)
    source.indices = pointer_i32(rows.indices)
    source.fields = pointer_i32(rows.fields)
    source.data = pointer_f32(rows.data)
    source.base = rows.base
    cdef int64_t last = len(rows.indptr) - 1
    cdef char* out_ptr = <char*>&out[0]
    cdef int64_t size = out.shape[0]
    cdef int64_t written = 0
    with nogil:
        first = cpp_write_rows(source, first, last, out_ptr, size, written)
    return first, written
