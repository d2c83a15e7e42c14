# Exact top-N of items, and that of the items in some lists: see types/search.hpp and threads/search.hpp.

cdef extern from "types/search.hpp" namespace "fastfm" nogil:
    const int panel_items

    struct PackedItems:
        int64_t n_items
        int64_t n_panels
        int32_t d
        Storage storage
        const void* panels
        const int32_t* positions
        const double* norms
        double largest_norm
        const int64_t* list_panels
        const void* vectors

    struct ItemLists:
        const int64_t* indptr
        const int32_t* listed
        bint may_get


cdef extern from "threads/search.hpp" namespace "fastfm" nogil:
    struct TopNQuery:
        int64_t n_users
        const float* users
        const double* user_norms
        ItemLists lists
        const uint8_t* allowed
        int64_t n
        const int32_t* probes
        int64_t n_probes

    struct Best:
        int64_t* positions
        float* scores

    Status cpp_top_n "fastfm::top_n"(const Kernels&, const PackedItems&, const TopNQuery&, int, const Best&) noexcept


cdef PackedItems items_view(source) except *:
    cdef PackedItems items
    cdef const float[:, :, ::1] panels
    cdef const float[:, ::1] vectors
    cdef const uint16_t[:, :, ::1] half_panels
    cdef const uint16_t[:, ::1] half_vectors
    if source.vectors.dtype == "float16":
        half_panels, half_vectors = source.panels.view("uint16"), source.vectors.view("uint16")
        items.storage = Storage.half
        items.panels = &half_panels[0, 0, 0]
        items.vectors = &half_vectors[0, 0]
    else:
        panels, vectors = source.panels, source.vectors
        items.storage = Storage.float32
        items.panels = &panels[0, 0, 0]
        items.vectors = &vectors[0, 0]
    items.n_items = source.vectors.shape[0]
    items.n_panels = source.panels.shape[0]
    items.d = source.vectors.shape[1]
    items.positions = pointer_i32(source.positions)
    items.norms = pointer_f64(source.norms)
    items.largest_norm = source.largest_norm
    items.list_panels = pointer_i64(source.list_panels)
    return items


cdef ItemLists lists_view(source) except *:
    cdef ItemLists lists
    lists.indptr = pointer_i64(source.indptr) if source is not None else NULL
    lists.listed = pointer_i32(source.listed) if source is not None else NULL
    lists.may_get = source.may_get if source is not None else False
    return lists


cdef TopNQuery query_view(source, int64_t n) except *:
    cdef TopNQuery query
    cdef const float[:, ::1] users = source.users
    cdef const int32_t[:, ::1] probes = source.probes
    query.n_users = users.shape[0]
    query.users = &users[0, 0]
    query.user_norms = pointer_f64(source.norms)
    query.lists = lists_view(source.lists)
    query.allowed = pointer_u8(source.allowed)
    query.n = n
    query.probes = &probes[0, 0] if probes is not None else NULL
    query.n_probes = probes.shape[1] if probes is not None else 0
    return query


PANEL_ITEMS = panel_items


def top_n(items, query, int n_threads, int64_t[:, ::1] positions, float[:, ::1] scores):
    """Fills positions and scores (n_users, n) with each user's best items."""
    cdef PackedItems packed = items_view(items)
    cdef TopNQuery wanted = query_view(query, positions.shape[1])
    cdef Best best
    best.positions = &positions[0, 0]
    best.scores = &scores[0, 0]
    cdef Status status
    with nogil:
        status = cpp_top_n(kernels_in_use[0], packed, wanted, n_threads, best)
    check(status)
