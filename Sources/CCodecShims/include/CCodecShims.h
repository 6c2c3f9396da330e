/* libjpeg and libpng behind calls that return a code.

   Both libraries report errors by longjmp. Every call here sets its own setjmp, so no jump ever crosses a Swift frame, and
   makes failure sticky: after one call has failed every later one fails the same way. Nothing here is thread-safe for one
   object; different objects are independent. */
#ifndef CCODECSHIMS_H
#define CCODECSHIMS_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    IMGPIPE_OK = 0,
    IMGPIPE_TRUNCATED,   /* the input ended too early */
    IMGPIPE_DAMAGED,     /* the input breaks its format; see the message */
    IMGPIPE_UNSUPPORTED, /* the library does not do this; see the message */
    IMGPIPE_CALLBACK,    /* a callback of ours said no, and knows why */
    IMGPIPE_LIMIT,       /* over the limit given: scans of a JPEG, bytes of a PNG's chunk */
    IMGPIPE_MEMORY,      /* no memory */
    IMGPIPE_TIME,        /* the deadline has come */
    IMGPIPE_MISUSE       /* a bug of the caller */
} imgpipe_code;

/* The input: gives the next bytes, valid until the next call, and their count; 0 at the end, -1 when it failed. */
typedef struct {
    void *context;
    ptrdiff_t (*fill)(void *context, const uint8_t **bytes);
} imgpipe_input;

/* The output: takes all of the bytes; not 0 when it failed. */
typedef struct {
    void *context;
    int (*write)(void *context, const uint8_t *bytes, size_t count);
} imgpipe_output;

/* ---- Versions ---- */

/* Of libjpeg-turbo's and ISA-L's headers: the libraries do not tell. */
const char *imgpipe_jpeg_version(void);
const char *imgpipe_png_version(void);
/* With the library's name: ISA-L's, or zlib's where that inflates. */
const char *imgpipe_inflate_version(void);

/* ---- JPEG in ---- */

typedef struct imgpipe_jpeg_decoder imgpipe_jpeg_decoder;

enum { IMGPIPE_JPEG_GRAY = 1, IMGPIPE_JPEG_RGB, IMGPIPE_JPEG_YCBCR, IMGPIPE_JPEG_CMYK, IMGPIPE_JPEG_YCCK };

typedef struct {
    uint32_t width, height;
    int color_space;                /* IMGPIPE_JPEG_...; 0 for others */
    int components;
    int horizontal[4], vertical[4]; /* samples that a row of MCUs holds of one MCU, across and down: 8 x the sampling factor, unscaled */
    int progressive;                /* or any other kind that has several scans: held whole */
    int adobe;                      /* an Adobe marker: CMYK is inverted */
    int density_unit;               /* 0 none, 1 per inch, 2 per centimetre */
    int density_x, density_y;
    uint64_t coefficient_bytes;     /* what libjpeg holds of a picture with several scans */
} imgpipe_jpeg_header;

/* What is known of a damaged picture that is salvaged. */
enum { IMGPIPE_ROWS_WHOLE = 0, IMGPIPE_ROWS_COARSE = 2, IMGPIPE_ROWS_CONCEALED = 3 };
typedef struct {
    imgpipe_code kind;       /* of the first damage: IMGPIPE_TRUNCATED, IMGPIPE_DAMAGED or, so far, IMGPIPE_OK */
    uint64_t at_byte;        /* where that is, from the picture's start */
    uint32_t first_missing;  /* the row of MCUs in which the input ended; row_count while it has not */
    int is_empty;            /* that is the first one, of the first scan */
    const uint8_t *rows;     /* what each row of MCUs is, as far as it was decoded */
    uint32_t row_count;
    uint32_t row_height;     /* of a row of MCUs, in rows of samples */
} imgpipe_jpeg_damage;

imgpipe_jpeg_decoder *imgpipe_jpeg_decoder_new(void);
void imgpipe_jpeg_decoder_free(imgpipe_jpeg_decoder *);

/* Begins a picture; what an earlier one left is dropped, its failure too. `marker` is given the whole payload of each APP1,
   APP2, APP13 and COM (code 0xe1, 0xe2, 0xed, 0xfe); not 0 stops. `max_scans`: over it the picture fails. `deadline`: the nanoseconds of
   CLOCK_MONOTONIC at which its scans are given up; UINT64_MAX for none. `salvages`: what is damaged is decoded as far as it goes, and
   `imgpipe_jpeg_damage_of` tells how far that is. */
imgpipe_code imgpipe_jpeg_read_header(
    imgpipe_jpeg_decoder *, imgpipe_input, int (*marker)(void *context, int code, const uint8_t *bytes, size_t count),
    int max_scans, uint64_t deadline, int salvages, imgpipe_jpeg_header *);

/* Before start: pixels are to be as many times as coarse, 2, 4 or 8 (or 1), by a smaller inverse DCT. Sides are rounded up, and the last
   column and row lie partly outside of the picture. Chroma keeps more of its samples: `header` tells the sampling and the sides anew. */
imgpipe_code imgpipe_jpeg_scale(imgpipe_jpeg_decoder *, int denominator, imgpipe_jpeg_header *header);

/* Rows as gray, RGB or CMYK; with `planes` the components as they are, a band of them at a time. */
imgpipe_code imgpipe_jpeg_start(imgpipe_jpeg_decoder *, int color_space, int planes);

/* The next rows, at most `count`; `*done` says how many. */
imgpipe_code imgpipe_jpeg_read_rows(
    imgpipe_jpeg_decoder *, uint8_t *rows, size_t row_bytes, uint32_t count, uint32_t *done);

/* One row of MCUs as planes: `rows[c]` are the addresses of vertical[c] rows, each of whole MCUs. */
imgpipe_code imgpipe_jpeg_read_planes(imgpipe_jpeg_decoder *, uint8_t **rows[3], uint32_t *done);

/* Reads on to EOI. */
imgpipe_code imgpipe_jpeg_finish(imgpipe_jpeg_decoder *);

imgpipe_jpeg_damage imgpipe_jpeg_damage_of(const imgpipe_jpeg_decoder *);

/* Bytes given by `fill` and not used yet. */
size_t imgpipe_jpeg_unread(const imgpipe_jpeg_decoder *);

/* What the last failure was, in the library's words; the last warning that was let pass, or "". */
const char *imgpipe_jpeg_message(const imgpipe_jpeg_decoder *);
const char *imgpipe_jpeg_warning(const imgpipe_jpeg_decoder *);

/* ---- JPEG out ---- */

typedef struct imgpipe_jpeg_encoder imgpipe_jpeg_encoder;

typedef struct {
    uint32_t width, height;
    int color_space; /* of the rows: IMGPIPE_JPEG_GRAY, _RGB, _YCBCR; written as gray or YCbCr */
    int planes;      /* YCbCr comes as planes with these sampling factors, by write_planes */
    int quality;     /* 1..100 */
    int horizontal, vertical; /* luma sampling factors; chroma has 1 */
    int progressive, optimize;
    int restart_rows; /* rows of MCUs between restart markers, 0 none */
    uint16_t density_x, density_y; /* dots per inch; 0 unknown */
} imgpipe_jpeg_settings;

imgpipe_jpeg_encoder *imgpipe_jpeg_encoder_new(void);
void imgpipe_jpeg_encoder_free(imgpipe_jpeg_encoder *);
imgpipe_code imgpipe_jpeg_begin(imgpipe_jpeg_encoder *, imgpipe_output, const imgpipe_jpeg_settings *);
imgpipe_code imgpipe_jpeg_write_marker(imgpipe_jpeg_encoder *, int code, const uint8_t *bytes, size_t count);
imgpipe_code imgpipe_jpeg_write_icc(imgpipe_jpeg_encoder *, const uint8_t *bytes, size_t count);
imgpipe_code imgpipe_jpeg_write_rows(imgpipe_jpeg_encoder *, const uint8_t *rows, size_t row_bytes, uint32_t count);
/* One row of MCUs: `rows[c]` are the addresses of 8 rows of chroma and 8 * vertical of luma, each of whole blocks. */
imgpipe_code imgpipe_jpeg_write_planes(imgpipe_jpeg_encoder *, uint8_t **rows[3]);
imgpipe_code imgpipe_jpeg_end(imgpipe_jpeg_encoder *);
const char *imgpipe_jpeg_encoder_message(const imgpipe_jpeg_encoder *);

/* ---- PNG in ---- */

typedef struct imgpipe_png_decoder imgpipe_png_decoder;

typedef struct {
    uint32_t width, height;
    int gray, alpha;        /* of the rows after expansion */
    int sample_bytes;       /* 1 or 2, little-endian, after expansion */
    int depth;              /* significant bits of a source sample */
    int interlaced;
    int plain;              /* the file's rows are those of `gray`, `alpha` and `sample_bytes`, but for the order of bytes */
    int srgb;               /* an sRGB chunk */
    double gamma;           /* of gAMA, 0 without one */
    double chromaticities[8]; /* of cHRM: x, y of white, red, green, blue; 0 without one */
    uint32_t density_x, density_y; /* pixels per metre, 0 unknown */
} imgpipe_png_header;

typedef struct {
    const uint8_t *bytes;
    size_t count;
} imgpipe_bytes;

imgpipe_png_decoder *imgpipe_png_decoder_new(void);
void imgpipe_png_decoder_free(imgpipe_png_decoder *);

/* Begins a picture and reads up to its first IDAT. `chunk` is given each eXIf, tEXt, zTXt, iTXt, cICP and acTL, whole and with a
   right checksum; not 0 stops. `max_chunk`: bytes that one chunk beside IDAT may state, and an ICC profile may become. No memory is
   taken for pixels yet. `salvages`: wrong checksums of critical chunks do not stop. */
imgpipe_code imgpipe_png_read_header(
    imgpipe_png_decoder *, imgpipe_input, int (*chunk)(void *context, const char *type, const uint8_t *bytes, size_t count),
    size_t max_chunk, int salvages, imgpipe_png_header *);

/* Makes ready for rows of so many bytes. Palettes, small grey and tRNS are expanded; nothing else is converted. */
imgpipe_code imgpipe_png_start(imgpipe_png_decoder *, size_t row_bytes);

/* The ICC profile, valid until the decoder reads on; NULL without one. */
imgpipe_code imgpipe_png_profile(imgpipe_png_decoder *, imgpipe_bytes *icc);

/* The next `count` rows of a picture that is not interlaced; `*done` of them came. */
imgpipe_code imgpipe_png_read_rows(imgpipe_png_decoder *, uint8_t *rows, size_t row_bytes, uint32_t count, uint32_t *done);

/* All rows, interlaced or not; where they do not all come, `*pass` and `*row` are what did not. */
imgpipe_code imgpipe_png_read_all(imgpipe_png_decoder *, uint8_t *rows, size_t row_bytes, int *pass, uint32_t *row);

/* What is said of the first critical chunk whose checksum was wrong, so far, in a picture that is salvaged; empty without one. */
const char *imgpipe_png_wrong_checksum(const imgpipe_png_decoder *);

/* Reads on to IEND. */
imgpipe_code imgpipe_png_finish(imgpipe_png_decoder *);
size_t imgpipe_png_unread(const imgpipe_png_decoder *);
const char *imgpipe_png_message(const imgpipe_png_decoder *);
const char *imgpipe_png_warning(const imgpipe_png_decoder *);

/* What is left of the IDAT that png_read_header has come to: its bytes, when nothing was read of it yet. From there on the caller may
   read the file himself. */
size_t imgpipe_png_first_idat_bytes(const imgpipe_png_decoder *);

/* ---- zlib streams, through ISA-L, or zlib with IMG_ZLIB ---- */

typedef struct imgpipe_inflater imgpipe_inflater;

typedef enum {
    IMGPIPE_INFLATE_MORE,
    IMGPIPE_INFLATE_END,      /* the stream is whole, its checksum right */
    IMGPIPE_INFLATE_CHECKSUM, /* the stream is whole, its checksum wrong */
    IMGPIPE_INFLATE_DAMAGED
} imgpipe_inflate_result;

imgpipe_inflater *imgpipe_inflater_new(void);
void imgpipe_inflater_free(imgpipe_inflater *);
void imgpipe_inflater_begin(imgpipe_inflater *);

/* Unpacks what fits; `*taken` and `*given` are the bytes of both sides. */
imgpipe_inflate_result imgpipe_inflate(
    imgpipe_inflater *, const uint8_t *input, uint32_t input_count, uint32_t *taken, uint8_t *output, uint32_t output_count,
    uint32_t *given);

/* ---- zlib streams out, quickly: ISA-L's levels, or zlib's own with IMG_ZLIB ---- */

typedef struct imgpipe_deflater imgpipe_deflater;

imgpipe_deflater *imgpipe_deflater_new(void);
void imgpipe_deflater_free(imgpipe_deflater *);
/* `level`: 1 or 2. */
void imgpipe_deflater_begin(imgpipe_deflater *, int level);
/* Packs what there is room for; `*taken` and `*given` are the bytes of both sides. 1 when the stream is whole, after `is_last`; 0 when
   there is more to come; -1 for a bug. */
int imgpipe_deflate(
    imgpipe_deflater *, const uint8_t *input, uint32_t input_count, int is_last, uint32_t *taken, uint8_t *output,
    uint32_t output_count, uint32_t *given);

/* The checksum of PNG's chunks, over the bytes that `checksum` (0 at first) is of and these. */
uint32_t imgpipe_crc32(uint32_t checksum, const uint8_t *bytes, size_t count);

/* ---- PNG out ---- */

typedef struct imgpipe_png_encoder imgpipe_png_encoder;

typedef struct {
    uint32_t width, height;
    int gray, alpha;
    int depth; /* bits of a sample or index: 1, 2, 4 and 8 come as a byte each, 16 as two, little-endian */
    int level; /* zlib's, 0..9 */
    uint32_t density_x, density_y; /* pixels per metre, 0 unknown */
    int srgb; /* the colour is sRGB, and the file says so */
    imgpipe_bytes icc;  /* none: NULL */
    imgpipe_bytes palette; /* RGBA, those with alpha first; indexes come as rows. None: NULL */
    imgpipe_bytes code_points; /* the four bytes of cICP; none: NULL */
} imgpipe_png_settings;

imgpipe_png_encoder *imgpipe_png_encoder_new(void);
void imgpipe_png_encoder_free(imgpipe_png_encoder *);
imgpipe_code imgpipe_png_begin(imgpipe_png_encoder *, imgpipe_output, const imgpipe_png_settings *);
/* A chunk of metadata: before the first row, or after the last. */
imgpipe_code imgpipe_png_write_chunk(imgpipe_png_encoder *, const char *type, const uint8_t *bytes, size_t count);
imgpipe_code imgpipe_png_write_rows(imgpipe_png_encoder *, const uint8_t *rows, size_t row_bytes, uint32_t count);
imgpipe_code imgpipe_png_end(imgpipe_png_encoder *);
const char *imgpipe_png_encoder_message(const imgpipe_png_encoder *);

#endif
