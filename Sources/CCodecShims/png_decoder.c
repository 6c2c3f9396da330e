#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "CCodecShims.h"
#include "guard.h"
#include "png_memory.h"

struct imgpipe_png_decoder {
    png_structp png;
    png_infop info;
    jmp_buf jump;
    imgpipe_code failure;
    struct imgpipe_png_memory memory;
    imgpipe_input input;
    const uint8_t *next;
    size_t left;
    uint64_t chunk_left;    /* bytes of the chunk at hand, checksum and all; 0 between chunks */
    uint8_t chunk_head[8];  /* length and type of the next one, as far as they were read */
    unsigned chunk_head_bytes;
    size_t max_chunk;       /* of one that is no IDAT */
    int (*chunk)(void *context, const char *type, const uint8_t *bytes, size_t count);
    char bad_chunk[5];      /* the letters of one whose checksum is wrong; empty when all were right */
    char message[200];
    char warning[200];
    int salvages;
    char checksum[40];      /* what is said of the first critical chunk whose checksum is wrong */
};

static _Noreturn void fail(imgpipe_png_decoder *self, imgpipe_code code) {
    self->failure = code;
    longjmp(self->jump, 1);
}

static void error_exit(png_structp png, png_const_charp text) {
    imgpipe_png_decoder *self = png_get_error_ptr(png);
    snprintf(self->message, sizeof self->message, "%s", text);
    fail(self, IMGPIPE_DAMAGED);
}

static void keep_warning(png_structp png, png_const_charp text) {
    imgpipe_png_decoder *self = png_get_error_ptr(png);
    snprintf(self->warning, sizeof self->warning, "%s", text);
    if (strcmp(text + (strlen(text) < 4 ? 0 : 4), ": CRC error") == 0) memcpy(self->bad_chunk, text, 4);
    if (self->salvages && !self->checksum[0] && text[0] >= 'A' && text[0] <= 'Z' && strcmp(text + (strlen(text) < 4 ? 0 : 4), ": CRC error") == 0)
        snprintf(self->checksum, sizeof self->checksum, "%s", text);
    /* The one ancillary chunk whose loss changes pixels. */
    if (strcmp(text, "tRNS: CRC error") == 0) {
        if (!self->salvages) error_exit(png, text);
        snprintf(self->checksum, sizeof self->checksum, "%s", text);
    }
}

/* libpng allocates the length that an ancillary chunk states before it reads a byte of it. So the bytes that it is given are
   watched for heads of chunks, and one that states too much ends the picture. */
static void watch_chunks(imgpipe_png_decoder *self, const uint8_t *bytes, size_t count) {
    while (count) {
        if (self->chunk_left) {
            size_t n = count < self->chunk_left ? count : (size_t)self->chunk_left;
            self->chunk_left -= n;
            bytes += n;
            count -= n;
            continue;
        }
        self->chunk_head[self->chunk_head_bytes++] = *bytes++;
        count--;
        if (self->chunk_head_bytes < sizeof self->chunk_head) continue;
        self->chunk_head_bytes = 0;
        uint64_t length = png_get_uint_32(self->chunk_head);
        self->chunk_left = length + 4;
        if (length > self->max_chunk && memcmp(self->chunk_head + 4, "IDAT", 4) != 0) fail(self, IMGPIPE_LIMIT);
    }
}

static void read_input(png_structp png, png_bytep target, size_t count) {
    imgpipe_png_decoder *self = png_get_io_ptr(png);
    while (count) {
        if (self->left == 0) {
            ptrdiff_t n = self->input.fill(self->input.context, &self->next);
            if (n < 0) fail(self, IMGPIPE_CALLBACK);
            if (n == 0) fail(self, IMGPIPE_TRUNCATED);
            self->left = (size_t)n;
        }
        size_t n = count < self->left ? count : self->left;
        memcpy(target, self->next, n);
        watch_chunks(self, self->next, n);
        self->next += n;
        self->left -= n;
        target += n;
        count -= n;
    }
}

static const char taken_chunks[] = "eXIf tEXt zTXt iTXt cICP acTL";

/* Metadata that is read by the caller: libpng bounds each chunk, but not all of them together. */
static int take_chunk(png_structp png, png_unknown_chunkp chunk) {
    imgpipe_png_decoder *self = png_get_user_chunk_ptr(png);
    /* Others, that libpng does not know either, are its to judge: it refuses critical ones. */
    if (!strstr(taken_chunks, (const char *)chunk->name)) return 0;
    int is_bad = memcmp(self->bad_chunk, chunk->name, 4) == 0;
    self->bad_chunk[0] = 0;
    if (is_bad) return 1;
    if (self->chunk(self->input.context, (const char *)chunk->name, chunk->data, chunk->size)) fail(self, IMGPIPE_CALLBACK);
    return 1;
}

imgpipe_png_decoder *imgpipe_png_decoder_new(void) {
    return calloc(1, sizeof(imgpipe_png_decoder));
}

static void drop(imgpipe_png_decoder *self) {
    if (self->png) png_destroy_read_struct(&self->png, &self->info, NULL);
}

void imgpipe_png_decoder_free(imgpipe_png_decoder *self) {
    if (!self) return;
    drop(self);
    free(self);
}

imgpipe_code imgpipe_png_read_header(
    imgpipe_png_decoder *self, imgpipe_input input,
    int (*chunk)(void *context, const char *type, const uint8_t *bytes, size_t count), size_t max_chunk, int salvages,
    imgpipe_png_header *header) {
    drop(self);
    self->salvages = salvages;
    self->checksum[0] = 0;
    self->failure = IMGPIPE_OK;
    self->message[0] = self->warning[0] = 0;
    self->input = input;
    self->left = 0;
    self->chunk_left = 8; /* the signature */
    self->chunk_head_bytes = 0;
    self->max_chunk = max_chunk;
    self->chunk = chunk;
    memset(self->bad_chunk, 0, sizeof self->bad_chunk);
    self->memory = (struct imgpipe_png_memory){&self->jump, &self->failure};
    GUARD(self);
    self->png = png_create_read_struct_2(
        PNG_LIBPNG_VER_STRING, self, error_exit, keep_warning, &self->memory, imgpipe_png_allocate, imgpipe_png_release);
    self->info = self->png ? png_create_info_struct(self->png) : NULL;
    if (!self->info) fail(self, IMGPIPE_MEMORY);
    png_structp png = self->png;
    png_infop info = self->info;
    png_set_read_fn(png, self, read_input);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours are judged by the caller */
    png_set_chunk_malloc_max(png, max_chunk);
    /* What libpng asks for at once and does not get all of is lost. */
    if (salvages) png_set_compression_buffer_size(png, 64);
    png_byte taken[6 * 5];
    for (int i = 0; i < 6; i++) memcpy(taken + 5 * i, taken_chunks + 5 * i, 5), taken[5 * i + 4] = 0;
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_ALWAYS, taken, 6);
    png_set_read_user_chunk_fn(png, self, take_chunk);
    png_byte unused[] = "sPLT";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, unused, 1);
    /* Decoders that check only what they need accept a bad checksum in a chunk that they drop; libpng warns and drops it. */
    png_set_crc_action(png, salvages ? PNG_CRC_WARN_USE : PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
    png_read_info(png, info);

    memset(header, 0, sizeof *header);
    header->width = png_get_image_width(png, info);
    header->height = png_get_image_height(png, info);
    header->depth = png_get_bit_depth(png, info);
    if (png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE) header->depth = 8;
    header->interlaced = png_get_interlace_type(png, info) != PNG_INTERLACE_NONE;
    header->density_x = png_get_x_pixels_per_meter(png, info);
    header->density_y = png_get_y_pixels_per_meter(png, info);

    int intent;
    header->srgb = png_get_sRGB(png, info, &intent) != 0;
    if (!png_get_gAMA(png, info, &header->gamma)) header->gamma = 0;
    double *c = header->chromaticities;
    if (!png_get_cHRM(png, info, &c[0], &c[1], &c[2], &c[3], &c[4], &c[5], &c[6], &c[7]))
        memset(c, 0, sizeof header->chromaticities);

    int type = png_get_color_type(png, info);
    header->gray = !(type & PNG_COLOR_MASK_COLOR);
    header->alpha = (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(png, info, PNG_INFO_tRNS);
    header->sample_bytes = header->depth == 16 ? 2 : 1;
    header->plain = type != PNG_COLOR_TYPE_PALETTE && header->depth >= 8 && !png_get_valid(png, info, PNG_INFO_tRNS);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_start(imgpipe_png_decoder *self, size_t row_bytes) {
    GUARD(self);
    png_set_expand(self->png);
    png_set_swap(self->png);
    if (png_get_interlace_type(self->png, self->info) != PNG_INTERLACE_NONE) png_set_interlace_handling(self->png);
    png_read_update_info(self->png, self->info);
    /* What was reckoned from the header is what libpng will write. */
    if (png_get_rowbytes(self->png, self->info) != row_bytes) fail(self, IMGPIPE_MISUSE);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_profile(imgpipe_png_decoder *self, imgpipe_bytes *icc) {
    GUARD(self);
    memset(icc, 0, sizeof *icc);
    png_charp name = NULL;
    png_bytep bytes = NULL;
    png_uint_32 count = 0;
    int method = 0;
    if (png_get_iCCP(self->png, self->info, &name, &method, &bytes, &count)) *icc = (imgpipe_bytes){bytes, count};
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_read_rows(imgpipe_png_decoder *self, uint8_t *rows, size_t row_bytes, uint32_t count, uint32_t *done) {
    *done = 0;
    GUARD(self);
    for (; *done < count; ++*done) png_read_row(self->png, rows + (size_t)*done * row_bytes, NULL);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_read_all(imgpipe_png_decoder *self, uint8_t *rows, size_t row_bytes, int *pass, uint32_t *row) {
    *pass = 0;
    *row = 0;
    GUARD(self);
    int passes = png_get_interlace_type(self->png, self->info) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
    uint32_t height = png_get_image_height(self->png, self->info);
    for (; *pass < passes; ++*pass)
        for (*row = 0; *row < height; ++*row) {
            png_bytep target = rows + (size_t)*row * row_bytes;
            /* A pixel fills the places of those that later passes bring, in case they do not come. */
            png_read_row(self->png, self->salvages ? NULL : target, self->salvages ? target : NULL);
        }
    return IMGPIPE_OK;
}

const char *imgpipe_png_wrong_checksum(const imgpipe_png_decoder *self) {
    return self->checksum;
}

imgpipe_code imgpipe_png_finish(imgpipe_png_decoder *self) {
    GUARD(self);
    png_read_end(self->png, self->info);
    return IMGPIPE_OK;
}

size_t imgpipe_png_first_idat_bytes(const imgpipe_png_decoder *self) {
    /* watch_chunks counts the checksum too. */
    return (size_t)self->chunk_left - 4;
}

size_t imgpipe_png_unread(const imgpipe_png_decoder *self) {
    return self->left;
}

const char *imgpipe_png_message(const imgpipe_png_decoder *self) {
    return self->message;
}

const char *imgpipe_png_warning(const imgpipe_png_decoder *self) {
    return self->warning;
}
