#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h>
#include <jerror.h>

#include "CCodecShims.h"
#include "guard.h"

struct imgpipe_jpeg_decoder {
    struct jpeg_decompress_struct jpeg; /* first: libjpeg's pointer to it is ours */
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    imgpipe_code failure;
    imgpipe_input input;
    int (*marker)(void *context, int code, const uint8_t *bytes, size_t count);
    int max_scans;
    uint64_t deadline; /* CLOCK_MONOTONIC's nanoseconds */
    uint8_t *segment; /* the payload of one marker */
    char message[JMSG_LENGTH_MAX];
    char warning[JMSG_LENGTH_MAX];
    /* What follows is for salvage. */
    int salvages;
    int has_ended;      /* the input did, before the picture */
    int is_at_end;      /* what libjpeg has to read is no more of the input */
    int is_cut;         /* its markers are such that no more of them can be read */
    uint64_t given;     /* bytes that the source has given */
    uint8_t *rows;      /* of each row of MCUs: IMGPIPE_ROWS_... */
    uint32_t row_count;
    imgpipe_jpeg_damage damage;
};

enum { EOI = 0xd9 };

static imgpipe_jpeg_decoder *self_of(j_common_ptr jpeg) {
    return (imgpipe_jpeg_decoder *)jpeg;
}

static _Noreturn void fail(imgpipe_jpeg_decoder *self, imgpipe_code code) {
    self->failure = code;
    longjmp(self->jump, 1);
}

static _Noreturn void fail_as_the_library_says(imgpipe_jpeg_decoder *self, imgpipe_code code) {
    self->errors.format_message((j_common_ptr)&self->jpeg, self->message);
    fail(self, code);
}

static void error_exit(j_common_ptr jpeg) {
    switch (jpeg->err->msg_code) {
    case JERR_BAD_PRECISION:
        snprintf(self_of(jpeg)->message, JMSG_LENGTH_MAX, "is a JPEG of %d bits a sample; only 8 are read", jpeg->err->msg_parm.i[0]);
        fail(self_of(jpeg), IMGPIPE_UNSUPPORTED);
    case JERR_SOF_UNSUPPORTED:
        snprintf(
            self_of(jpeg)->message, JMSG_LENGTH_MAX, "is a %s JPEG, which is not read",
            jpeg->err->msg_parm.i[0] == 0xc3 ? "lossless" : "hierarchical or lossless");
        fail(self_of(jpeg), IMGPIPE_UNSUPPORTED);
    case JERR_ARITH_NOTIMPL:
    case JERR_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_IMAGE_TOO_BIG:
    case JERR_COMPONENT_COUNT:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
        fail_as_the_library_says(self_of(jpeg), IMGPIPE_UNSUPPORTED);
    case JERR_OUT_OF_MEMORY:
        fail_as_the_library_says(self_of(jpeg), IMGPIPE_MEMORY);
    case JERR_BAD_STATE:
        fail_as_the_library_says(self_of(jpeg), IMGPIPE_MISUSE);
    default:
        fail_as_the_library_says(self_of(jpeg), IMGPIPE_DAMAGED);
    }
}

/* A warning is damage when libjpeg has made up pixels. It has not when it stepped over bytes between markers or read an odd header.
   A scan of AC coefficients may lack its last bits, in its last row of blocks: encoders that leave them out are known, and what
   is missing is detail; earlier, the scan is cut. */
static int is_damage(const imgpipe_jpeg_decoder *self, int code) {
    const struct jpeg_decompress_struct *jpeg = &self->jpeg;
    switch (code) {
    case JWRN_HIT_MARKER:
        return self->has_ended || !(jpeg->progressive_mode && jpeg->Ss > 0 && jpeg->input_iMCU_row + 1 >= jpeg->total_iMCU_rows);
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_JPEG_EOF:
        return 1;
    default:
        return 0;
    }
}

/* Keeps what is said of the first damage, and where it is. */
static void note_damage(imgpipe_jpeg_decoder *self, imgpipe_code kind) {
    if (self->damage.kind) return;
    self->damage.kind = kind;
    self->damage.at_byte = self->given - self->source.bytes_in_buffer;
    if (kind == IMGPIPE_DAMAGED) self->errors.format_message((j_common_ptr)&self->jpeg, self->message);
}

/* The entropy decoder has lost its way in the row of MCUs at hand, and finds it at the next restart marker, if there is one. Behind an end
   of the input, or of the image, there is none. */
static void mark_rows(imgpipe_jpeg_decoder *self) {
    const struct jpeg_decompress_struct *jpeg = &self->jpeg;
    uint32_t first = jpeg->input_iMCU_row, end = self->row_count;
    if (!self->rows || first >= end) return;
    if (self->has_ended || jpeg->unread_marker == EOI) {
        if (first < self->damage.first_missing) self->damage.first_missing = first;
        if (first == 0 && jpeg->input_scan_number <= 1) self->damage.is_empty = 1;
        return;
    }
    if (jpeg->restart_interval && jpeg->MCUs_per_row) {
        uint32_t down = jpeg->comps_in_scan == 1 ? (uint32_t)jpeg->cur_comp_info[0]->v_samp_factor : 1;
        /* Where a marker is another than the next one, libjpeg may put up to two intervals where others belong before it is right again. */
        uint64_t intervals = jpeg->err->msg_code == JWRN_MUST_RESYNC ? 4 : 1;
        uint64_t rows = intervals * jpeg->restart_interval / ((uint64_t)jpeg->MCUs_per_row * down) + 2;
        if (rows < end - first) end = first + (uint32_t)rows;
    }
    memset(self->rows + first, IMGPIPE_ROWS_CONCEALED, end - first);
}

static void emit_message(j_common_ptr jpeg, int level) {
    if (level >= 0) return; /* a trace message */
    imgpipe_jpeg_decoder *self = self_of(jpeg);
    if (is_damage(self, jpeg->err->msg_code)) {
        if (!self->salvages) fail_as_the_library_says(self, IMGPIPE_DAMAGED);
        note_damage(self, IMGPIPE_DAMAGED);
        mark_rows(self);
        return;
    }
    self->errors.format_message(jpeg, self->warning);
}

static void say_nothing(j_common_ptr jpeg) {
    (void)jpeg;
}

static void start_source(j_decompress_ptr jpeg) {
    (void)jpeg;
}

static boolean fill_source(j_decompress_ptr jpeg) {
    imgpipe_jpeg_decoder *self = self_of((j_common_ptr)jpeg);
    const uint8_t *bytes = NULL;
    ptrdiff_t count = self->input.fill(self->input.context, &bytes);
    if (count < 0) fail(self, IMGPIPE_CALLBACK);
    self->source.next_input_byte = bytes;
    self->source.bytes_in_buffer = (size_t)count;
    self->given += (uint64_t)count;
    if (count > 0) return TRUE;
    /* libjpeg would like an EOI to be made up here: a picture that is cut is not done, unless what there is of it was asked for. */
    if (!self->salvages || !self->rows) fail(self, IMGPIPE_TRUNCATED);
    static const uint8_t end_of_image[] = {0xff, 0xd9};
    note_damage(self, IMGPIPE_TRUNCATED);
    self->has_ended = self->is_at_end = 1;
    /* The arithmetic decoder takes zeros from here on, and says nothing. */
    if (jpeg->arith_code) mark_rows(self);
    self->source.next_input_byte = end_of_image;
    self->source.bytes_in_buffer = sizeof end_of_image;
    return TRUE;
}

static void skip_source(j_decompress_ptr jpeg, long count) {
    struct jpeg_source_mgr *source = jpeg->src;
    if (count <= 0) return;
    while ((size_t)count > source->bytes_in_buffer) {
        count -= (long)source->bytes_in_buffer;
        source->bytes_in_buffer = 0;
        fill_source(jpeg);
    }
    source->next_input_byte += count;
    source->bytes_in_buffer -= (size_t)count;
}

static unsigned next_byte(j_decompress_ptr jpeg) {
    if (jpeg->src->bytes_in_buffer == 0) fill_source(jpeg);
    jpeg->src->bytes_in_buffer--;
    return *jpeg->src->next_input_byte++;
}

/* libjpeg can keep markers itself, but without a bound on all of them together. */
static boolean read_marker(j_decompress_ptr jpeg) {
    imgpipe_jpeg_decoder *self = self_of((j_common_ptr)jpeg);
    unsigned length = next_byte(jpeg) << 8;
    length |= next_byte(jpeg);
    if (length < 2) {
        jpeg->err->msg_code = JERR_BAD_LENGTH;
        error_exit((j_common_ptr)jpeg);
    }
    length -= 2;
    for (unsigned done = 0; done < length;) {
        if (jpeg->src->bytes_in_buffer == 0) fill_source(jpeg);
        size_t n = length - done;
        if (n > jpeg->src->bytes_in_buffer) n = jpeg->src->bytes_in_buffer;
        memcpy(self->segment + done, jpeg->src->next_input_byte, n);
        jpeg->src->next_input_byte += n;
        jpeg->src->bytes_in_buffer -= n;
        done += (unsigned)n;
    }
    if (self->marker(self->input.context, jpeg->unread_marker, self->segment, length)) fail(self, IMGPIPE_CALLBACK);
    return TRUE;
}

/* Called for each row of MCUs of each scan. */
static void count_scans(j_common_ptr jpeg) {
    imgpipe_jpeg_decoder *self = self_of(jpeg);
    if (self->jpeg.input_scan_number > self->max_scans) fail(self, IMGPIPE_LIMIT);
    if (self->deadline == UINT64_MAX) return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec >= self->deadline) fail(self, IMGPIPE_TIME);
}

static void create(imgpipe_jpeg_decoder *self) {
    jpeg_create_decompress(&self->jpeg);
    self->jpeg.src = &self->source;
    self->jpeg.progress = &self->progress;
    jpeg_set_marker_processor(&self->jpeg, JPEG_APP0 + 1, read_marker);
    jpeg_set_marker_processor(&self->jpeg, JPEG_APP0 + 2, read_marker);
    jpeg_set_marker_processor(&self->jpeg, JPEG_APP0 + 13, read_marker);
    jpeg_set_marker_processor(&self->jpeg, JPEG_COM, read_marker);
}

imgpipe_jpeg_decoder *imgpipe_jpeg_decoder_new(void) {
    imgpipe_jpeg_decoder *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->segment = malloc(65536);
    self->jpeg.err = jpeg_std_error(&self->errors);
    self->errors.error_exit = error_exit;
    self->errors.emit_message = emit_message;
    self->errors.output_message = say_nothing;
    if (!self->segment || setjmp(self->jump)) {
        free(self->segment);
        free(self);
        return NULL;
    }
    create(self);
    self->source.init_source = start_source;
    self->source.fill_input_buffer = fill_source;
    self->source.skip_input_data = skip_source;
    self->source.resync_to_restart = jpeg_resync_to_restart;
    self->source.term_source = start_source;
    self->progress.progress_monitor = count_scans;
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
    create(self);
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
        fail(self, IMGPIPE_DAMAGED);
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
