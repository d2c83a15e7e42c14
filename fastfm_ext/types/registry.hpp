// The losses, optimizers and ranking losses that there are, one line each: the name that Python knows it by, and its type,
// which is in math/.
//
// A line makes the enumerator and a case in every switch over it. No switch over these has a default, so that the compiler
// reports one that misses an enumerator.
#pragma once

#include <stdint.h>

// math/loss.hpp
#define FASTFM_LOSSES(X)      \
    X(squared, SquaredLoss)   \
    X(logistic, LogisticLoss) \
    X(huber, HuberLoss)

// math/optimizer.hpp
#define FASTFM_OPTIMIZERS(X) \
    X(sgd, Sgd)              \
    X(adagrad, AdaGrad)      \
    X(ftrl, Ftrl)            \
    X(adam, Adam)

// math/ranking_loss.hpp
#define FASTFM_RANKING_LOSSES(X) \
    X(bpr, Bpr)                  \
    X(warp, Warp)                \
    X(warp_kos, WarpKos)         \
    X(softmax, Softmax)

namespace fastfm {

#define FASTFM_ENUMERATOR(name, Type) name,
enum class Loss : int32_t { FASTFM_LOSSES(FASTFM_ENUMERATOR) };
enum class Optimizer : int32_t { FASTFM_OPTIMIZERS(FASTFM_ENUMERATOR) };
enum class RankingLoss : int32_t { FASTFM_RANKING_LOSSES(FASTFM_ENUMERATOR) };
#undef FASTFM_ENUMERATOR

// Names by number, ended by null.
#define FASTFM_NAME(name, Type) #name,
constexpr const char* loss_names[] = {FASTFM_LOSSES(FASTFM_NAME) nullptr};
constexpr const char* ranking_loss_names[] = {FASTFM_RANKING_LOSSES(FASTFM_NAME) nullptr};
#undef FASTFM_NAME

}  // namespace fastfm
