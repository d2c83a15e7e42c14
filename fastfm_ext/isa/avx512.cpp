#include "isa/avx512.hpp"
#include "isa/kernels.inc"
