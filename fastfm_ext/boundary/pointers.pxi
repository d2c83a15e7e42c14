# Pointers into arrays, null for None and for an empty one. Whoever calls keeps the array alive. `room_*` wants memory
# that may be written to.

cdef inline const uint8_t* pointer_u8(const uint8_t[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef inline const int32_t* pointer_i32(const int32_t[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef inline const int64_t* pointer_i64(const int64_t[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef inline const float* pointer_f32(const float[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef inline const double* pointer_f64(const double[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef inline int32_t* room_i32(int32_t[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef inline int64_t* room_i64(int64_t[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL


cdef inline float* room_f32(float[::1] array):
    return &array[0] if array is not None and array.shape[0] else NULL
