#define FASTFM_ISA avx512
#include "kernels.inc"
