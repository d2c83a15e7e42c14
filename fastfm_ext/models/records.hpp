// Where the records of a machine's features lie in memory: the addresses that every model of factors needs.
#pragma once

#include "math/storage.hpp"
#include "math/vec.hpp"
#include "types/parameters.hpp"

namespace fastfm::FASTFM_ISA {

constexpr int any_k = -1;      // any number of factors, in blocks of 16
constexpr int any_slots = -1;  // any number of state values

// Whether V is larger than caches near a core.
inline bool is_far(const Params& params) {
    constexpr int64_t most_near_bytes = 8 << 20;
    const Table& V = params.tables[V_table];
    return V.n_rows * bytes_of_record(V, params.n_slots) > most_near_bytes;
}

// `K` is the number of factors and `slots` that of the state values for each parameter, where they are known when this is
// compiled, so that strides are constants; `copies` says whether rows may name copies of hot features, and features have an
// L2 of their own; `Storage` is how V lies in memory.
template <int K, int slots = any_slots, bool copies = false, class Storage = Float32>
class Records {
    static_assert(K == any_k || K == 0 || K == 4 || K == 8 || (K > 0 && K % 16 == 0), "V is padded to such k only");

  public:
    using Value = typename Storage::Value;

    explicit Records(const Params& params)
        : w0_(params.tables[w0_table].records),
          w_(params.tables[w_table].records),
          V_(reinterpret_cast<Value*>(params.tables[V_table].records)),
          k_(params.tables[V_table].width),
          n_slots_(params.n_slots),
          n_features_(params.n_features),
          is_far_(fastfm::FASTFM_ISA::is_far(params)),
          writes_to_first_cache_(!is_far_ || params.far_to_first_cache),
          l2_scale_(copies ? params.l2_scale : nullptr) {
        if (copies) {
            to_copies_w_ = distance(w_, params.copies[w_table], values());
            to_copies_V_ = distance(V_, params.copies[V_table], n_factors() * values());
        }
    }

    // How wide a row of V is: of a factorization machine, the number of factors.
    int n_factors() const { return K == any_k ? k_ : K; }
    // A parameter and its state.
    int values() const { return 1 + (slots == any_slots ? n_slots_ : slots); }

    float* w0() const { return w0_; }
    float* w_of(int64_t i) const { return place(w_, i, values(), to_copies_w_); }
    Value* V_of(int64_t i) const { return place(V_, i, n_factors() * values(), to_copies_V_); }

    // Whether features have an L2 of their own, and what it is multiplied by for feature i.
    bool has_l2_scale() const { return copies && l2_scale_; }
    float l2_scale_of(int64_t i) const { return has_l2_scale() ? l2_scale_[i] : 1.0f; }

    // A function from a feature to its factors from number `first` on.
    auto factors_from(int first) const {
        return [this, first](int64_t i) { return V_of(i) + first; };
    }

    // Asks for the parameters of feature i: the values to read, or the whole records to write to.
    template <bool to_write>
    FASTFM_INLINE void prefetch(int64_t i) const {
        constexpr int values_per_line = 64 / sizeof(Value);
        const int n_values = n_factors() * (to_write ? values() : 1);
        prefetch_weight<to_write>(i);
        for (int f = 0; f < n_values; f += values_per_line) ask_for<to_write>(V_of(i) + f);
    }

    // All but its factors.
    template <bool to_write>
    FASTFM_INLINE void prefetch_weight(int64_t i) const {
        ask_for<to_write>(w_of(i));
        if (to_write && has_l2_scale()) prefetch_line(l2_scale_ + i);
    }

    bool is_far() const { return is_far_; }

    // Asks for a line of parameters. What comes from far goes to the second cache unless `params` say otherwise: on a Zen 4,
    // epochs and predictions then take 0.5 to 0.95 of the time, while nearer tables are the better off in the first.
    template <bool to_write>
    FASTFM_INLINE void ask_for(const void* line) const {
        if (to_write ? writes_to_first_cache_ : !is_far_)
            prefetch_line<to_write>(line);
        else
            prefetch_to_second_cache(line);
    }

  private:
    // Where record i is. Copies are as good as random among a row's features, so this must not be a branch: whoever
    // guesses wrong a third of the time loses more than the copies gain. The shift fills `is_copy` with the sign bit.
    template <class T>
    T* place(T* shared, int64_t i, int64_t stride, intptr_t to_copies) const {
        if (!copies) return shared + i * stride;
        const intptr_t is_copy = (n_features_ - 1 - i) >> 63;
        const intptr_t bytes = i * stride * intptr_t{sizeof(T)} + (is_copy & to_copies);
        return reinterpret_cast<T*>(reinterpret_cast<intptr_t>(shared) + bytes);
    }

    // Bytes from where record n_features would be among the shared ones to copy 0.
    template <class T>
    intptr_t distance(const T* shared, const void* own, int64_t stride) const {
        return reinterpret_cast<intptr_t>(own) - reinterpret_cast<intptr_t>(shared) -
               n_features_ * stride * intptr_t{sizeof(T)};
    }

    float* w0_;
    float* w_;
    Value* V_;
    int32_t k_;
    int32_t n_slots_;
    int64_t n_features_;
    bool is_far_;
    bool writes_to_first_cache_;
    const float* l2_scale_;
    intptr_t to_copies_w_ = 0;
    intptr_t to_copies_V_ = 0;
};

}  // namespace fastfm::FASTFM_ISA
