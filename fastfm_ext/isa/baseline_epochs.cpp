#define FASTFM_ISA baseline
#include "isa/epochs.inc"
