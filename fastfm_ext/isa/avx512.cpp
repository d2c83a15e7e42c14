#define FASTFM_ISA avx512
#include "isa/kernels.inc"
