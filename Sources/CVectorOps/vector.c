#include "CVectorOps.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* A fused multiply-add rounds once where the plain ones round twice: no level may have other bytes. */
#pragma STDC FP_CONTRACT OFF

#define JOINED(a, b) a##_##b
#define NAMED(a, b) JOINED(a, b)
#define NAME(x) NAMED(x, LEVEL)
#define QUOTE(x) #x
#define QUOTED(x) QUOTE(x)

/* Keeps clang from adding in bytes what is added in 16 bits, and so from packing and unpacking on the way from pixel to pixel. */
#define KEEP(vector)

#define MULHRS(a, b) \
    __builtin_convertvector((__builtin_convertvector(a, p16) * __builtin_convertvector(b, p16) + 0x4000) >> 15, q16)

#define LEVEL baseline
#define TARGET
#include "fixed.inc"
#include "filter.inc"
#include "unfilter.inc"
#include "kernels.inc"
#undef LEVEL
#undef TARGET

#ifdef __x86_64__
#undef KEEP
#define KEEP(vector) __asm__("" : "+x"(vector))
#undef MULHRS
#define MULHRS(a, b) ((q16)_mm256_mulhrs_epi16((__m256i)(a), (__m256i)(b)))
#define LEVEL v3
#define TARGET __attribute__((target("arch=x86-64-v3")))
#include "fixed.inc"
#include "filter.inc"
#include "unfilter.inc"
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
