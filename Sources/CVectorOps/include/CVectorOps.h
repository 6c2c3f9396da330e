/* Leaf kernels of resampling on clang's vector extensions, one table for each instruction set.

   Every table gives the same bytes: products and sums are rounded one by one, in one order, without fused multiply-add. Rows
   of floats and of fixed point are padded to a multiple of IMGPIPE_ROW_STEP, and kernels may read and write the padding. */
#ifndef CVECTOROPS_H
#define CVECTOROPS_H

#include <stddef.h>
#include <stdint.h>

/* Rows that are resampled along their length together, one in each lane. */
enum { IMGPIPE_LANES = 8 };

enum { IMGPIPE_ROW_STEP = 16 };

/* Taps of the window of SSIM, and samples whose squares are summed apart, a multiple of any number of channels. */
enum { IMGPIPE_WINDOW = 11, IMGPIPE_SQUARES = 48 };

/* In fixed point: an int16_t holds a sample x 64, which leaves room for what a kernel overshoots; weights are x 32768. */
enum { IMGPIPE_FIXED_LANES = 16, IMGPIPE_FIXED_BITS = 6 };

/* Input rows that are added at once. */
enum { IMGPIPE_MOST_ROWS = 4 };

/* The input samples of one output sample: first ... first + count - 1, with weights from `offset` on. */
typedef struct {
    ptrdiff_t first, count, offset;
} imgpipe_window;

typedef struct __attribute__((swift_attr("@Sendable"))) {
    const char *name;

    /* floats[i] = samples[i] */
    void (*load8)(const uint8_t *samples, float *floats, size_t count);
    void (*load16)(const uint16_t *samples, float *floats, size_t count);

    /* Colour times alpha / maximum, of pixels of four channels, alpha last. */
    void (*premultiply4)(float *pixels, size_t count, float maximum);

    /* sum = (sum or 0 where `fresh`) + weights[0] x rows[0] + ..., from left to right. `row_count`: 1 ... IMGPIPE_MOST_ROWS. */
    void (*add_rows)(float *sum, int fresh, const float *const *rows, const float *weights, int row_count, size_t count);

    /* lanes[8 i + r] = rows[r][i] */
    void (*interleave)(const float *const rows[IMGPIPE_LANES], float *lanes, size_t count);

    /* Pixels of `channels` interleaved samples, resampled in every lane: window w gives pixel w of `output`. */
    void (*resample)(
        const float *lanes, float *output, const imgpipe_window *windows, const float *weights, size_t window_count, int channels);

    /* Where colour was multiplied by alpha: divided by it, 0 where the alpha that will be written is 0. */
    void (*unpremultiply)(float *lanes, size_t pixels, int channels, float maximum);

    /* Rounds to nearest, 0 ... maximum, into `row_count` rows of `count` samples, one right behind another. */
    void (*store8)(const float *lanes, uint8_t *rows, int row_count, size_t count);
    void (*store16)(const float *lanes, uint16_t *rows, int row_count, size_t count);

    /* pixels[3 i], [3 i + 1], [3 i + 2] = a[i], b[i], c[i] */
    void (*interleave3)(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *pixels, size_t count);

    /* Undoes PNG's filters of four rows of pixels of 3 or 4 bytes. `filtered`: the rows, each a byte of 0 ... 4 before its `row_bytes`
       bytes, four readable bytes behind the last. `above`: the row before them, four readable bytes behind it. `output`: four rows, one
       after another. */
    void (*unfilter4)(
        const uint8_t *filtered, size_t filtered_stride, const uint8_t *above, uint8_t *output, size_t row_bytes, int bpp);

    /* The same of eight rows. */
    void (*unfilter8)(
        const uint8_t *filtered, size_t filtered_stride, const uint8_t *above, uint8_t *output, size_t row_bytes, int bpp);

    /* The filter of PNG, Sub, Up or Paeth, whose bytes lie nearest to 0 all together (PNG specification, 12.8), and these, at `output`:
       room for three rows `stride` apart, each of 1 + `row_bytes`. `bpp` bytes of 0 stand before `row` and `above`. */
    void (*filter)(const uint8_t *row, const uint8_t *above, uint8_t *output, size_t stride, size_t row_bytes, int bpp);

    /* The same as above, in fixed point: each product is rounded, halves up. `channels`: 1, 3 or 4. Pixels of four channels, alpha last:
       colour times alpha / 255 in, and divided by it, 0 where alpha rounds to 0, before the store. */
    void (*load8_fixed)(const uint8_t *samples, int16_t *fixed, size_t count);
    void (*load_rgba_fixed)(const uint8_t *pixels, int16_t *fixed, size_t count);
    void (*add_rows_fixed)(int16_t *sum, int fresh, const int16_t *const *rows, const int16_t *weights, int row_count, size_t count);
    void (*interleave_fixed)(const int16_t *const rows[IMGPIPE_FIXED_LANES], int16_t *lanes, size_t count);
    void (*resample_fixed)(
        const int16_t *lanes, int16_t *output, const imgpipe_window *windows, const int16_t *weights, size_t window_count, int channels);
    void (*unpremultiply_fixed)(int16_t *lanes, size_t pixels);
    void (*store8_fixed)(const int16_t *lanes, uint8_t *rows, int row_count, size_t count);

    /* luma[i] = 0.299 R + 0.587 G + 0.114 B of pixels of three samples, not rounded. */
    void (*luma8)(const uint8_t *pixels, float *luma, size_t count);

    /* sums[i] = x[i] + y[i] - 256, differences[i] = x[i] - y[i]: of luma, 0 ... 255. */
    void (*sum_difference)(const float *x, const float *y, float *sums, float *differences, size_t count);

    /* Columns of 11 rows of both, and of their squares, through a symmetric window: weights[5] is its middle. The four results have
       `stride` floats each. */
    void (*window_columns)(
        const float *const sums[11], const float *const differences[11], const float *weights, float *results, size_t stride, size_t count);

    /* The rows that window_columns gave through the same window, and SSIM of the `count` places where all of it fits: Wang et al. 2004,
       equation 13. Added to sums[8 k + place % 8]: SSIM for k = 0, its contrast and structure for k = 1. `map`, unless NULL: each SSIM. */
    void (*ssim_row)(const float *rows, size_t stride, const float *weights, float c1, float c2, float *map, float *sums, size_t count);

    /* Adds (a[i] - b[i])^2 to sums[i % 48], which are to be emptied every 65536 blocks of 48 samples. */
    void (*add_squares8)(const uint8_t *a, const uint8_t *b, uint32_t *sums, size_t count);
} imgpipe_vector_ops;

/* Undoes the filter, 0 ... 4, of one row of pixels of `bpp` bytes, 1 ... 8. PNG specification, section 9. */
void imgpipe_unfilter(int filter, const uint8_t *filtered, const uint8_t *above, uint8_t *output, size_t row_bytes, int bpp);

/* Tables from the plainest to the widest that this processor runs; NULL past the last. 0 is scalar, 1 what every processor of
   the architecture has. */
const imgpipe_vector_ops *imgpipe_vector_ops_at(int index);

#endif
