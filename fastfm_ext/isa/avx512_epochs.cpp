#include "isa/avx512.hpp"
#include "isa/epochs.inc"
