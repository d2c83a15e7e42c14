#define FASTFM_ISA avx2
#include "isa/epochs.inc"
