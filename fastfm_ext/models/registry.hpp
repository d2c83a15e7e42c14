// The models that there are, one line each: the name that Python knows it by, and its struct, which is in its own file.
//
// A model is a struct that says of itself
//
//   Machine<K, slots, copies>  one row: score(row), then step<Rule>(row, g, weight, options, later); store_w0() at the end, and
//                              put_back(), which gives back what rows have left in the room, zeroed at first; to
//                              predict, score(row, beside), which calls beside(j) for each nonzero j on the way;
//                              steps_on_sums says whether step() needs what score() of the same row has left behind, and
//                              has_score_near whether there is score_near(row), for tables that caches near a core hold
//   is_specialised             whether the usual numbers of factors, rows of ones and rows of two features have code of
//                              their own, and those without copies, which takes room; else Row is `AnyRow`, copies true
//   most_plain_k               where it is not: up to how many factors, of 4, 8 and 16, rows of ones without copies have
//                              code of their own; 0 for none
//   has_replicas               whether threads may have replicas, which solvers/merge.hpp knows how to merge
//   room(k, n_fields, nnz)     how many floats of room each thread needs for rows of up to nnz nonzeros
//
// and a description of its tables for Python, in python/fastfm_ext/_engine/models/ under the same name.
#pragma once

#include "models/ffm.hpp"
#include "models/fm.hpp"
#include "models/fmfm.hpp"
#include "models/fwfm.hpp"

#define FASTFM_MODELS(X) \
    X(fm, FmModel)       \
    X(ffm, FfmModel)     \
    X(fwfm, FwfmModel)   \
    X(fvfm, FvfmModel)   \
    X(fmfm, FmfmModel)

namespace fastfm::FASTFM_ISA {

#define FASTFM_ENUMERATOR(name, Traits) name,
enum class Model : int32_t { FASTFM_MODELS(FASTFM_ENUMERATOR) };
#undef FASTFM_ENUMERATOR

// Calls body(traits of the model of these parameters).
template <class Body>
auto with_model(const Params& params, Body body) {
    switch (static_cast<Model>(params.model)) {  // not covered: a number without a model
#define FASTFM_CASE(name, Traits) \
    case Model::name: return body(Traits{});
        FASTFM_MODELS(FASTFM_CASE)
#undef FASTFM_CASE
    }
    FASTFM_UNREACHABLE();  // not covered: every number has a case
}

// Calls body(these traits), or body(those of the same model in halves) where its factors lie so: only some models can.
template <class Traits, class Body>
auto with_storage(Traits traits, const Params&, Body body) {
    return body(traits);
}
template <class Body>
auto with_storage(FmModel traits, const Params& params, Body body) {
    if (params.tables[V_table].storage == Storage::half) return body(HalfFmModel{});
    return body(traits);
}

}  // namespace fastfm::FASTFM_ISA
