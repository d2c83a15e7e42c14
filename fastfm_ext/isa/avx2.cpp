#define FASTFM_ISA avx2
#include "kernels.inc"
