#define FASTFM_ISA baseline
#include "kernels.inc"
