#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "CCodecShims.h"
#include "guard.h"
#include "png_memory.h"

struct imgpipe_png_encoder {
    png_structp png;
    png_infop info;
    jmp_buf jump;
    imgpipe_code failure;
    struct imgpipe_png_memory memory;
    imgpipe_output output;
    char message[200];
};

static void error_exit(png_structp png, png_const_charp text) {
    imgpipe_png_encoder *self = png_get_error_ptr(png);
    snprintf(self->message, sizeof self->message, "%s", text);
    self->failure = IMGPIPE_MISUSE;
    longjmp(self->jump, 1);
}

static void ignore_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void write_output(png_structp png, png_bytep bytes, size_t count) {
    imgpipe_png_encoder *self = png_get_io_ptr(png);
    if (self->output.write(self->output.context, bytes, count)) {
        self->failure = IMGPIPE_CALLBACK;
        longjmp(self->jump, 1);
    }
}

static void flush_output(png_structp png) {
    (void)png;
}

imgpipe_png_encoder *imgpipe_png_encoder_new(void) {
    return calloc(1, sizeof(imgpipe_png_encoder));
}

static void drop(imgpipe_png_encoder *self) {
    if (self->png) png_destroy_write_struct(&self->png, &self->info);
}

void imgpipe_png_encoder_free(imgpipe_png_encoder *self) {
    if (!self) return;
    drop(self);
    free(self);
}

static void set_palette(png_structp png, png_infop info, imgpipe_bytes colors) {
    png_color palette[PNG_MAX_PALETTE_LENGTH];
    png_byte alpha[PNG_MAX_PALETTE_LENGTH];
    int count = (int)(colors.count / 4), transparent = 0;
    for (int i = 0; i < count && i < PNG_MAX_PALETTE_LENGTH; i++) {
        const uint8_t *color = colors.bytes + 4 * i;
        palette[i] = (png_color){color[0], color[1], color[2]};
        alpha[i] = color[3];
        if (alpha[i] != 255) transparent = i + 1;
    }
    png_set_PLTE(png, info, palette, count);
    if (transparent) png_set_tRNS(png, info, alpha, transparent, NULL);
}

imgpipe_code imgpipe_png_begin(
    imgpipe_png_encoder *self, imgpipe_output output, const imgpipe_png_settings *settings) {
    drop(self);
    self->failure = IMGPIPE_OK;
    self->message[0] = 0;
    self->output = output;
    self->memory = (struct imgpipe_png_memory){&self->jump, &self->failure};
    GUARD(self);
    self->png = png_create_write_struct_2(
        PNG_LIBPNG_VER_STRING, self, error_exit, ignore_warning, &self->memory, imgpipe_png_allocate, imgpipe_png_release);
    self->info = self->png ? png_create_info_struct(self->png) : NULL;
    if (!self->info) return self->failure = IMGPIPE_MEMORY;
    png_structp png = self->png;
    png_set_write_fn(png, self, write_output, flush_output);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    /* What libpng finds odd about a profile is no reason to have no picture. */
    png_set_benign_errors(png, 1);
    int type = settings->palette.count ? PNG_COLOR_TYPE_PALETTE
        : (settings->gray ? 0 : PNG_COLOR_MASK_COLOR) | (settings->alpha ? PNG_COLOR_MASK_ALPHA : 0);
    png_set_IHDR(
        png, self->info, settings->width, settings->height, settings->depth, type, PNG_INTERLACE_NONE,
        PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (settings->palette.count) set_palette(png, self->info, settings->palette);
    if (settings->density_x && settings->density_y)
        png_set_pHYs(png, self->info, settings->density_x, settings->density_y, PNG_RESOLUTION_METER);
    if (settings->srgb) png_set_sRGB(png, self->info, PNG_sRGB_INTENT_PERCEPTUAL);
    if (settings->icc.count)
        png_set_iCCP(png, self->info, "icc", PNG_COMPRESSION_TYPE_BASE, settings->icc.bytes, (png_uint_32)settings->icc.count);
    png_set_compression_level(png, settings->level);
    png_write_info_before_PLTE(png, self->info);
    if (settings->code_points.count)
        png_write_chunk(png, (png_const_bytep) "cICP", settings->code_points.bytes, settings->code_points.count);
    png_write_info(png, self->info);
    if (settings->depth == 16) png_set_swap(png);
    if (settings->depth < 8) png_set_packing(png);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_write_chunk(imgpipe_png_encoder *self, const char *type, const uint8_t *bytes, size_t count) {
    GUARD(self);
    png_write_chunk(self->png, (png_const_bytep)type, bytes, count);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_write_rows(
    imgpipe_png_encoder *self, const uint8_t *rows, size_t row_bytes, uint32_t count) {
    GUARD(self);
    for (uint32_t i = 0; i < count; i++) png_write_row(self->png, rows + (size_t)i * row_bytes);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_png_end(imgpipe_png_encoder *self) {
    GUARD(self);
    png_write_end(self->png, NULL);
    return IMGPIPE_OK;
}

const char *imgpipe_png_encoder_message(const imgpipe_png_encoder *self) {
    return self->message;
}
