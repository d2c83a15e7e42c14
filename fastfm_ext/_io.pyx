# distutils: language = c++
"""The boundary of what reads, encodes and writes data: unpacks arrays and Arrow's structures, releases the GIL, calls
C++. No arithmetic.

Python has checked types, lengths and ranges by now and owns all memory. Shapes are those of text/read.hpp and
text/write.hpp.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libcpp.vector cimport vector


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


cdef extern from "types.hpp" namespace "fastfm" nogil:
    enum class StatusCode(int32_t):
        ok
        out_of_memory

    struct Status:
        StatusCode code


cdef extern from "arrow.hpp" nogil:
    struct ArrowSchema:
        const char* format
        const char* name
        int64_t n_children
        ArrowSchema** children
        ArrowSchema* dictionary
        void (*release)(ArrowSchema*)

    struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void** buffers
        ArrowArray** children
        ArrowArray* dictionary
        void (*release)(ArrowArray*)

    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream*, ArrowSchema*)
        int (*get_next)(ArrowArrayStream*, ArrowArray*)
        const char* (*get_last_error)(ArrowArrayStream*)


cdef extern from "encode.hpp" namespace "fastfm" nogil:
    struct Texts:
        int64_t n
        const uint8_t* valid
        const uint8_t* bytes
        const int32_t* offsets32
        const int64_t* offsets64
        const uint8_t* views
        const uint8_t* const* buffers

    struct Coding:
        int32_t* codes
        int64_t* first
        int64_t n_distinct

    enum class BlockKind(int32_t):
        one
        several
        number

    struct Block:
        BlockKind kind
        const int32_t* codes
        const int32_t* features
        const int64_t* indptr
        const float* values

    Status cpp_code_ints "fastfm::code_ints"(const int64_t*, int64_t, const uint8_t*, Coding*)
    Status cpp_code_texts "fastfm::code_texts"(const Texts&, Coding*)
    void cpp_take_texts "fastfm::take_texts"(const Texts&, const int64_t*, int64_t, int64_t*, uint8_t*)
    void cpp_murmur3 "fastfm::murmur3"(const uint8_t*, const int64_t*, int64_t, uint32_t, int32_t*)
    void cpp_tidy_cells "fastfm::tidy_cells"(int64_t*, int64_t, int32_t*, float*)
    void cpp_count_entries "fastfm::count_entries"(const Block*, int64_t, int64_t, int64_t*)
    void cpp_write_rows "fastfm::write_entries"(
        const Block*, int64_t, int64_t, const int64_t*, bint, int32_t*, float*)


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


cdef int check(Status status) except -1:
    if status.code == StatusCode.out_of_memory:
        raise MemoryError
    return 0


cdef const uint8_t* pointer_u8(const uint8_t[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef const int32_t* pointer_i32(const int32_t[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef const int64_t* pointer_i64(const int64_t[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef const float* pointer_f32(const float[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


# --- coding --------------------------------------------------------------------------------------------------------

cdef Texts texts_view(source) except *:
    """Points into the arrays of an object with the fields of Texts; the caller keeps them alive."""
    cdef Texts texts
    texts.n = source.n
    texts.valid = pointer_u8(source.valid)
    texts.bytes = pointer_u8(source.bytes)
    texts.offsets32 = pointer_i32(source.offsets32)
    texts.offsets64 = pointer_i64(source.offsets64)
    texts.views = pointer_u8(source.views)
    texts.buffers = <const uint8_t* const*>pointer_i64(source.buffers)
    return texts


def code_ints(const int64_t[::1] values, const uint8_t[::1] valid, int32_t[::1] codes, int64_t[::1] first):
    """Fills codes (n,) and the beginning of first (n,); returns the number of distinct values."""
    cdef const int64_t* values_ptr = pointer_i64(values)
    cdef const uint8_t* valid_ptr = pointer_u8(valid)
    cdef int64_t n = values.shape[0]
    cdef Coding coding
    coding.codes = <int32_t*>pointer_i32(codes)
    coding.first = <int64_t*>pointer_i64(first)
    cdef Status status
    with nogil:
        status = cpp_code_ints(values_ptr, n, valid_ptr, &coding)
    check(status)
    return coding.n_distinct


def code_texts(source, int32_t[::1] codes, int64_t[::1] first):
    """Fills codes (n,) and the beginning of first (n,); returns the number of distinct texts."""
    cdef Texts texts = texts_view(source)
    cdef Coding coding
    coding.codes = <int32_t*>pointer_i32(codes)
    coding.first = <int64_t*>pointer_i64(first)
    cdef Status status
    with nogil:
        status = cpp_code_texts(texts, &coding)
    check(status)
    return coding.n_distinct


def take_texts(source, const int64_t[::1] rows, int64_t[::1] offsets, uint8_t[::1] out):
    """Fills offsets (n_rows + 1,), and out with the texts of these rows unless it is None."""
    cdef Texts texts = texts_view(source)
    cdef const int64_t* rows_ptr = pointer_i64(rows)
    cdef int64_t n_rows = rows.shape[0]
    cdef int64_t* offsets_ptr = &offsets[0]
    cdef uint8_t* out_ptr = <uint8_t*>pointer_u8(out)
    with nogil:
        cpp_take_texts(texts, rows_ptr, n_rows, offsets_ptr, out_ptr)


def murmur3(const uint8_t[::1] utf8, const int64_t[::1] offsets, uint32_t seed, int32_t[::1] out):
    """Fills out (n,) with the hashes of n texts."""
    cdef const uint8_t* bytes_ptr = pointer_u8(utf8)
    cdef const int64_t* offsets_ptr = &offsets[0]
    cdef int32_t* out_ptr = <int32_t*>pointer_i32(out)
    cdef int64_t n = out.shape[0]
    with nogil:
        cpp_murmur3(bytes_ptr, offsets_ptr, n, seed, out_ptr)


# --- rows ----------------------------------------------------------------------------------------------------------

def tidy_cells(int64_t[::1] indptr, int32_t[::1] features, float[::1] weights):
    """Puts cells into canonical form, in place; weights may be None."""
    cdef int64_t* indptr_ptr = &indptr[0]
    cdef int32_t* features_ptr = <int32_t*>pointer_i32(features)
    cdef float* weights_ptr = <float*>pointer_f32(weights)
    cdef int64_t n_cells = indptr.shape[0] - 1
    with nogil:
        cpp_tidy_cells(indptr_ptr, n_cells, features_ptr, weights_ptr)


cdef vector[Block] block_views(sources) except *:
    """Points into the arrays of objects with the fields of Block; the caller keeps them alive."""
    cdef vector[Block] blocks
    cdef Block block
    for source in sources:
        block.kind = <BlockKind><int32_t>source.kind
        block.codes = pointer_i32(source.codes)
        block.features = pointer_i32(source.features)
        block.indptr = pointer_i64(source.indptr)
        block.values = pointer_f32(source.values)
        blocks.push_back(block)
    return blocks


def count_entries(sources, int64_t[::1] indptr):
    """Fills indptr (n_rows + 1,) with where the rows of the blocks' entries begin."""
    cdef vector[Block] blocks = block_views(sources)
    cdef int64_t* indptr_ptr = &indptr[0]
    cdef int64_t n_rows = indptr.shape[0] - 1
    with nogil:
        cpp_count_entries(blocks.data(), blocks.size(), n_rows, indptr_ptr)


def write_entries(sources, const int64_t[::1] indptr, bint sort, int32_t[::1] indices, float[::1] data):
    """Fills indices (nnz,), and data (nnz,) unless it is None, with the entries of the blocks."""
    cdef vector[Block] blocks = block_views(sources)
    cdef const int64_t* indptr_ptr = &indptr[0]
    cdef int32_t* indices_ptr = <int32_t*>pointer_i32(indices)
    cdef float* data_ptr = <float*>pointer_f32(data)
    cdef int64_t n_rows = indptr.shape[0] - 1
    with nogil:
        cpp_write_rows(blocks.data(), blocks.size(), n_rows, indptr_ptr, sort, indices_ptr, data_ptr)


# --- Arrow ---------------------------------------------------------------------------------------------------------

cdef class ArrowOwner:
    """Holds an array that was moved out of a producer's hands, and releases it at the end."""

    cdef ArrowArray array

    def __dealloc__(self):
        if self.array.release != NULL:
            self.array.release(&self.array)


cdef class Memory:
    """A piece of the owner's memory for `numpy.asarray`, which keeps the owner alive; nothing checks its bounds."""

    cdef object owner
    cdef readonly dict __array_interface__

    def __init__(self, owner, address, str typestr, n_values):
        self.owner = owner
        self.__array_interface__ = {
            "data": (address, True), "shape": (n_values,), "typestr": typestr, "version": 3}


cdef describe_schema(const ArrowSchema* schema):
    """The schema as (format, name, children, dictionary)."""
    children = [describe_schema(schema.children[i]) for i in range(schema.n_children)]
    name = schema.name.decode() if schema.name != NULL else ""
    dictionary = describe_schema(schema.dictionary) if schema.dictionary != NULL else None
    return schema.format.decode(), name, children, dictionary


cdef describe_array(const ArrowArray* array):
    """The array as (length, offset, null_count, addresses of the buffers, children, dictionary)."""
    buffers = [<size_t>array.buffers[i] for i in range(array.n_buffers)]
    children = [describe_array(array.children[i]) for i in range(array.n_children)]
    dictionary = describe_array(array.dictionary) if array.dictionary != NULL else None
    return array.length, array.offset, array.null_count, buffers, children, dictionary


def import_arrow_array(schema_capsule, array_capsule):
    """What the capsules of `__arrow_c_array__` hold: a schema, and a list of one owner and array."""
    cdef ArrowSchema* schema = <ArrowSchema*>PyCapsule_GetPointer(schema_capsule, "arrow_schema")
    cdef ArrowArray* array = <ArrowArray*>PyCapsule_GetPointer(array_capsule, "arrow_array")
    if schema.release == NULL or array.release == NULL:
        raise ValueError("the Arrow array has been read already")
    cdef ArrowOwner owner = ArrowOwner()
    owner.array = array[0]
    array.release = NULL
    return describe_schema(schema), [(owner, describe_array(&owner.array))]


def import_arrow_stream(stream_capsule):
    """What the capsule of `__arrow_c_stream__` holds: a schema, and a list of owners and arrays."""
    cdef ArrowArrayStream* stream = <ArrowArrayStream*>PyCapsule_GetPointer(stream_capsule, "arrow_array_stream")
    cdef ArrowSchema schema
    cdef ArrowOwner owner
    check_stream(stream, stream.get_schema(stream, &schema))
    described = describe_schema(&schema)
    schema.release(&schema)
    arrays = []
    while True:
        owner = ArrowOwner()
        check_stream(stream, stream.get_next(stream, &owner.array))
        if owner.array.release == NULL:
            return described, arrays
        arrays.append((owner, describe_array(&owner.array)))


cdef int check_stream(ArrowArrayStream* stream, int code) except -1:
    if code == 0:
        return 0
    cdef const char* reason = stream.get_last_error(stream)
    said = reason.decode("utf-8", "replace") if reason != NULL else f"error {code}"
    raise OSError(f"the Arrow stream broke off: {said}")
