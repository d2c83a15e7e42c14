// The field-weighted factorization machine for ONE row (Pan et al. 2018, "Field-weighted Factorization Machines for
// Click-Through Rate Prediction in Display Advertising", eq. 6), with the linear terms of a factorization machine:
//
//   p        = w0 + sum_i w_i x_i + sum_{F < G} r_FG <S_F, S_G> + sum_F r_FF own_F        S, own: models/field_sums.hpp
//   dp/dv_i  = x_i (T_F(i) - r_F(i)F(i) v_i x_i)          T_F = sum_G r_FG S_G           F(i): the field of feature i
//   dp/dr_FG = <S_F, S_G>       dp/dr_FF = own_F
//
// With all r = 1 it is the factorization machine. F and G are the fields that the row has, so the cost is O(k nnz + k m^2)
// for m of them. A step moves w0, w, V and R from what they were before it; it pays the L2 of each r_FG once.
//
// R is n_fields x (n_fields with padding), symmetric: r_FG stands in row F for F <= G. What stands below the diagonal is
// not of use.
#pragma once

#include "math/optimizer.hpp"
#include "math/transpose.hpp"
#include "math/vec.hpp"
#include "models/field_sums.hpp"
#include "models/linear.hpp"
#include "models/records.hpp"
#include "models/row.hpp"
#include "types/gradient.hpp"

namespace fastfm::FASTFM_ISA {

// The upper triangle of a matrix with the optimizer's state, by the places of a row's fields: record F begins at
// F * stride, its state values are `width` apart.
struct Triangle {
    float* records;
    int64_t stride;
    int width;

    float* row(int F) const { return records + F * stride; }
};

// The triangle of the fields that a row has, which are not all: copied from the records of all, and put back.
class TriangleCopy {
  public:
    TriangleCopy(const Triangle& all, float* room) : all_(all), copy_{room, 0, 0} {}

    template <class Sums>
    Triangle take(const Sums& sums, int n_values) {
        copy_.width = in_tiles(sums.n(), field_lanes);
        copy_.stride = int64_t{n_values} * copy_.width;
        for (int a = 0; a < sums.n(); ++a) {
            // What the lanes reach beside the triangle gets values that are there, of which nothing comes.
            for (int b = a / field_lanes * field_lanes; b < copy_.width; ++b) {
                const float* from = place(sums, a, b < a ? a : b < sums.n() ? b : sums.n() - 1);
                for (int s = 0; s < n_values; ++s) copy_.row(a)[s * copy_.width + b] = from[s * all_.width];
            }
        }
        return copy_;
    }

    template <class Sums>
    void put_back(const Sums& sums, int n_values) const {
        for (int a = 0; a < sums.n(); ++a) {
            for (int b = a; b < sums.n(); ++b) {
                float* to = place(sums, a, b);
                for (int s = 0; s < n_values; ++s) to[s * all_.width] = copy_.row(a)[s * copy_.width + b];
            }
        }
    }

  private:
    template <class Sums>
    float* place(const Sums& sums, int a, int b) const {
        return all_.row(sums.field_at(a)) + sums.field_at(b);
    }

    Triangle all_;
    Triangle copy_;
};

template <int K, int slots, bool copies>
class Fwfm {
  public:
    static constexpr int block_size = K > 0 ? K : 16;
    static constexpr int lanes = block_size < max_lanes ? block_size : max_lanes;
    static constexpr bool steps_on_sums = true;
    using V = Vec<lanes>;
    using Across = Vec<field_lanes>;

    // Floats of room: those of the sums; S transposed, <S_F, S_G>, T, and a copy of R.
    static int64_t room(int32_t k, int32_t n_fields) {
        const int64_t n = in_tiles(n_fields);
        return in_tiles(FieldSums<K>::room(k, n_fields)) + (in_tiles(k) + n + k + (1 + max_slots) * n) * n;
    }

    explicit Fwfm(const Params& params)
        : linear_(params),
          k_(params.k),
          n_(in_tiles(params.fields.n)),
          sums_(params.fields, params.k, params.room),
          transposed_(params.room + in_tiles(FieldSums<K>::room(params.k, params.fields.n))),
          products_(transposed_ + in_tiles(params.k) * n_),
          T_(products_ + n_ * n_),
          R_{params.tables[R_table].records, int64_t{1 + params.n_slots} * params.tables[R_table].width,
             params.tables[R_table].width},
          some_of_R_(R_, T_ + params.k * n_) {}

    template <class Row>
    float score(const Row& row) {
        return score(row, [](int64_t) {});
    }

    template <class Row, class Beside>
    float score(const Row& row, Beside beside) {
        float p = linear_.score(row) + linear_.w0();
        if (!k()) {
            for (int64_t j = 0; j < row.nnz(); ++j) beside(j);
            return p;
        }
        sums_.take(row, linear_.at.factors_from(0), beside);
        return p + score_pairs();
    }

    template <class Rule, class Row, class LaterRow>
    FASTFM_INLINE void step(const Row& row, float g, float weight, const Options& options, const LaterRow& later) {
        g *= weight;
        const float l2_weight = Rule::l2_in_gradient ? weight : 0.0f;
        linear_.template step<Rule>(row, g, l2_weight, options);
        if (!k()) return;
        const Triangle R = triangle(1 + Rule::n_slots);
        weigh_sums(R);
        step_on_factors<Rule>(row, R, g, l2_weight * options.V.l2, Rates<lanes>(options.V), later);
        step_on_strengths<Rule>(R, g, l2_weight * options.R.l2, Rates<field_lanes>(options.R));
        if (!sums_.has_all()) some_of_R_.put_back(sums_, 1 + Rule::n_slots);
    }

    void store_w0() const { linear_.store_w0(); }

    void prefetch_values(int64_t i) const {
        linear_.at.template prefetch<false>(i);
        sums_.prefetch(i);
    }

  private:
    static constexpr int rows_at_once = 4;

    int k() const { return K > 0 ? K : K == 0 ? 0 : k_; }

    Triangle triangle(int n_values) { return sums_.has_all() ? R_ : some_of_R_.take(sums_, n_values); }

    // sum_{F < G} r_FG <S_F, S_G> + sum_F r_FF own_F, each product left in `products_`, n_ a row.
    float score_pairs() {
        const Triangle R = triangle(1);
        const int n = in_tiles(sums_.n(), field_lanes);
        transpose();
        Across pairs[] = {Across::fill(0.0f), Across::fill(0.0f), Across::fill(0.0f)};
        for (int F = 0; F < sums_.n(); F += rows_at_once) {
            int G = F / field_lanes * field_lanes;
            for (; G + 3 * field_lanes <= n; G += 3 * field_lanes) multiply<3>(F, G, R, pairs);
            if (G + 2 * field_lanes == n) multiply<2>(F, G, R, pairs);
            if (G + field_lanes == n) multiply<1>(F, G, R, pairs);
        }
        float p = sum(pairs[0] + pairs[1] + pairs[2]);
        if (!sums_.has_several()) return p;
        for (int F = 0; F < sums_.n(); ++F) {
            products_[F * n_ + F] = sums_.own(F);
            p += R.row(F)[F] * sums_.own(F);
        }
        return p;
    }

    // transposed_[f, F] = S_Ff, n_ a row, for whole registers of fields.
    void transpose() {
        for (int F = 0; F < in_tiles(sums_.n(), field_lanes); F += tile_side) {
            const float* rows[tile_side];
            for (int r = 0; r < tile_side; ++r) rows[r] = sums_.S(F + r);
            for (int f = 0; f < k(); f += tile_side) transpose_tile(rows, f, transposed_ + f * n_ + F, n_);
        }
    }

    // <S_F, S_G> for `rows_at_once` fields F and the fields G of n_vecs registers, weighted and added to `pairs`.
    // Beside and below the diagonal there is 0.
    template <int n_vecs>
    FASTFM_INLINE void multiply(int F, int G, const Triangle& R, Across* pairs) {
        Across sums[rows_at_once][n_vecs];
        for (auto& of_row : sums)
            for (Across& s : of_row) s = Across::fill(0.0f);
        const float* S = sums_.S(F);
        const float* others = transposed_ + G;
        for (int f = 0; f < k(); ++f) {
            Across other[n_vecs];
            for (int c = 0; c < n_vecs; ++c) other[c] = Across::load(others + f * n_ + c * field_lanes);
            for (int r = 0; r < rows_at_once; ++r) {
                const Across of_row = Across::fill(S[r * k() + f]);
                for (int c = 0; c < n_vecs; ++c) sums[r][c] = fma(of_row, other[c], sums[r][c]);
            }
        }
        for (int r = 0; r < rows_at_once && F + r < sums_.n(); ++r) {
            if (G <= F + r) sums[r][0] = sums[r][0] * above(F + r - G);
            for (int c = 0; c < n_vecs; ++c) {
                sums[r][c].store(products_ + (F + r) * n_ + G + c * field_lanes);
                pairs[c] = fma(Across::load(R.row(F + r) + G + c * field_lanes), sums[r][c], pairs[c]);
            }
        }
    }

    // 1 in the lanes behind number `lane`, else 0.
    static Across above(int lane) {
        static constexpr float steps[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
        return Across::load(steps + 7 - lane);
    }

    // T_F = sum_G r_FG S_G.
    void weigh_sums(const Triangle& R) {
        for (int F = 0; F < sums_.n(); F += field_lanes)
            for (int f = 0; f < k(); f += lanes) weigh_tile(F, f, R);
    }

    // The same for the fields of one register, and the factors of one from f on.
    FASTFM_INLINE void weigh_tile(int F, int f, const Triangle& R) {
        V T[field_lanes];
        for (V& t : T) t = V::fill(0.0f);
        int G = 0;
        for (; G < F; ++G) {
            const V S = V::load(sums_.S(G) + f);
            const float* r = R.row(G) + F;
            for (int i = 0; i < field_lanes; ++i) T[i] = fma(V::fill(r[i]), S, T[i]);
        }
        for (int g = 0; g < field_lanes && F + g < sums_.n(); ++g, ++G) {
            const V S = V::load(sums_.S(G) + f);
            for (int i = 0; i < field_lanes; ++i) {
                const float r = i < g ? R.row(F + i)[G] : R.row(G)[F + i];
                T[i] = fma(V::fill(r), S, T[i]);
            }
        }
        for (; G < sums_.n(); ++G) {
            const V S = V::load(sums_.S(G) + f);
            const float* r = R.row(F) + G;
            for (int i = 0; i < field_lanes; ++i) T[i] = fma(V::fill(r[i * R.stride]), S, T[i]);
        }
        for (int i = 0; i < field_lanes; ++i) T[i].store(T_ + (F + i) * k() + f);
    }

    // The gradient of v_if is g x_i (T_Ff - r_FF v_if x_i) + l2_i v_if.
    template <class Rule, class Row, class LaterRow>
    FASTFM_INLINE void step_on_factors(const Row& row, const Triangle& R, float g, float l2, const Rates<lanes>& rates,
                                       const LaterRow& later) {
        for (int64_t j = 0; j < row.nnz(); ++j) {
            if (j < later.nnz()) prefetch(later.i[j]);
            const int F = sums_.place_of(j, row.i[j]);
            const float x = row.value(j);
            const float own_l2 = l2 * linear_.at.l2_scale_of(row.i[j]);
            const V gx = V::fill(g * x), decay = V::fill(g * x * x * R.row(F)[F] - own_l2);
            const float* T = T_ + F * k();
            float* v = linear_.at.V_of(row.i[j]);
            for (int f = 0; f < k(); f += lanes) {
                V record[1 + Rule::n_slots];
                for (int s = 0; s <= Rule::n_slots; ++s) record[s] = V::load(v + f + s * k());
                Rule::update(record, fnma(decay, record[0], gx * V::load(T + f)), rates);
                for (int s = 0; s <= Rule::n_slots; ++s) record[s].store(v + f + s * k());
            }
        }
        for (int64_t j = row.nnz(); j < later.nnz(); ++j) prefetch(later.i[j]);
    }

    template <class Rule>
    FASTFM_INLINE void step_on_strengths(const Triangle& R, float g, float l2, const Rates<field_lanes>& rates) {
        const Across gs = Across::fill(g), decay = Across::fill(l2);
        const int n = in_tiles(sums_.n(), field_lanes);
        for (int F = 0; F < sums_.n(); ++F) {
            for (int G = F / field_lanes * field_lanes; G < n; G += field_lanes) {
                float* r = R.row(F) + G;
                Across record[1 + Rule::n_slots];
                for (int s = 0; s <= Rule::n_slots; ++s) record[s] = Across::load(r + s * R.width);
                Rule::update(record, fma(decay, record[0], gs * Across::load(products_ + F * n_ + G)), rates);
                for (int s = 0; s <= Rule::n_slots; ++s) record[s].store(r + s * R.width);
            }
        }
    }

    void prefetch(int64_t i) const {
        linear_.at.template prefetch<true>(i);
        sums_.prefetch(i);
    }

    Linear<Records<K, slots, copies>> linear_;
    int k_;
    int n_;
    FieldSums<K> sums_;
    float* transposed_;
    float* products_;
    float* T_;
    Triangle R_;
    TriangleCopy some_of_R_;
};

struct FwfmModel {
    static constexpr bool is_specialised = false;
    static constexpr int plain_k = 8;
    static constexpr bool has_replicas = false;

    template <int K, int slots, bool copies>
    using Machine = Fwfm<K, slots, copies>;

    static int64_t room(int32_t k, int32_t n_fields, int64_t) {
        return Fwfm<any_k, any_slots, false>::room(k, n_fields);
    }
};

}  // namespace fastfm::FASTFM_ISA
