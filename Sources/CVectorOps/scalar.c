/* What each kernel does, sample by sample: the vectors must equal it. */
#include <string.h>

#include "CVectorOps.h"

#pragma STDC FP_CONTRACT OFF

static void load8(const uint8_t *samples, float *floats, size_t count) {
    for (size_t i = 0; i < count; i++) floats[i] = samples[i];
}

static void load16(const uint16_t *samples, float *floats, size_t count) {
    for (size_t i = 0; i < count; i++) floats[i] = samples[i];
}

static void premultiply4(float *pixels, size_t count, float maximum) {
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < 3; c++) pixels[4 * i + c] = pixels[4 * i + c] * pixels[4 * i + 3] / maximum;
}

static void add_rows(float *sum, int fresh, const float *const *rows, const float *weights, int row_count, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float s = rows[0][i] * weights[0];
        if (!fresh) s = sum[i] + s;
        for (int r = 1; r < row_count; r++) s += rows[r][i] * weights[r];
        sum[i] = s;
    }
}

static void interleave(const float *const rows[IMGPIPE_LANES], float *lanes, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (int r = 0; r < IMGPIPE_LANES; r++) lanes[IMGPIPE_LANES * i + r] = rows[r][i];
}

static void resample(
    const float *lanes, float *output, const imgpipe_window *windows, const float *weights, size_t window_count, int channels) {
    const size_t step = (size_t)channels * IMGPIPE_LANES;
    for (size_t w = 0; w < window_count; w++) {
        const float *tap = weights + windows[w].offset;
        const float *from = lanes + step * (size_t)windows[w].first;
        for (size_t k = 0; k < step; k++) {
            float sum = from[k] * tap[0];
            for (ptrdiff_t i = 1; i < windows[w].count; i++) sum += from[step * (size_t)i + k] * tap[i];
            output[step * w + k] = sum;
        }
    }
}

static int32_t rounded(float x, float maximum) {
    x = x > 0 ? x : 0;
    x = x < maximum ? x : maximum;
    return (int32_t)(x + 0.5f);
}

static void unpremultiply(float *lanes, size_t pixels, int channels, float maximum) {
    for (size_t i = 0; i < pixels; i++) {
        float *pixel = lanes + IMGPIPE_LANES * (size_t)channels * i;
        for (int r = 0; r < IMGPIPE_LANES; r++) {
            float alpha = pixel[IMGPIPE_LANES * (channels - 1) + r];
            float factor = rounded(alpha, maximum) > 0 ? maximum / alpha : 0;
            for (int c = 0; c < channels - 1; c++) pixel[IMGPIPE_LANES * c + r] *= factor;
        }
    }
}

static void store8(const float *lanes, uint8_t *rows, int row_count, size_t count) {
    for (int r = 0; r < row_count; r++)
        for (size_t i = 0; i < count; i++) rows[(size_t)r * count + i] = (uint8_t)rounded(lanes[IMGPIPE_LANES * i + (size_t)r], 255);
}

static void store16(const float *lanes, uint16_t *rows, int row_count, size_t count) {
    for (int r = 0; r < row_count; r++)
        for (size_t i = 0; i < count; i++) rows[(size_t)r * count + i] = (uint16_t)rounded(lanes[IMGPIPE_LANES * i + (size_t)r], 65535);
}

static void interleave3(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *pixels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        pixels[3 * i] = a[i];
        pixels[3 * i + 1] = b[i];
        pixels[3 * i + 2] = c[i];
    }
}

static int paeth(int a, int b, int c) {
    int pa = b - c, pb = a - c, pc = pa + pb;
    pa = pa < 0 ? -pa : pa;
    pb = pb < 0 ? -pb : pb;
    pc = pc < 0 ? -pc : pc;
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

void imgpipe_unfilter(int filter, const uint8_t *filtered, const uint8_t *above, uint8_t *output, size_t row_bytes, int bpp) {
    size_t n = (size_t)bpp;
    for (size_t i = 0; i < row_bytes; i++) {
        int a = i >= n ? output[i - n] : 0, b = above[i], c = i >= n ? above[i - n] : 0;
        int predicted = filter == 1 ? a : filter == 2 ? b : filter == 3 ? (a + b) >> 1 : filter == 4 ? paeth(a, b, c) : 0;
        output[i] = (uint8_t)(filtered[i] + predicted);
    }
}

static void unfilter_rows(
    int count, const uint8_t *filtered, size_t filtered_stride, const uint8_t *above, uint8_t *output, size_t row_bytes, int bpp) {
    for (int r = 0; r < count; r++) {
        const uint8_t *row = filtered + (size_t)r * filtered_stride;
        imgpipe_unfilter(row[0], row + 1, above, output, row_bytes, bpp);
        above = output;
        output += row_bytes;
    }
}

static void unfilter4(
    const uint8_t *filtered, size_t filtered_stride, const uint8_t *above, uint8_t *output, size_t row_bytes, int bpp) {
    unfilter_rows(4, filtered, filtered_stride, above, output, row_bytes, bpp);
}

static void unfilter8(
    const uint8_t *filtered, size_t filtered_stride, const uint8_t *above, uint8_t *output, size_t row_bytes, int bpp) {
    unfilter_rows(8, filtered, filtered_stride, above, output, row_bytes, bpp);
}

static void filter(const uint8_t *row, const uint8_t *above, uint8_t *output, size_t stride, size_t row_bytes, int bpp) {
    static const uint8_t types[3] = {1, 2, 4};
    uint32_t least = UINT32_MAX;
    for (int k = 0; k < 3; k++) {
        uint8_t *rests = output + stride * (size_t)(k > 0);
        uint32_t total = 0;
        for (size_t i = 0; i < row_bytes; i++) {
            const uint8_t *x = row + i, *b = above + i;
            uint8_t rest = (uint8_t)(*x - (k == 0 ? x[-bpp] : k == 1 ? *b : paeth(x[-bpp], *b, b[-bpp])));
            rests[1 + i] = rest;
            total += rest < 128 ? rest : 256u - rest;
        }
        if (total >= least) continue;
        least = total;
        output[0] = types[k];
        if (k) memcpy(output + 1, rests + 1, row_bytes);
    }
}

static int16_t product(int16_t a, int16_t b) {
    return (int16_t)((a * b + 0x4000) >> 15);
}

static void load8_fixed(const uint8_t *samples, int16_t *fixed, size_t count) {
    for (size_t i = 0; i < count; i++) fixed[i] = (int16_t)(samples[i] << IMGPIPE_FIXED_BITS);
}

static void load_rgba_fixed(const uint8_t *pixels, int16_t *fixed, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 4; c++)
            fixed[4 * i + c] = (int16_t)(((uint32_t)pixels[4 * i + c] * (c < 3 ? pixels[4 * i + 3] : 255u) * 16448u + 0x8000u) >> 16);
}

static void unpremultiply_fixed(int16_t *lanes, size_t pixels) {
    for (size_t i = 0; i < pixels; i++) {
        int16_t *pixel = lanes + 4 * IMGPIPE_FIXED_LANES * i;
        for (int r = 0; r < IMGPIPE_FIXED_LANES; r++) {
            int alpha = pixel[3 * IMGPIPE_FIXED_LANES + r];
            float factor = alpha >= 32 ? 16320 / (float)alpha : 0;
            for (int c = 0; c < 3; c++) {
                float x = pixel[c * IMGPIPE_FIXED_LANES + r] * factor;
                x = x < 16320 ? x : 16320;
                pixel[c * IMGPIPE_FIXED_LANES + r] = (int16_t)((x > 0 ? x : 0) + 0.5f);
            }
        }
    }
}

static void add_rows_fixed(
    int16_t *sum, int fresh, const int16_t *const *rows, const int16_t *weights, int row_count, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int s = fresh ? 0 : sum[i];
        for (int r = 0; r < row_count; r++) s += product(rows[r][i], weights[r]);
        sum[i] = (int16_t)s;
    }
}

static void interleave_fixed(const int16_t *const rows[IMGPIPE_FIXED_LANES], int16_t *lanes, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (int r = 0; r < IMGPIPE_FIXED_LANES; r++) lanes[IMGPIPE_FIXED_LANES * i + (size_t)r] = rows[r][i];
}

static void resample_fixed(
    const int16_t *lanes, int16_t *output, const imgpipe_window *windows, const int16_t *weights, size_t window_count, int channels) {
    const size_t step = (size_t)channels * IMGPIPE_FIXED_LANES;
    for (size_t w = 0; w < window_count; w++) {
        const int16_t *from = lanes + step * (size_t)windows[w].first;
        for (size_t k = 0; k < step; k++) {
            int sum = 0;
            for (ptrdiff_t i = 0; i < windows[w].count; i++) sum += product(from[step * (size_t)i + k], weights[windows[w].offset + i]);
            output[step * w + k] = (int16_t)sum;
        }
    }
}

static void store8_fixed(const int16_t *lanes, uint8_t *rows, int row_count, size_t count) {
    for (int r = 0; r < row_count; r++)
        for (size_t i = 0; i < count; i++) {
            int x = (lanes[IMGPIPE_FIXED_LANES * i + (size_t)r] + (1 << (IMGPIPE_FIXED_BITS - 1))) >> IMGPIPE_FIXED_BITS;
            rows[(size_t)r * count + i] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
        }
}

static void luma8(const uint8_t *pixels, float *luma, size_t count) {
    for (size_t i = 0; i < count; i++) luma[i] = pixels[3 * i] * 0.299f + pixels[3 * i + 1] * 0.587f + pixels[3 * i + 2] * 0.114f;
}

static void sum_difference(const float *x, const float *y, float *sums, float *differences, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sums[i] = x[i] + y[i] - 256.0f;
        differences[i] = x[i] - y[i];
    }
}

static void window_columns(
    const float *const sums[11], const float *const differences[11], const float *weights, float *results, size_t stride, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float s = sums[5][i], d = differences[5][i];
        float ss = s * s * weights[5], dd = d * d * weights[5];
        s *= weights[5];
        d *= weights[5];
        for (int k = 0; k < 5; k++) {
            float a = sums[k][i], b = sums[10 - k][i];
            s += (a + b) * weights[k];
            ss += (a * a + b * b) * weights[k];
            a = differences[k][i];
            b = differences[10 - k][i];
            d += (a + b) * weights[k];
            dd += (a * a + b * b) * weights[k];
        }
        results[i] = s;
        results[stride + i] = d;
        results[2 * stride + i] = ss;
        results[3 * stride + i] = dd;
    }
}

static void ssim_row(
    const float *rows, size_t stride, const float *weights, float c1, float c2, float *map, float *sums, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float m[4];
        for (int r = 0; r < 4; r++) {
            const float *row = rows + (size_t)r * stride + i;
            m[r] = row[5] * weights[5];
            for (int k = 0; k < 5; k++) m[r] += (row[k] + row[10 - k]) * weights[k];
        }
        float p = m[0] + 256.0f, q = m[1];
        float pp = p * p, qq = q * q, vs = m[2] - m[0] * m[0], vd = m[3] - q * q;
        float cs = ((vs - vd) * 0.5f + c2) / ((vs + vd) * 0.5f + c2);
        float ssim = ((pp - qq) * 0.5f + c1) / ((pp + qq) * 0.5f + c1) * cs;
        if (map) map[i] = ssim;
        sums[i % 8] += ssim;
        sums[8 + i % 8] += cs;
    }
}

static void add_squares8(const uint8_t *a, const uint8_t *b, uint32_t *sums, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int d = a[i] - b[i];
        sums[i % IMGPIPE_SQUARES] += (uint32_t)(d * d);
    }
}

const imgpipe_vector_ops imgpipe_scalar_ops = {
    "scalar", load8, load16, premultiply4, add_rows, interleave, resample, unpremultiply, store8, store16, interleave3, unfilter4, unfilter8, filter,
    load8_fixed, load_rgba_fixed, add_rows_fixed, interleave_fixed, resample_fixed, unpremultiply_fixed, store8_fixed,
    luma8, sum_difference, window_columns, ssim_row, add_squares8,
};
