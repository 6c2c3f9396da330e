#include <string.h>

#include "jpeg_decoder.h"

imgpipe_jpeg_decoder *imgpipe_jpeg_decoder_new(void) {
    imgpipe_jpeg_decoder *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->segment = malloc(65536);
    imgpipe_jpeg_install_managers(self);
    if (!self->segment || setjmp(self->jump)) {
        free(self->segment);
        free(self);
        return NULL;
    }
    imgpipe_jpeg_create(self);
    return self;
}

void imgpipe_jpeg_decoder_free(imgpipe_jpeg_decoder *self) {
    if (!self) return;
    if (!setjmp(self->jump)) jpeg_destroy_decompress(&self->jpeg);
    free(self->segment);
    free(self->rows);
    free(self);
}

static int color_space_of(J_COLOR_SPACE space) {
    switch (space) {
    case JCS_GRAYSCALE: return IMGPIPE_JPEG_GRAY;
    case JCS_RGB: return IMGPIPE_JPEG_RGB;
    case JCS_YCbCr: return IMGPIPE_JPEG_YCBCR;
    case JCS_CMYK: return IMGPIPE_JPEG_CMYK;
    case JCS_YCCK: return IMGPIPE_JPEG_YCCK;
    default: return 0;
    }
}

/* Sides of a block of samples: 8, or less where the inverse DCT is to scale down. The names changed with libjpeg 7's interface, which
   libjpeg-turbo can be built with. */
#if JPEG_LIB_VERSION >= 70
#define BLOCK_COLUMNS(component) ((component)->DCT_h_scaled_size)
#define BLOCK_ROWS(component) ((component)->DCT_v_scaled_size)
#define LEAST_BLOCK_ROWS(jpeg) ((jpeg)->min_DCT_v_scaled_size)
#else
#define BLOCK_COLUMNS(component) ((component)->DCT_scaled_size)
#define BLOCK_ROWS(component) ((component)->DCT_scaled_size)
#define LEAST_BLOCK_ROWS(jpeg) ((jpeg)->min_DCT_scaled_size)
#endif

static void tell_sampling(const struct jpeg_decompress_struct *jpeg, imgpipe_jpeg_header *header) {
    for (int i = 0; i < jpeg->num_components && i < 4; i++) {
        const jpeg_component_info *component = &jpeg->comp_info[i];
        header->horizontal[i] = component->h_samp_factor * BLOCK_COLUMNS(component);
        header->vertical[i] = component->v_samp_factor * BLOCK_ROWS(component);
    }
}

imgpipe_code imgpipe_jpeg_read_header(
    imgpipe_jpeg_decoder *self, imgpipe_input input,
    int (*marker)(void *context, int code, const uint8_t *bytes, size_t count), int max_scans, uint64_t deadline, int salvages,
    imgpipe_jpeg_header *header) {
    self->failure = IMGPIPE_OK;
    self->message[0] = self->warning[0] = 0;
    self->source.bytes_in_buffer = 0;
    self->input = input;
    self->marker = marker;
    self->max_scans = max_scans;
    self->deadline = deadline;
    self->salvages = salvages;
    self->has_ended = self->is_at_end = self->is_cut = 0;
    self->given = 0;
    memset(&self->damage, 0, sizeof self->damage);
    free(self->rows);
    self->rows = NULL;
    GUARD(self);
    struct jpeg_decompress_struct *jpeg = &self->jpeg;
    /* Not aborted and used again: libjpeg keeps tables, and a picture that lacks its own would be decoded with those of the one before. */
    jpeg_destroy_decompress(jpeg);
    imgpipe_jpeg_create(self);
    jpeg_read_header(jpeg, TRUE);

    memset(header, 0, sizeof *header);
    header->width = jpeg->image_width;
    header->height = jpeg->image_height;
    header->color_space = color_space_of(jpeg->jpeg_color_space);
    header->components = jpeg->num_components;
    header->progressive = jpeg_has_multiple_scans(jpeg);
    header->adobe = jpeg->saw_Adobe_marker;
    if (jpeg->saw_JFIF_marker) {
        header->density_unit = jpeg->density_unit;
        header->density_x = jpeg->X_density;
        header->density_y = jpeg->Y_density;
    }
    for (int i = 0; i < jpeg->num_components; i++) {
        const jpeg_component_info *component = &jpeg->comp_info[i];
        /* Blocks rounded up to whole MCUs, as jdcoefct.c reserves them. */
        uint64_t across = (component->width_in_blocks + (uint64_t)component->h_samp_factor) * DCTSIZE;
        uint64_t down = (component->height_in_blocks + (uint64_t)component->v_samp_factor) * DCTSIZE;
        header->coefficient_bytes += across * down * sizeof(JCOEF);
    }
    tell_sampling(jpeg, header);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_jpeg_scale(imgpipe_jpeg_decoder *self, int denominator, imgpipe_jpeg_header *header) {
    GUARD(self);
    self->jpeg.scale_num = 1;
    self->jpeg.scale_denom = (unsigned)denominator;
    jpeg_calc_output_dimensions(&self->jpeg);
    header->width = self->jpeg.output_width;
    header->height = self->jpeg.output_height;
    tell_sampling(&self->jpeg, header);
    return IMGPIPE_OK;
}

static void start(imgpipe_jpeg_decoder *self) {
    jpeg_start_decompress(&self->jpeg);
    if (self->salvages) return;
    /* libjpeg takes the quantisation table of a component when its first scan begins. */
    for (int i = 0; jpeg_has_multiple_scans(&self->jpeg) && i < self->jpeg.num_components; i++) {
        if (self->jpeg.comp_info[i].quant_table) continue;
        snprintf(self->message, sizeof self->message, "component %d has no scan", i + 1);
        imgpipe_jpeg_fail(self, IMGPIPE_DAMAGED);
    }
}

/* Whether scans that a whole picture has were not all there: bits of a coefficient, or all of a component. */
static int lacks_scans(const struct jpeg_decompress_struct *jpeg) {
    for (int c = 0; c < jpeg->num_components; c++) {
        if (!jpeg->comp_info[c].quant_table) return 1;
        if (!jpeg->progressive_mode || !jpeg->coef_bits) continue;
        for (int k = 0; k < DCTSIZE2; k++)
            if (jpeg->coef_bits[c][k] != 0) return 1;
    }
    return 0;
}

imgpipe_code imgpipe_jpeg_start(imgpipe_jpeg_decoder *self, int color_space, int planes) {
    if (self->failure) return self->failure;
    struct jpeg_decompress_struct *jpeg = &self->jpeg;
    /* libjpeg writes the fields of a second frame over those of the first before it refuses it. */
    const JDIMENSION width = jpeg->image_width, height = jpeg->image_height;
    const int components = jpeg->num_components, precision = jpeg->data_precision;
    const boolean is_progressive = jpeg->progressive_mode, is_arithmetic = jpeg->arith_code;
    if (self->salvages) {
        self->row_count = jpeg->total_iMCU_rows;
        self->rows = calloc(self->row_count ? self->row_count : 1, 1);
        if (!self->rows) return IMGPIPE_MEMORY;
        self->damage.first_missing = self->row_count;
    }
    if (setjmp(self->jump)) {
        /* Scans behind a marker that cannot be read are lost, those before it are not. */
        int is_damage = self->failure == IMGPIPE_DAMAGED || self->failure == IMGPIPE_TRUNCATED || self->failure == IMGPIPE_UNSUPPORTED;
        if (!self->salvages || self->is_cut || !is_damage || !jpeg_has_multiple_scans(jpeg)) return self->failure;
        if (!self->damage.kind) {
            self->damage.kind = self->failure;
            self->damage.at_byte = self->given - self->source.bytes_in_buffer;
        }
        self->failure = IMGPIPE_OK;
        self->has_ended = self->is_cut = 1;
        jpeg->image_width = width;
        jpeg->image_height = height;
        jpeg->num_components = components;
        jpeg->data_precision = precision;
        jpeg->progressive_mode = is_progressive;
        jpeg->arith_code = is_arithmetic;
        jpeg->unread_marker = EOI;
        if (jpeg->input_scan_number == 0) self->damage.is_empty = 1;
    }
    jpeg->raw_data_out = planes != 0;
    jpeg->out_color_space = color_space == IMGPIPE_JPEG_GRAY ? JCS_GRAYSCALE
        : color_space == IMGPIPE_JPEG_RGB                     ? JCS_RGB
        : color_space == IMGPIPE_JPEG_YCBCR                   ? JCS_YCbCr
                                                              : JCS_CMYK;
    start(self);
    if (self->salvages && jpeg_has_multiple_scans(jpeg)) {
        /* What the last scan lacks in its lower rows is as coarse as what whole scans lack everywhere. */
        uint32_t from = lacks_scans(jpeg) ? 0 : self->damage.first_missing;
        for (uint32_t i = from; i < self->row_count; i++)
            if (!self->rows[i]) self->rows[i] = IMGPIPE_ROWS_COARSE;
        self->damage.first_missing = self->row_count;
    }
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_jpeg_read_rows(
    imgpipe_jpeg_decoder *self, uint8_t *rows, size_t row_bytes, uint32_t count, uint32_t *done) {
    *done = 0;
    GUARD(self);
    while (*done < count && self->jpeg.output_scanline < self->jpeg.output_height) {
        /* libjpeg gives at most one row group, four rows, a call. */
        JSAMPROW group[4];
        uint32_t n = count - *done < 4 ? count - *done : 4;
        for (uint32_t i = 0; i < n; i++) group[i] = rows + (size_t)(*done + i) * row_bytes;
        *done += jpeg_read_scanlines(&self->jpeg, group, n);
    }
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_jpeg_read_planes(imgpipe_jpeg_decoder *self, uint8_t **rows[3], uint32_t *done) {
    *done = 0;
    GUARD(self);
    *done = jpeg_read_raw_data(&self->jpeg, rows, (JDIMENSION)(self->jpeg.max_v_samp_factor * LEAST_BLOCK_ROWS(&self->jpeg)));
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_jpeg_finish(imgpipe_jpeg_decoder *self) {
    GUARD(self);
    jpeg_finish_decompress(&self->jpeg);
    return IMGPIPE_OK;
}

imgpipe_jpeg_damage imgpipe_jpeg_damage_of(const imgpipe_jpeg_decoder *self) {
    imgpipe_jpeg_damage damage = self->damage;
    damage.rows = self->rows;
    damage.row_count = self->rows ? self->row_count : 0;
    damage.row_height = (uint32_t)(self->jpeg.max_v_samp_factor * LEAST_BLOCK_ROWS(&self->jpeg));
    return damage;
}

size_t imgpipe_jpeg_unread(const imgpipe_jpeg_decoder *self) {
    return self->is_at_end ? 0 : self->source.bytes_in_buffer;
}

const char *imgpipe_jpeg_message(const imgpipe_jpeg_decoder *self) {
    return self->message;
}

const char *imgpipe_jpeg_warning(const imgpipe_jpeg_decoder *self) {
    return self->warning;
}
