// The floor that memory sets on one pass over a sparse matrix: read the same stream of rows in the same order, and
// load (to predict), or load, add to and store (to train), every float of the parameters that the rows name.
// No dot product, no loss, no square root: what a kernel needs beyond this is the price of its arithmetic.
#include <stdint.h>

namespace {

struct Pass {
    int64_t n_visits;
    const int64_t* order;  // visit v goes to row order[v], or to row v where order is null
    const int32_t* indptr;
    const int32_t* indices;
    const float* y;
    float* w;    // (n_features, n_values)
    float* V;    // (n_features, n_values, width)
    float* out;  // (n_rows,), written when the pass only reads the parameters
    int64_t prefetch_distance;
    bool to_second;  // cache, and no nearer, prefetches go
    float* shared;   // what each row names beside its features' parameters, `n_shared` floats
    int64_t n_shared;
    int64_t width;
    float addend;  // 0 at run time, which the compiler doesn't know: the parameters stay what they are

    int64_t row(int64_t visit) const { return order ? order[visit] : visit; }
};

constexpr int floats_per_line = 16;

// Of a register. GCC keeps sums that are wider in memory.
#ifdef __AVX512F__
constexpr int widest = 16;
#else
constexpr int widest = 8;
#endif

template <int n>
struct Lanes {
    typedef float type __attribute__((vector_size(4 * n), aligned(4), may_alias));
};

// The empty assembly keeps GCC from dropping calls of functions that do nothing but prefetch.
template <bool write>
void prefetch_line(const void* address) {
    __builtin_prefetch(address, write);
    __asm__ volatile("");
}

// Parameters, which may be asked for no nearer than the second cache, where more requests find room.
template <bool write>
void prefetch_parameters(const Pass& pass, const void* address) {
    if (pass.to_second) {
        __builtin_prefetch(address, 0, 2);
        __asm__ volatile("");
    } else {
        prefetch_line<write>(address);
    }
}

// Those that are not of features: of pairs of fields.
template <bool write>
float touch_shared(const Pass& pass) {
    using Vec = typename Lanes<widest>::type;
    Vec sum = {};
    for (int64_t f = 0; f + widest <= pass.n_shared; f += widest) {
        Vec* const at = reinterpret_cast<Vec*>(pass.shared + f);
        if (write)
            *at += pass.addend;
        else
            sum += *at;
    }
    return sum[0];
}

template <int k, int n_values, bool write>
struct Walk {
    static constexpr int lanes = k % 16 ? 8 : widest;
    static constexpr int stride = k * n_values;
    using Vec = typename Lanes<lanes>::type;

    Pass pass;  // a copy: stores through float pointers could change a shared one, and it would be read again and again
    Vec total[k / lanes] = {};

    void prefetch(int64_t r) const {
        // To train, the whole record is needed; to predict, only the factors at its start.
        constexpr int needed = write ? stride : k;
        for (int64_t j = pass.indptr[r]; j < pass.indptr[r + 1]; ++j) {
            const int64_t i = pass.indices[j];
            prefetch_parameters<write>(pass, pass.w + i * n_values);
            for (int f = 0; f < needed; f += floats_per_line) prefetch_parameters<write>(pass, pass.V + i * stride + f);
        }
    }

    // Rows in random order: no hardware foresees where the next one lies, so its place in indptr is asked for first, then
    // its nonzeros, and its parameters last.
    void prefetch_stream(int64_t visit) const {
        constexpr int64_t nonzeros_ahead = 16, place_ahead = 32;
        const int64_t base = visit + pass.prefetch_distance;
        if (base + place_ahead >= pass.n_visits) return;
        const int64_t far = pass.order[base + place_ahead];
        prefetch_line<false>(pass.indptr + far);
        if (write) prefetch_line<false>(pass.y + far);
        const int64_t near = pass.order[base + nonzeros_ahead];
        for (int64_t j = pass.indptr[near]; j < pass.indptr[near + 1]; j += floats_per_line)
            prefetch_line<false>(pass.indices + j);
        prefetch_line<false>(pass.indices + pass.indptr[near + 1] - 1);
    }

    void change(int64_t r) const {
        for (int64_t j = pass.indptr[r]; j < pass.indptr[r + 1]; ++j) {
            const int64_t i = pass.indices[j];
            for (int slot = 0; slot < n_values; ++slot) pass.w[i * n_values + slot] += pass.addend;
            Vec* record = reinterpret_cast<Vec*>(pass.V + i * stride);
            for (int b = 0; b < stride / lanes; ++b) record[b] += pass.addend;
        }
    }

    void read(int64_t r) {
        // A sum for each row, so that no chain of additions through all rows is what takes the time.
        Vec sum[k / lanes] = {};
        float w_sum = 0.0f;
        for (int64_t j = pass.indptr[r]; j < pass.indptr[r + 1]; ++j) {
            const int64_t i = pass.indices[j];
            w_sum += pass.w[i * n_values];
            const Vec* factors = reinterpret_cast<const Vec*>(pass.V + i * stride);
            for (int b = 0; b < k / lanes; ++b) sum[b] += factors[b];
        }
        pass.out[r] = w_sum;
        for (int b = 0; b < k / lanes; ++b) total[b] += sum[b];
    }

    float run() {
        float y_sum = 0.0f;
        for (int64_t visit = 0; visit < pass.n_visits; ++visit) {
            if (pass.order) prefetch_stream(visit);
            const int64_t ahead = visit + pass.prefetch_distance;
            if (pass.prefetch_distance && ahead < pass.n_visits) prefetch(pass.row(ahead));
            const int64_t r = pass.row(visit);
            y_sum += touch_shared<write>(pass);
            if (write) {
                y_sum += pass.y[r];
                change(r);
            } else {
                read(r);
            }
        }
        for (const Vec& lanes_of_total : total)
            for (int l = 0; l < lanes; ++l) y_sum += lanes_of_total[l];
        return y_sum;
    }
};

template <int k, int n_values>
float walk(const Pass& pass, bool write) {
    return write ? Walk<k, n_values, true>{pass}.run() : Walk<k, n_values, false>{pass}.run();
}

template <int k>
int walk(const Pass& pass, int n_values, bool write, float* sum) {
    switch (n_values) {
        case 1: *sum = walk<k, 1>(pass, write); return 0;
        case 2: *sum = walk<k, 2>(pass, write); return 0;
        case 3: *sum = walk<k, 3>(pass, write); return 0;
        case 5: *sum = walk<k, 5>(pass, write); return 0;
    }
    return 1;
}

// The same for records of any width that is a multiple of 4: a vector of factors for each field.
template <int n_values, bool write>
struct WideWalk {
    using Vec = typename Lanes<widest>::type;
    using Rest = typename Lanes<4>::type;

    Pass pass;
    Vec total = {};
    Rest rest = {};

    int64_t needed() const { return write ? n_values * pass.width : pass.width; }

    void prefetch(int64_t i) const {
        prefetch_parameters<write>(pass, pass.w + i * n_values);
        const float* record = pass.V + i * n_values * pass.width;
        for (int64_t f = 0; f < needed(); f += floats_per_line) prefetch_parameters<write>(pass, record + f);
        prefetch_parameters<write>(pass, record + needed() - 1);
    }

    void touch(int64_t i) {
        float* record = pass.V + i * n_values * pass.width;
        int64_t f = 0;
        for (; f + widest <= needed(); f += widest) {
            Vec* const at = reinterpret_cast<Vec*>(record + f);
            if (write)
                *at += pass.addend;
            else
                total += *at;
        }
        for (; f < needed(); f += 4) {
            Rest* const at = reinterpret_cast<Rest*>(record + f);
            if (write)
                *at += pass.addend;
            else
                rest += *at;
        }
    }

    float run() {
        float sum = 0.0f;
        for (int64_t visit = 0; visit < pass.n_visits; ++visit) {
            const int64_t soon = visit + 16 < pass.n_visits ? pass.row(visit + 16) : pass.row(visit);
            for (int64_t j = pass.indptr[soon]; pass.order && j < pass.indptr[soon + 1]; j += floats_per_line)
                prefetch_line<false>(pass.indices + j);
            const int64_t ahead = visit + pass.prefetch_distance, r = pass.row(visit);
            const bool asks = pass.prefetch_distance && ahead < pass.n_visits;
            const int64_t later = asks ? pass.row(ahead) : r;
            int64_t asked = pass.indptr[later];
            for (int64_t j = pass.indptr[r]; j < pass.indptr[r + 1]; ++j) {
                if (asks && asked < pass.indptr[later + 1]) prefetch(pass.indices[asked++]);
                float* const w = pass.w + int64_t{pass.indices[j]} * n_values;
                for (int slot = 0; write && slot < n_values; ++slot) w[slot] += pass.addend;
                if (!write) sum += w[0];
                touch(pass.indices[j]);
            }
            if (write)
                sum += pass.y[r];
            else
                pass.out[r] = sum;
        }
        for (int l = 0; l < widest; ++l) sum += total[l];
        for (int l = 0; l < 4; ++l) sum += rest[l];
        return sum;
    }
};

template <int n_values>
float wide_walk(const Pass& pass, bool write) {
    return write ? WideWalk<n_values, true>{pass}.run() : WideWalk<n_values, false>{pass}.run();
}

int wide_walk(const Pass& pass, int n_values, bool write, float* sum) {
    switch (n_values) {
        case 1: *sum = wide_walk<1>(pass, write); return 0;
        case 2: *sum = wide_walk<2>(pass, write); return 0;
        case 3: *sum = wide_walk<3>(pass, write); return 0;
        case 5: *sum = wide_walk<5>(pass, write); return 0;
    }
    return 1;
}

}  // namespace

// Returns 0, or 1 for a k or a number of values a parameter that was not compiled. `sum` keeps the loads alive.
// `width` is that of V, which is k or, with a vector for each field, more; prefetches go to the first cache or to the
// second.
extern "C" int touch(int k, int64_t width, int n_values, int write, int64_t prefetch_distance, int cache,
                     int64_t n_shared, int64_t n_visits, const int64_t* order, const int32_t* indptr,
                     const int32_t* indices, const float* y, float* w, float* V, float* shared, float* out,
                     float addend, float* sum) {
    const Pass pass{n_visits,          order,      indptr, indices,  y,     w,     V, out,
                    prefetch_distance, cache == 2, shared, n_shared, width, addend};
    if (width != k) return wide_walk(pass, n_values, write, sum);
    switch (k) {
        case 8: return walk<8>(pass, n_values, write, sum);
        case 16: return walk<16>(pass, n_values, write, sum);
        case 32: return walk<32>(pass, n_values, write, sum);
        case 64: return walk<64>(pass, n_values, write, sum);
    }
    return 1;
}
