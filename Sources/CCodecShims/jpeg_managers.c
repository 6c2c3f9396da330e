/* What libjpeg calls while it decodes: its managers of errors, input and progress. */
#include <string.h>
#include <time.h>

#include "jpeg_decoder.h"

static imgpipe_jpeg_decoder *self_of(j_common_ptr jpeg) {
    return (imgpipe_jpeg_decoder *)jpeg;
}

void imgpipe_jpeg_fail(imgpipe_jpeg_decoder *self, imgpipe_code code) {
    self->failure = code;
    longjmp(self->jump, 1);
}

static _Noreturn void fail_as_the_library_says(imgpipe_jpeg_decoder *self, imgpipe_code code) {
    self->errors.format_message((j_common_ptr)&self->jpeg, self->message);
    imgpipe_jpeg_fail(self, code);
}

static void error_exit(j_common_ptr jpeg) {
    switch (jpeg->err->msg_code) {
    case JERR_BAD_PRECISION:
        snprintf(self_of(jpeg)->message, JMSG_LENGTH_MAX, "is a JPEG of %d bits a sample; only 8 are read", jpeg->err->msg_parm.i[0]);
        imgpipe_jpeg_fail(self_of(jpeg), IMGPIPE_UNSUPPORTED);
    case JERR_SOF_UNSUPPORTED:
        snprintf(
            self_of(jpeg)->message, JMSG_LENGTH_MAX, "is a %s JPEG, which is not read",
            jpeg->err->msg_parm.i[0] == 0xc3 ? "lossless" : "hierarchical or lossless");
        imgpipe_jpeg_fail(self_of(jpeg), IMGPIPE_UNSUPPORTED);
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
    if (count < 0) imgpipe_jpeg_fail(self, IMGPIPE_CALLBACK);
    self->source.next_input_byte = bytes;
    self->source.bytes_in_buffer = (size_t)count;
    self->given += (uint64_t)count;
    if (count > 0) return TRUE;
    /* libjpeg would like an EOI to be made up here: a picture that is cut is not done, unless what there is of it was asked for. */
    if (!self->salvages || !self->rows) imgpipe_jpeg_fail(self, IMGPIPE_TRUNCATED);
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
    if (self->marker(self->input.context, jpeg->unread_marker, self->segment, length)) imgpipe_jpeg_fail(self, IMGPIPE_CALLBACK);
    return TRUE;
}

/* Called for each row of MCUs of each scan. */
static void count_scans(j_common_ptr jpeg) {
    imgpipe_jpeg_decoder *self = self_of(jpeg);
    if (self->jpeg.input_scan_number > self->max_scans) imgpipe_jpeg_fail(self, IMGPIPE_LIMIT);
    if (self->deadline == UINT64_MAX) return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec >= self->deadline) imgpipe_jpeg_fail(self, IMGPIPE_TIME);
}

void imgpipe_jpeg_install_managers(imgpipe_jpeg_decoder *self) {
    self->jpeg.err = jpeg_std_error(&self->errors);
    self->errors.error_exit = error_exit;
    self->errors.emit_message = emit_message;
    self->errors.output_message = say_nothing;
    self->source.init_source = start_source;
    self->source.fill_input_buffer = fill_source;
    self->source.skip_input_data = skip_source;
    self->source.resync_to_restart = jpeg_resync_to_restart;
    self->source.term_source = start_source;
    self->progress.progress_monitor = count_scans;
}

void imgpipe_jpeg_create(imgpipe_jpeg_decoder *self) {
    jpeg_create_decompress(&self->jpeg);
    self->jpeg.src = &self->source;
    self->jpeg.progress = &self->progress;
    jpeg_set_marker_processor(&self->jpeg, JPEG_APP0 + 1, read_marker);
    jpeg_set_marker_processor(&self->jpeg, JPEG_APP0 + 2, read_marker);
    jpeg_set_marker_processor(&self->jpeg, JPEG_APP0 + 13, read_marker);
    jpeg_set_marker_processor(&self->jpeg, JPEG_COM, read_marker);
}
