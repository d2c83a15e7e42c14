# distutils: language = c++
"""The boundary of the encoder: unpacks arrays and Arrow's structures, releases the GIL, calls C++. No arithmetic.

Python has checked types, lengths and ranges by now and owns all memory. Shapes are those of coding.hpp and
encode.hpp.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libcpp.vector cimport vector


cdef extern from "types/status.hpp" namespace "fastfm" nogil:
    enum class StatusCode(int32_t):
        ok
        out_of_memory

    struct Status:
        StatusCode code


cdef extern from "tables/arrow.hpp" nogil:
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


cdef extern from "tables/coding.hpp" namespace "fastfm" nogil:
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

    enum class ObjectKind(int32_t):
        text
        missing
        other

    Status cpp_code_ints "fastfm::code_ints"(const int64_t*, int64_t, const uint8_t*, Coding*)
    Status cpp_code_texts "fastfm::code_texts"(const Texts&, Coding*)
    void cpp_take_texts "fastfm::take_texts"(const Texts&, const int64_t*, int64_t, int64_t*, uint8_t*)
    void cpp_murmur3 "fastfm::murmur3"(const uint8_t*, const int64_t*, int64_t, uint32_t, int32_t*)


cdef extern from "tables/coding.hpp" namespace "fastfm":
    Status cpp_code_objects "fastfm::code_objects"(
        void* const*, int64_t, ObjectKind (*)(void*, const uint8_t**, int64_t*) noexcept, Coding*)


cdef extern from "tables/encode.hpp" namespace "fastfm" nogil:
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

    void cpp_tidy_cells "fastfm::tidy_cells"(int64_t*, int64_t, int32_t*, float*)
    void cpp_count_entries "fastfm::count_entries"(const Block*, int64_t, int64_t, int64_t*)
    void cpp_write_entries "fastfm::write_entries"(
        const Block*, int64_t, int64_t, const int64_t*, bint, int32_t*, float*)


include "pointers.pxi"


cdef int check(Status status) except -1:
    if status.code == StatusCode.out_of_memory:
        raise MemoryError
    return 0


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


cdef extern from *:  # Python.h, which Cython includes
    bint PyUnicode_CheckExact(PyObject*)
    bint PyFloat_Check(PyObject*)
    double PyFloat_AsDouble(PyObject*)
    const char* PyUnicode_AsUTF8AndSize(PyObject*, Py_ssize_t*)
    void PyErr_Clear()
    PyObject* Py_None


cdef ObjectKind read_object(void* pointer, const uint8_t** utf8, int64_t* size) noexcept:
    """Looks into a Python object; text that has no UTF-8 is something else."""
    cdef PyObject* value = <PyObject*>pointer
    cdef Py_ssize_t length = 0
    if PyUnicode_CheckExact(value):
        utf8[0] = <const uint8_t*>PyUnicode_AsUTF8AndSize(value, &length)
        size[0] = length
        if utf8[0] == NULL:
            PyErr_Clear()
            return ObjectKind.other
        return ObjectKind.text
    if value == NULL or value == Py_None:  # NumPy takes an empty place for None
        return ObjectKind.missing
    if PyFloat_Check(value):
        return ObjectKind.missing if PyFloat_AsDouble(value) != PyFloat_AsDouble(value) else ObjectKind.other
    return ObjectKind.missing if type(<object>value).__name__ in ("NAType", "NaTType") else ObjectKind.other


def code_objects(const int64_t[::1] addresses, int32_t[::1] codes, int64_t[::1] first):
    """As code_texts, for str and missing values at these addresses; returns -1 where there are others."""
    cdef void* const* objects = <void* const*>pointer_i64(addresses)
    cdef Coding coding
    coding.codes = <int32_t*>pointer_i32(codes)
    coding.first = <int64_t*>pointer_i64(first)
    # With the GIL: strings make their UTF-8 as it is asked for.
    check(cpp_code_objects(objects, addresses.shape[0], read_object, &coding))
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
        cpp_write_entries(blocks.data(), blocks.size(), n_rows, indptr_ptr, sort, indices_ptr, data_ptr)


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
