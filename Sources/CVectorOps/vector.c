#include "CVectorOps.h"

/* A fused multiply-add rounds once where the plain ones round twice: no level may have other bytes. */
#pragma STDC FP_CONTRACT OFF

#define JOINED(a, b) a##_##b
#define NAMED(a, b) JOINED(a, b)
#define NAME(x) NAMED(x, LEVEL)
#define QUOTE(x) #x
#define QUOTED(x) QUOTE(x)

#define LEVEL baseline
#define TARGET
#include "kernels.inc"
#undef LEVEL
#undef TARGET

#ifdef __x86_64__
#define LEVEL v3
#define TARGET __attribute__((target("arch=x86-64-v3")))
#include "kernels.inc"
#undef LEVEL
#undef TARGET
#endif

extern const imgpipe_vector_ops imgpipe_scalar_ops;

const imgpipe_vector_ops *imgpipe_vector_ops_at(int index) {
    switch (index) {
    case 0: return &imgpipe_scalar_ops;
    case 1: return &ops_baseline;
#ifdef __x86_64__
    case 2: return __builtin_cpu_supports("x86-64-v3") ? &ops_v3 : 0;
#endif
    default: return 0;
    }
}
