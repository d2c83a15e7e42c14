// The second-order factorization machine for ONE row (Rendle 2010, "Factorization Machines", eq. 1 and lemma 3.1):
//
//   p       = w0 + sum_i w_i x_i + 1/2 sum_f [ S_f^2 - sum_i v_if^2 x_i^2 ],     S_f = sum_i v_if x_i
//   dp/dw0  = 1      dp/dw_i = x_i      dp/dv_if = x_i (S_f - v_if x_i)
//
// O(k nnz) for the score and for the step. The k factors are worked through in blocks of K, a compile-time constant:
// for K = k (the usual case) the sums S stay in registers between score and step.
#pragma once

#include "../math/optimizer.hpp"
#include "../math/vec.hpp"
#include "../types.hpp"

namespace fastfm::FASTFM_ISA {

// The nonzeros of one row. `ones` says at compile time that every value is 1 and `x` is not there.
template <bool ones>
struct Row {
    const int32_t* i;
    const float* x;
    int64_t nnz;

    Row(const Csr& X, int64_t r)
        : i(X.indices + X.indptr[r]), x(ones ? nullptr : X.data + X.indptr[r]), nnz(X.indptr[r + 1] - X.indptr[r]) {}

    float value(int64_t j) const { return ones ? 1.0f : x[j]; }
};

// K factors of all features; `at(i)` is where those of feature i begin.
template <int K>
struct Block {
    static constexpr int lanes = K < max_lanes ? K : max_lanes;
    static constexpr int n_vecs = K / lanes;
    using V = Vec<lanes>;

    V S[n_vecs];  // S_f of the row seen last

    // Sets S and returns the row's pair term of these factors: 1/2 sum_f [ S_f^2 - sum_i v_if^2 x_i^2 ].
    template <bool ones, class At>
    float score(const Row<ones>& row, At at) {
        V squares = V::fill(0.0f);
        for (V& s : S) s = V::fill(0.0f);
        for (int64_t j = 0; j < row.nnz; ++j) {
            const float* v = at(row.i[j]);
            const V x = V::fill(row.value(j));
            for (int b = 0; b < n_vecs; ++b) {
                const V vx = ones ? V::load(v + b * lanes) : V::load(v + b * lanes) * x;
                S[b] = S[b] + vx;
                squares = fma(vx, vx, squares);
            }
        }
        V pairs = V::fill(0.0f) - squares;
        for (const V& s : S) pairs = fma(s, s, pairs);
        return 0.5f * sum(pairs);
    }

    // One step on v_i for every feature i of the row, with the S of the parameters before the step. The gradient is
    // g dp/dv_if + l2 v_if = g x_i (S_f - v_if x_i) + l2 v_if.
    template <class Optimizer, bool ones, class At>
    void step(const Row<ones>& row, At at, int slot_stride, float g, float l2, const Rates<lanes>& rates) const {
        V record[1 + Optimizer::n_slots];
        for (int64_t j = 0; j < row.nnz; ++j) {
            float* v = at(row.i[j]);
            const float x = row.value(j);
            const V gx = V::fill(g * x), decay = V::fill(g * x * x - l2);
            for (int b = 0; b < n_vecs; ++b, v += lanes) {
                for (int s = 0; s <= Optimizer::n_slots; ++s) record[s] = V::load(v + s * slot_stride);
                Optimizer::update(record, fnma(decay, record[0], gx * S[b]), rates);
                for (int s = 0; s <= Optimizer::n_slots; ++s) record[s].store(v + s * slot_stride);
            }
        }
    }
};

// How many rows ahead a loop asks for parameters (measured best for short and long rows alike).
constexpr int64_t prefetch_ahead = 4;

// The machine over a set of parameters.
//
// K > 0: the k factors form one block, and step() uses the sums of the last score().
// K = 0: no pair term.
// K = any_k: blocks of 16; step() computes each block's sums again, which are in the first-level cache by then.
//
// `slots` is the number of state values for each parameter where it is known, so that strides are constants; `copies`
// says whether rows may name copies of hot features.
constexpr int any_k = -1;
constexpr int any_slots = -1;

template <int K, int slots = any_slots, bool copies = false>
class Fm {
  public:
    explicit Fm(const Params& params) : params_(params) {
        for (int s = 0; s < record(); ++s) w0_[s] = params.w0[s];
        if (copies) {
            to_copies_w_ = distance(params.w, params.copies_w, record());
            to_copies_V_ = distance(params.V, params.copies_V, n_factors() * record());
        }
    }

    template <bool ones>
    float score(const Row<ones>& row) {
        float p = linear_score(row);
        for (int first = 0; first < n_factors(); first += block_size) p += block_.score(row, factors_from(first));
        return p + w0_[0];
    }

    // One step with dL/dp = g, and L2 on the parameters of the row's features, on the row that score() saw last.
    // `weight` multiplies the row's loss and the L2 that is paid with it, so that weight 2 means "seen twice".
    template <class Optimizer, bool ones>
    void step(const Row<ones>& row, float g, float weight, const Options& options) {
        g *= weight;
        const float l2_weight = Optimizer::l2_in_gradient ? weight : 0.0f;
        if (options.fit_intercept) update_one<Optimizer>(w0_, g, Rates<4>(options.w0));
        if (options.fit_linear) linear_step<Optimizer>(row, g, l2_weight * options.w.l2, Rates<4>(options.w));
        const Rates<Block<block_size>::lanes> rates(options.V);
        for (int first = 0; first < n_factors(); first += block_size) {
            const auto factors = factors_from(first);
            if (K == any_k) block_.score(row, factors);
            block_.template step<Optimizer>(row, factors, n_factors(), g, l2_weight * options.V.l2, rates);
        }
    }

    // Writes w0 back: it changes with every row, and the next row waits for it, so the steps keep it in a register.
    void store_w0() const {
        for (int s = 0; s < record(); ++s) params_.w0[s] = w0_[s];
    }

    // sum_vx[f] = S_f for all k factors; returns the row's own score without w0: its linear and pair terms.
    template <bool ones>
    float pool(const Row<ones>& row, float* sum_vx) {
        float own = linear_score(row);
        for (int first = 0; first < n_factors(); first += block_size) {
            own += block_.score(row, factors_from(first));
            for (int b = 0; b < Block<block_size>::n_vecs; ++b)
                block_.S[b].store(sum_vx + first + b * Block<block_size>::lanes);
        }
        return own;
    }

    // Asks for the row's parameters before they are needed; memory is what a step waits for.
    template <bool ones>
    void prefetch(const Row<ones>& row) const {
        constexpr int floats_per_line = 16;
        for (int64_t j = 0; j < row.nnz; ++j) {
            prefetch_line(w_of(row.i[j]));
            for (int f = 0; f < n_factors() * record(); f += floats_per_line) prefetch_line(V_of(row.i[j]) + f);
        }
    }

  private:
    static constexpr int block_size = K > 0 ? K : 16;

    template <bool ones>
    float linear_score(const Row<ones>& row) const {
        float sum = 0.0f;
        for (int64_t j = 0; j < row.nnz; ++j) sum += *w_of(row.i[j]) * row.value(j);
        return sum;
    }

    template <class Optimizer, bool ones>
    void linear_step(const Row<ones>& row, float g, float l2, const Rates<4>& rates) {
        for (int64_t j = 0; j < row.nnz; ++j) {
            float* w = w_of(row.i[j]);
            update_one<Optimizer>(w, g * row.value(j) + l2 * w[0], rates);
        }
    }

    // A single parameter with its state right behind it: one lane would do.
    template <class Optimizer>
    static void update_one(float* theta, float G, const Rates<4>& rates) {
        Vec<4> record[1 + Optimizer::n_slots];
        for (int s = 0; s <= Optimizer::n_slots; ++s) record[s] = Vec<4>::fill(theta[s]);
        Optimizer::update(record, Vec<4>::fill(G), rates);
        for (int s = 0; s <= Optimizer::n_slots; ++s) theta[s] = record[s].first();
    }

    int n_factors() const { return K == any_k ? params_.k : K; }
    int record() const { return 1 + (slots == any_slots ? params_.n_slots : slots); }

    float* w_of(int64_t i) const { return place(params_.w, i, record(), to_copies_w_); }
    float* V_of(int64_t i) const { return place(params_.V, i, n_factors() * record(), to_copies_V_); }

    auto factors_from(int first) const {
        return [this, first](int64_t i) { return V_of(i) + first; };
    }

    // Where record i is. Copies are as good as random among a row's features, so this must not be a branch: whoever
    // guesses wrong a third of the time loses more than the copies gain. The shift fills `is_copy` with the sign bit.
    float* place(float* shared, int64_t i, int64_t stride, intptr_t to_copies) const {
        if (!copies) return shared + i * stride;
        const intptr_t is_copy = (params_.n_features - 1 - i) >> 63;
        const intptr_t bytes = i * stride * intptr_t{sizeof(float)} + (is_copy & to_copies);
        return reinterpret_cast<float*>(reinterpret_cast<intptr_t>(shared) + bytes);
    }

    // Bytes from where record n_features would be among the shared ones to copy 0.
    intptr_t distance(const float* shared, const float* own, int64_t stride) const {
        return reinterpret_cast<intptr_t>(own) - reinterpret_cast<intptr_t>(shared) -
               params_.n_features * stride * intptr_t{sizeof(float)};
    }

    Params params_;
    float w0_[1 + max_slots];
    intptr_t to_copies_w_ = 0;
    intptr_t to_copies_V_ = 0;
    Block<block_size> block_;
};

}  // namespace fastfm::FASTFM_ISA
