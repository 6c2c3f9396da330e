#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "CCodecShims.h"

enum { KEPT_CHUNKS = 8 };

struct imgpipe_png_decoder {
    png_structp png;
    png_infop info;
    jmp_buf jump;
    imgpipe_code failure;
    imgpipe_input input;
    const uint8_t *next;
    size_t left;
    char message[200];
    char warning[200];
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
        self->next += n;
        self->left -= n;
        target += n;
        count -= n;
    }
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

/* What every call that may jump begins with. */
#define GUARD(self) \
    do { \
        if ((self)->failure) return (self)->failure; \
        if (setjmp((self)->jump)) return (self)->failure; \
    } while (0)

imgpipe_code imgpipe_png_read_header(
    imgpipe_png_decoder *self, imgpipe_input input, size_t max_metadata, imgpipe_png_header *header) {
    drop(self);
    self->failure = IMGPIPE_OK;
    self->message[0] = self->warning[0] = 0;
    self->input = input;
    self->left = 0;
    GUARD(self);
    self->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, self, error_exit, keep_warning);
    self->info = self->png ? png_create_info_struct(self->png) : NULL;
    if (!self->info) fail(self, IMGPIPE_MEMORY);
    png_structp png = self->png;
    png_infop info = self->info;
    png_set_read_fn(png, self, read_input);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours are judged by the caller */
    /* libpng bounds each chunk and the number of those it keeps, so together these are the bound. */
    png_set_chunk_malloc_max(png, max_metadata / KEPT_CHUNKS);
    png_set_chunk_cache_max(png, KEPT_CHUNKS);
    png_byte text[] = "tEXt\0zTXt\0sPLT";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, text, 3);
    /* Decoders that check only what they need accept a bad checksum in a chunk that they drop; libpng warns and drops it. */
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
    /* acTL: this is an animation of which we give the default image. */
    png_byte animation[] = "acTL";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_ALWAYS, animation, 1);
    png_read_info(png, info);

    memset(header, 0, sizeof *header);
    header->width = png_get_image_width(png, info);
    header->height = png_get_image_height(png, info);
    header->depth = png_get_bit_depth(png, info);
    if (png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE) header->depth = 8;
    header->interlaced = png_get_interlace_type(png, info) != PNG_INTERLACE_NONE;
    png_unknown_chunkp unknown = NULL;
    header->animated = png_get_unknown_chunks(png, info, &unknown) > 0;
    header->density_x = png_get_x_pixels_per_meter(png, info);
    header->density_y = png_get_y_pixels_per_meter(png, info);

    png_set_expand(png);
    png_set_swap(png);
    if (header->interlaced) png_set_interlace_handling(png);
    png_read_update_info(png, info);
    int type = png_get_color_type(png, info);
    header->gray = !(type & PNG_COLOR_MASK_COLOR);
    header->alpha = (type & PNG_COLOR_MASK_ALPHA) != 0;
    header->sample_bytes = png_get_bit_depth(png, info) / 8;
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_metadata(
    imgpipe_png_decoder *self, imgpipe_bytes *icc, imgpipe_bytes *exif, imgpipe_bytes *xmp) {
    GUARD(self);
    memset(icc, 0, sizeof *icc);
    memset(exif, 0, sizeof *exif);
    memset(xmp, 0, sizeof *xmp);
    png_charp name = NULL;
    png_bytep bytes = NULL;
    png_uint_32 count = 0;
    int method = 0;
    if (png_get_iCCP(self->png, self->info, &name, &method, &bytes, &count)) *icc = (imgpipe_bytes){bytes, count};
    if (png_get_eXIf_1(self->png, self->info, &count, &bytes)) *exif = (imgpipe_bytes){bytes, count};
    png_textp texts = NULL;
    int texts_count = 0;
    png_get_text(self->png, self->info, &texts, &texts_count);
    for (int i = 0; i < texts_count; i++) {
        if (!texts[i].key || strcmp(texts[i].key, "XML:com.adobe.xmp") != 0) continue;
        size_t n = texts[i].itxt_length ? texts[i].itxt_length : texts[i].text_length;
        *xmp = (imgpipe_bytes){(const uint8_t *)texts[i].text, n};
        break;
    }
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_read_rows(imgpipe_png_decoder *self, uint8_t *rows, size_t row_bytes, uint32_t count) {
    GUARD(self);
    for (uint32_t i = 0; i < count; i++) png_read_row(self->png, rows + (size_t)i * row_bytes, NULL);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_read_all(imgpipe_png_decoder *self, uint8_t *rows, size_t row_bytes) {
    GUARD(self);
    int passes = png_get_interlace_type(self->png, self->info) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
    uint32_t height = png_get_image_height(self->png, self->info);
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t i = 0; i < height; i++) png_read_row(self->png, rows + (size_t)i * row_bytes, NULL);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_finish(imgpipe_png_decoder *self) {
    GUARD(self);
    png_read_end(self->png, self->info);
    return IMGPIPE_OK;
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
