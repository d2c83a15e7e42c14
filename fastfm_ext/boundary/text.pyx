# distutils: language = c++
"""The boundary of libsvm and libffm text: unpacks arrays, releases the GIL, calls C++. No arithmetic.

Python has checked types, lengths and ranges by now and owns all memory. Shapes are those of text/read.hpp and
text/write.hpp.
"""

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

    struct ReadResult:
        ReadCode code
        int64_t position
        int64_t lines
        int64_t error_at
        int32_t min_id
        int32_t max_id
        int32_t max_field

    ReadResult cpp_read_rows "fastfm::text::read_rows"(
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


# Characters that must be readable behind the last line that read_rows is given.
slack = cpp_slack


def read_rows(
    const uint8_t[::1] text, int64_t first, int64_t last, options, float[::1] y, int64_t[::1] qid,
    int64_t[::1] indptr, int32_t[::1] indices, int32_t[::1] fields, float[::1] data, int64_t n_rows,
):
    """Appends the lines of text[first:last] to the arrays, which hold n_rows rows, as far as there is room.

    Returns (code, n_rows, position, lines, error_at, min_id, max_id, max_field); see text/read.hpp.
    """
    cdef ReadOptions opts
    opts.has_fields = fields is not None
    opts.has_labels = y is not None
    opts.wants_qid = qid is not None
    opts.min_id = options.min_id
    opts.max_id = options.max_id
    opts.base = options.base
    cdef RowSink sink
    sink.y = &y[0] if y is not None else NULL
    sink.qid = &qid[0] if qid is not None else NULL
    sink.indptr = &indptr[0]
    sink.indices = &indices[0]
    sink.fields = &fields[0] if fields is not None else NULL
    sink.data = &data[0]
    sink.max_rows = indptr.shape[0] - 1
    sink.max_nnz = indices.shape[0]
    sink.n_rows = n_rows
    cdef const uint8_t* text_ptr = &text[0]
    cdef ReadResult result
    with nogil:
        result = cpp_read_rows(text_ptr, first, last, opts, sink)
    return (
        <int32_t>result.code, sink.n_rows, result.position, result.lines, result.error_at,
        result.min_id, result.max_id, result.max_field,
    )


def write_rows(
    const float[::1] y, const int64_t[::1] qid, const int64_t[::1] indptr, const int32_t[::1] indices,
    const int32_t[::1] fields, const float[::1] data, int64_t base, int64_t first, uint8_t[::1] out,
):
    """Writes rows from `first` on to `out`, as many as fit; returns the next row and the number of characters."""
    cdef RowSource rows
    rows.y = &y[0] if y is not None else NULL
    rows.qid = &qid[0] if qid is not None else NULL
    rows.indptr = &indptr[0]
    rows.indices = &indices[0] if indices.shape[0] else NULL
    rows.fields = &fields[0] if fields is not None and fields.shape[0] else NULL
    rows.data = &data[0] if data.shape[0] else NULL
    rows.base = base
    cdef int64_t last = indptr.shape[0] - 1
    cdef char* out_ptr = <char*>&out[0]
    cdef int64_t size = out.shape[0]
    cdef int64_t written = 0
    with nogil:
        first = cpp_write_rows(rows, first, last, out_ptr, size, written)
    return first, written
