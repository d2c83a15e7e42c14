// The structures of Arrow's C data and C stream interfaces, field by field as their specification fixes them:
// https://arrow.apache.org/docs/format/CDataInterface.html. No functions here.
#pragma once

#include <stdint.h>

extern "C" {

struct ArrowSchema {
    const char* format;    // the type: "l" is int64, "u" UTF-8 text, "+s" a struct
    const char* name;      // of the column
    const char* metadata;  // unused here
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema** children;
    struct ArrowSchema* dictionary;  // the type of the values, where the array holds indices; else null
    void (*release)(struct ArrowSchema*);
    void* private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;  // -1: not counted
    int64_t offset;      // rows to skip in every buffer
    int64_t n_buffers;
    int64_t n_children;
    const void** buffers;  // the first is the bitmap of valid rows, or null: all are valid
    struct ArrowArray** children;
    struct ArrowArray* dictionary;
    void (*release)(struct ArrowArray*);
    void* private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
    int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);  // out->release is null at the end
    const char* (*get_last_error)(struct ArrowArrayStream*);
    void (*release)(struct ArrowArrayStream*);
    void* private_data;
};

}  // extern "C"
