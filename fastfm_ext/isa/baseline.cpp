#define FASTFM_ISA baseline
#include "isa/kernels.inc"
