#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "CCodecShims.h"
#include "guard.h"

enum { OUTPUT_BYTES = 64 << 10 };

struct imgpipe_jpeg_encoder {
    struct jpeg_compress_struct jpeg; /* first: libjpeg's pointer to it is ours */
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    jmp_buf jump;
    imgpipe_code failure;
    imgpipe_output output;
    char message[JMSG_LENGTH_MAX];
    uint8_t buffer[OUTPUT_BYTES];
};

static imgpipe_jpeg_encoder *self_of(j_common_ptr jpeg) {
    return (imgpipe_jpeg_encoder *)jpeg;
}

static void error_exit(j_common_ptr jpeg) {
    imgpipe_jpeg_encoder *self = self_of(jpeg);
    self->errors.format_message(jpeg, self->message);
    self->failure = jpeg->err->msg_code == JERR_OUT_OF_MEMORY ? IMGPIPE_MEMORY
        : jpeg->err->msg_code == JERR_IMAGE_TOO_BIG           ? IMGPIPE_UNSUPPORTED
                                                              : IMGPIPE_MISUSE;
    longjmp(self->jump, 1);
}

static void ignore_message(j_common_ptr jpeg, int level) {
    (void)jpeg;
    (void)level;
}

static void say_nothing(j_common_ptr jpeg) {
    (void)jpeg;
}

static void send(imgpipe_jpeg_encoder *self, size_t count) {
    if (count && self->output.write(self->output.context, self->buffer, count)) {
        self->failure = IMGPIPE_CALLBACK;
        longjmp(self->jump, 1);
    }
    self->destination.next_output_byte = self->buffer;
    self->destination.free_in_buffer = sizeof self->buffer;
}

static void start_destination(j_compress_ptr jpeg) {
    send(self_of((j_common_ptr)jpeg), 0);
}

static boolean empty_destination(j_compress_ptr jpeg) {
    send(self_of((j_common_ptr)jpeg), OUTPUT_BYTES);
    return TRUE;
}

static void end_destination(j_compress_ptr jpeg) {
    imgpipe_jpeg_encoder *self = self_of((j_common_ptr)jpeg);
    send(self, OUTPUT_BYTES - self->destination.free_in_buffer);
}

imgpipe_jpeg_encoder *imgpipe_jpeg_encoder_new(void) {
    imgpipe_jpeg_encoder *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->jpeg.err = jpeg_std_error(&self->errors);
    self->errors.error_exit = error_exit;
    self->errors.emit_message = ignore_message;
    self->errors.output_message = say_nothing;
    if (setjmp(self->jump)) {
        free(self);
        return NULL;
    }
    jpeg_create_compress(&self->jpeg);
    self->destination.init_destination = start_destination;
    self->destination.empty_output_buffer = empty_destination;
    self->destination.term_destination = end_destination;
    self->jpeg.dest = &self->destination;
    return self;
}

void imgpipe_jpeg_encoder_free(imgpipe_jpeg_encoder *self) {
    if (!self) return;
    if (!setjmp(self->jump)) jpeg_destroy_compress(&self->jpeg);
    free(self);
}

imgpipe_code imgpipe_jpeg_begin(
    imgpipe_jpeg_encoder *self, imgpipe_output output, const imgpipe_jpeg_settings *settings) {
    struct jpeg_compress_struct *jpeg = &self->jpeg;
    self->failure = IMGPIPE_OK;
    self->message[0] = 0;
    self->output = output;
    GUARD(self);
    jpeg_abort_compress(jpeg);
    jpeg->image_width = settings->width;
    jpeg->image_height = settings->height;
    jpeg->input_components = settings->color_space == IMGPIPE_JPEG_GRAY ? 1 : 3;
    jpeg->in_color_space = settings->color_space == IMGPIPE_JPEG_GRAY ? JCS_GRAYSCALE
        : settings->color_space == IMGPIPE_JPEG_YCBCR                 ? JCS_YCbCr
                                                                      : JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, settings->quality, TRUE);
    if (jpeg->num_components == 3) {
        jpeg->comp_info[0].h_samp_factor = settings->horizontal;
        jpeg->comp_info[0].v_samp_factor = settings->vertical;
    }
    if (settings->density_x && settings->density_y) {
        jpeg->density_unit = 1;
        jpeg->X_density = settings->density_x;
        jpeg->Y_density = settings->density_y;
    }
    if (settings->progressive) jpeg_simple_progression(jpeg);
    jpeg->optimize_coding = settings->optimize || settings->progressive;
    jpeg->restart_in_rows = settings->restart_rows;
    jpeg->raw_data_in = settings->planes != 0;
    jpeg_start_compress(jpeg, TRUE);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_jpeg_write_marker(
    imgpipe_jpeg_encoder *self, int code, const uint8_t *bytes, size_t count) {
    GUARD(self);
    jpeg_write_marker(&self->jpeg, code, bytes, (unsigned)count);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_jpeg_write_icc(imgpipe_jpeg_encoder *self, const uint8_t *bytes, size_t count) {
    GUARD(self);
    jpeg_write_icc_profile(&self->jpeg, bytes, (unsigned)count);
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_jpeg_write_rows(
    imgpipe_jpeg_encoder *self, const uint8_t *rows, size_t row_bytes, uint32_t count) {
    GUARD(self);
    for (uint32_t i = 0; i < count; i++) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rows + (size_t)i * row_bytes);
        jpeg_write_scanlines(&self->jpeg, &row, 1);
    }
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_jpeg_write_planes(imgpipe_jpeg_encoder *self, uint8_t **rows[3]) {
    GUARD(self);
    jpeg_write_raw_data(&self->jpeg, rows, (JDIMENSION)(self->jpeg.max_v_samp_factor * DCTSIZE));
    return IMGPIPE_OK;
}

imgpipe_code imgpipe_jpeg_end(imgpipe_jpeg_encoder *self) {
    GUARD(self);
    jpeg_finish_compress(&self->jpeg);
    return IMGPIPE_OK;
}

const char *imgpipe_jpeg_encoder_message(const imgpipe_jpeg_encoder *self) {
    return self->message;
}
