// How far ahead loops over rows ask for parameters: memory is what a row waits for. Loops ask between the arithmetic of
// the row at hand, for a burst of requests would hold up all else.
#pragma once

#include "models/records.hpp"
#include "types/matrix.hpp"
#include "types/parameters.hpp"

namespace fastfm::FASTFM_ISA {

// Rows to train on: min(most, ceil(n / mean nnz of a row)) before their turn, n being so many nonzeros or what takes 48 KB.
// Short rows are over before what is asked for is there; of long ones, requests for few find room at a time, and for more
// where they go to the second cache (`Records::ask_for`).
inline int64_t rows_ahead(const Csr& X, const Params& params) {
    const bool far = is_far(params);
    const int64_t most_nonzeros = !far ? 48 : params.copies[w_table] ? 96 : 120, most_rows = far ? 12 : 8;
    constexpr int64_t most_bytes = 48 << 10;
    const int64_t record = bytes_of_record(params.tables[V_table], params.n_slots);
    const int64_t nonzeros = record * most_nonzeros > most_bytes ? most_bytes / record : most_nonzeros;
    const int64_t nnz = X.indptr[X.n_rows] - X.indptr[0];
    if (nnz * most_rows <= nonzeros * X.n_rows) return most_rows;
    return (nonzeros * X.n_rows + nnz - 1) / nnz;
}

// Whether rows to score ask for nothing: where V takes no more than some second caches hold, the next rows
// begin before a row ends. On a Zen 4, rows of 10 features then take 0.7 of the time, of tables of 0.3 to 4 MB.
inline bool scores_without_requests(const Params& params) {
    constexpr int64_t most_bytes = 2 << 20;
    const Table& V = params.tables[V_table];
    return V.n_rows * bytes_of_record(V, params.n_slots) <= most_bytes;
}

// Rows first <= r < last to score, in the order of the matrix, where they lie one behind another and so do their nonzeros:
// 16 rows ahead, but no more than 160 nonzeros.
inline int64_t nonzeros_ahead(const Csr& X, int64_t first, int64_t last) {
    constexpr int64_t nonzeros = 160, most_rows = 16;
    const int64_t in_rows = most_rows * (X.indptr[last] - X.indptr[first]) / (last - first);
    return in_rows < nonzeros ? in_rows : nonzeros;
}

}  // namespace fastfm::FASTFM_ISA
