// One step of learning to rank by cosines, on a tile of visits that share the drawn items:
//
//   score(u, t) = own(t) + <S^_u, S^_t> / T     own(t) = sum_{i in t} w_i x_i,   S = sum_i v_i x_i,   S^ = S / |S|
//   L           = sum_visits sum_c a_c [ log( e^(p_c) + sum_j n_j e^(s_j) ) - p_c ]
//
// c: the choices of a visit, j: the drawn items that the user has not chosen, n_j: how many items a drawn one stands for (the
// n_items / n over n q_j of importance sampling: Bengio and Senecal 2008), so that the sum estimates that over all items.
// With G_ut = dL/dscore(u, t), and |S|^2 = sum_f S_f^2 + tiny:
//
//   dL/dw_i = sum_{t has i} x_ti sum_u G_ut
//   dL/dS   = (C - S^ <S^, C>) / (T |S|),      C_u = sum_t G_ut S^_t,   C_t = sum_u G_ut S^_u
//   dL/dv_i = sum_{rows r that have i} x_ri dL/dS_r,       L2 as in solvers/ranking.hpp
//
// All scores are those of before the step; each feature of the tile takes one step of AdaGrad on the sum of its gradients.
// O(k n_drawn) a visit, in products of matrices that stay in the second-level cache, and O(k nnz) for the tile's rows.
#pragma once

#include <math.h>

#include "math/dense.hpp"
#include "math/loss.hpp"
#include "math/panels.hpp"
#include "models/fm.hpp"
#include "types/status.hpp"
#include "types/tile.hpp"

namespace fastfm::FASTFM_ISA {

// What a step computes, in the floats of the caller.
struct TileRoom {
    int k, n_users, n_items, n_drawn;
    float *users, *items;                    // (n, k): S^ of each row
    float *user_gradients, *item_gradients;  // (n, k): C, then dL/dS
    float* panels;                           // (n_drawn / tile_panel, k, tile_panel)
    float *user_norms, *item_norms;          // (n,): 1 / |S|
    float *own, *own_gradients;              // (n_items,)
    float* offsets;                          // (n_drawn,): own(t) and log n_t
    float* scores;                           // (tile_group, n_drawn): then G
    float* chosen;                           // the scores of choices

    TileRoom(float* floats, const Tile& tile, int32_t n_factors)
        : k(tile_row(n_factors)),
          n_users(static_cast<int>(rounded_up(tile.n_users, tile_group))),
          n_items(static_cast<int>(rounded_up(tile.n_items, tile_panel))),
          n_drawn(static_cast<int>(rounded_up(tile.n_drawn, tile_panel))),
          users(floats),
          items(users + int64_t{n_users} * k),
          user_gradients(items + int64_t{n_items} * k),
          item_gradients(user_gradients + int64_t{n_users} * k),
          panels(item_gradients + int64_t{n_items} * k),
          user_norms(panels + int64_t{n_drawn} * k),
          item_norms(user_norms + n_users),
          own(item_norms + n_items),
          own_gradients(own + n_items),
          offsets(own_gradients + n_items),
          scores(offsets + n_drawn),
          chosen(scores + int64_t{tile_group} * n_drawn) {}

    float* user(int u) const { return users + int64_t{u} * k; }
    float* item(int t) const { return items + int64_t{t} * k; }
    float* gradient_of_user(int u) const { return user_gradients + int64_t{u} * k; }
    float* gradient_of_item(int t) const { return item_gradients + int64_t{t} * k; }
};

// `W` lanes divide the number of factors.
template <int W, bool ones>
class CosineStep {
  public:
    CosineStep(const Csr& users, const Csr& items, const Tile& tile, const Params& params, const TileOptions& options,
               float* floats)
        : users_(users),
          items_(items),
          tile_(tile),
          at_(params),
          options_(options),
          room_(floats, tile, at_.n_factors()) {}

    // A loss that is not finite ends the step before any parameter changes; the status then names a choice of the visit.
    Status run(double* loss) {
        pool();
        *loss = 0.0;
        for (int first = 0; first < tile_.n_users; first += tile_group) {
            const int n = tile_.n_users - first < tile_group ? tile_.n_users - first : tile_group;
            multiply_panels(room_.user(first), room_.panels, room_.n_drawn, room_.k, room_.scores);
            for (int u = 0; u < n; ++u) {
                const double of_visit = visit(first + u, scores_of(u));
                if (!isfinite(of_visit)) return {StatusCode::non_finite, tile_.visited[tile_.begins[first + u]]};
                *loss += of_visit;
            }
            for (int64_t j = int64_t{n} * room_.n_drawn; j < int64_t{tile_group} * room_.n_drawn; ++j)
                room_.scores[j] = 0.0f;
            add_product({room_.scores, room_.n_drawn, 1}, room_.items, tile_group, room_.n_drawn, room_.k,
                        room_.gradient_of_user(first));
            add_product({room_.scores, 1, room_.n_drawn}, room_.user(first), room_.n_drawn, tile_group, room_.k,
                        room_.item_gradients);
        }
        project();
        step();
        return {StatusCode::ok, -1};
    }

  private:
    static constexpr float tiny = 1e-12f;     // keeps rows without factors away from 0 / 0
    static constexpr float nothing = -1e30f;  // the score of an item that takes no part
    static constexpr int rows_ahead = 6;
    using V = Vec<W>;

    float* scores_of(int u) const { return room_.scores + int64_t{u} * room_.n_drawn; }

    Row<ones> user_row(int u) const { return Row<ones>(users_, tile_.users[u]); }
    Row<ones> item_row(int t) const { return Row<ones>(items_, tile_.items[t]); }

    void prefetch(const Row<ones>& row) const {
        for (int64_t j = 0; j < row.nnz(); ++j) at_.template prefetch<true>(row.i[j]);
    }

    void pool() {
        for (int u = 0; u < tile_.n_users; ++u) {
            if (u + rows_ahead < tile_.n_users) prefetch(user_row(u + rows_ahead));
            room_.user_norms[u] = unit_sum(user_row(u), room_.user(u));
        }
        for (int t = 0; t < tile_.n_items; ++t) {
            if (t + rows_ahead < tile_.n_items) prefetch(item_row(t + rows_ahead));
            const Row<ones> row = item_row(t);
            room_.item_norms[t] = unit_sum(row, room_.item(t));
            float own = 0.0f;
            for (int64_t j = 0; j < row.nnz(); ++j) own += *at_.w_of(row.i[j]) * row.value(j);
            room_.own[t] = own;
            room_.own_gradients[t] = 0.0f;
        }
        zero(room_.user(tile_.n_users), int64_t{room_.n_users - tile_.n_users} * room_.k);
        zero(room_.item(tile_.n_items), int64_t{room_.n_items - tile_.n_items} * room_.k);
        zero(room_.user_gradients, int64_t{room_.n_users} * room_.k);
        zero(room_.item_gradients, int64_t{room_.n_items} * room_.k);
        zero(room_.own_gradients, room_.n_items);
        for (int j = 0; j < room_.n_drawn; ++j)
            room_.offsets[j] = j < tile_.n_drawn ? room_.own[j] + tile_.log_shares[j] : nothing;
        to_panels(room_.items, room_.n_drawn, room_.k, room_.panels);
    }

    static void zero(float* floats, int64_t n) {
        for (int64_t j = 0; j < n; ++j) floats[j] = 0.0f;
    }

    // Fills in S^ of a row; returns 1 / |S|.
    float unit_sum(const Row<ones>& row, float* out) const {
        V squares = V::fill(0.0f);
        for (int f = 0; f < at_.n_factors(); f += W) {
            V S = V::fill(0.0f);
            for (int64_t j = 0; j < row.nnz(); ++j) {
                const V v = V::load(at_.V_of(row.i[j]) + f);
                S = ones ? S + v : fma(v, V::fill(row.value(j)), S);
            }
            S.store(out + f);
            squares = fma(S, S, squares);
        }
        const float norm = 1.0f / sqrtf(sum(squares) + tiny);
        for (int f = 0; f < at_.n_factors(); f += W) (V::load(out + f) * V::fill(norm)).store(out + f);
        for (int f = at_.n_factors(); f < room_.k; ++f) out[f] = 0.0f;
        return norm;
    }

    // From the cosines of the drawn items to their G; the choices add their share to C on the way. Returns the loss.
    double visit(int u, float* drawn) {
        const int begin = tile_.begins[u], end = tile_.begins[u + 1], n = room_.n_drawn;
        const Lanes scale = Lanes::fill(options_.scale);
        for (int j = 0; j < n; j += max_lanes)
            fma(scale, Lanes::load(drawn + j), Lanes::load(room_.offsets + j)).store(drawn + j);
        for (int c = tile_.left_out_begins[u]; c < tile_.left_out_begins[u + 1]; ++c)
            drawn[tile_.left_out[c]] = nothing;
        float largest = nothing;
        for (int c = begin; c < end; ++c) {
            const int t = tile_.chosen[c];
            room_.chosen[c] = room_.own[t] + options_.scale * inner(room_.user(u), room_.item(t), room_.k);
            largest = room_.chosen[c] > largest ? room_.chosen[c] : largest;
        }
        largest = largest_of(drawn, n, largest);
        const float others = exponentials(drawn, n, largest);
        double loss = 0.0;
        float factor = 0.0f;  // sum_c a_c / (e^(p_c) + sum_j e^(s_j)), what each e^(s_j) is multiplied by
        for (int c = begin; c < end; ++c) {
            const float p = room_.chosen[c], a = tile_.weights[c], below = p - largest;
            const float all = exp_of(below > -largest_exponent ? below : -largest_exponent) + others;
            loss += double{a} * (log(double{all}) + (double{largest} - double{p}));
            factor += a / all;
            add_choice(u, tile_.chosen[c], -a * others / all);
        }
        for (int j = 0; j < n; j += max_lanes) {
            const Lanes G = Lanes::load(drawn + j) * Lanes::fill(factor);
            G.store(drawn + j);
            (Lanes::load(room_.own_gradients + j) + G).store(room_.own_gradients + j);
        }
        return loss;
    }

    void add_choice(int u, int t, float G) {
        room_.own_gradients[t] += G;
        add_row(G, room_.item(t), room_.k, room_.gradient_of_user(u));
        add_row(G, room_.user(u), room_.k, room_.gradient_of_item(t));
    }

    static float largest_of(const float* scores, int n, float largest) {
        Lanes most = Lanes::fill(largest);
        for (int j = 0; j < n; j += max_lanes) most = max(most, Lanes::load(scores + j));
        float lanes[max_lanes];
        most.store(lanes);
        for (const float lane : lanes) largest = lane > largest ? lane : largest;
        return largest;
    }

    // Turns scores into e^(s - largest), in place; returns their sum.
    static float exponentials(float* scores, int n, float largest) {
        for (int j = 0; j < n; ++j) {
            const float x = scores[j] - largest;
            const float e = exp_of(x > -largest_exponent ? x : -largest_exponent);
            scores[j] = x > -largest_exponent ? e : x - x;  // 0, and NaN for what is not finite
        }
        Lanes sums = Lanes::fill(0.0f);
        for (int j = 0; j < n; j += max_lanes) sums = sums + Lanes::load(scores + j);
        return sum(sums);
    }

    // From C to dL/dS.
    void project() {
        for (int u = 0; u < tile_.n_users; ++u) project(room_.user(u), room_.user_norms[u], room_.gradient_of_user(u));
        for (int t = 0; t < tile_.n_items; ++t) project(room_.item(t), room_.item_norms[t], room_.gradient_of_item(t));
    }

    void project(const float* unit, float norm, float* C) const {
        const Lanes along = Lanes::fill(inner(unit, C, room_.k)), factor = Lanes::fill(options_.scale * norm);
        for (int f = 0; f < room_.k; f += max_lanes)
            (fnma(along, Lanes::load(unit + f), Lanes::load(C + f)) * factor).store(C + f);
    }

    void step() {
        const Rates<4> w_rates(options_.w);
        const Rates<W> V_rates(options_.V);
        for (int s = 0; s < tile_.n_features; ++s) {
            constexpr int features_ahead = 4;
            if (s + features_ahead < tile_.n_features) at_.template prefetch<true>(tile_.features[s + features_ahead]);
            if (options_.fit_linear) step_w(s, w_rates);
            step_V(s, V_rates);
        }
    }

    float value(int place) const { return ones ? 1.0f : tile_.values[place]; }

    void step_w(int s, const Rates<4>& rates) {
        float g = 0.0f, paid = 0.0f;
        for (int place = tile_.places[s]; place < tile_.places[s + 1]; ++place) {
            const int r = tile_.rows[place];
            if (r < tile_.n_users) continue;
            g += room_.own_gradients[r - tile_.n_users] * value(place);
            paid += tile_.paid[r];
        }
        float* w = at_.w_of(tile_.features[s]);
        update_one<AdaGrad>(w, g + paid * options_.w.l2 * w[0], rates);
    }

    void step_V(int s, const Rates<W>& rates) {
        float* v = at_.V_of(tile_.features[s]);
        const int begin = tile_.places[s], end = tile_.places[s + 1], k = at_.n_factors();
        float paid = 0.0f;
        for (int place = begin; place < end; ++place) paid += tile_.paid[tile_.rows[place]];
        const V l2 = V::fill(paid * options_.V.l2);
        for (int f = 0; f < k; f += W) {
            V record[2] = {V::load(v + f), V::load(v + k + f)};
            V g = l2 * record[0];
            for (int place = begin; place < end; ++place) {
                const int r = tile_.rows[place];
                const float* dS =
                    r < tile_.n_users ? room_.gradient_of_user(r) : room_.gradient_of_item(r - tile_.n_users);
                g = fma(V::fill(value(place)), V::load(dS + f), g);
            }
            AdaGrad::update(record, g, rates);
            record[0].store(v + f);
            record[1].store(v + k + f);
        }
    }

    const Csr& users_;
    const Csr& items_;
    const Tile& tile_;
    Records<any_k, AdaGrad::n_slots> at_;
    TileOptions options_;
    TileRoom room_;
};

template <bool ones>
Status cosine_step(const Csr& users, const Csr& items, const Tile& tile, const Params& params,
                   const TileOptions& options, float* floats, double* loss) {
    if (params.tables[V_table].width % max_lanes)
        return CosineStep<4, ones>(users, items, tile, params, options, floats).run(loss);
    return CosineStep<max_lanes, ones>(users, items, tile, params, options, floats).run(loss);
}

}  // namespace fastfm::FASTFM_ISA
