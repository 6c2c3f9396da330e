#include <stdlib.h>

#include "CCodecShims.h"

#ifndef IMGPIPE_ZLIB

#include <isa-l/igzip_lib.h>

struct imgpipe_deflater {
    struct isal_zstream stream;
    uint8_t work[ISAL_DEF_LVL3_DEFAULT];
};

imgpipe_deflater *imgpipe_deflater_new(void) {
    return malloc(sizeof(imgpipe_deflater));
}

void imgpipe_deflater_free(imgpipe_deflater *self) {
    free(self);
}

void imgpipe_deflater_begin(imgpipe_deflater *self, int level) {
    struct isal_zstream *stream = &self->stream;
    isal_deflate_init(stream);
    stream->gzip_flag = IGZIP_ZLIB;
    /* Its third level is hardly slower than its second, and smaller. */
    stream->level = level <= 1 ? 1 : 3;
    stream->level_buf = self->work;
    stream->level_buf_size = level <= 1 ? ISAL_DEF_LVL1_DEFAULT : ISAL_DEF_LVL3_DEFAULT;
}

int imgpipe_deflate(
    imgpipe_deflater *self, const uint8_t *input, uint32_t input_count, int is_last, uint32_t *taken, uint8_t *output,
    uint32_t output_count, uint32_t *given) {
    struct isal_zstream *stream = &self->stream;
    stream->next_in = (uint8_t *)(uintptr_t)input;
    stream->avail_in = input_count;
    stream->next_out = output;
    stream->avail_out = output_count;
    stream->end_of_stream = (uint16_t)is_last;
    int code = isal_deflate(stream);
    *taken = input_count - stream->avail_in;
    *given = output_count - stream->avail_out;
    if (code != COMP_OK) return -1;
    return stream->internal_state.state == ZSTATE_END;
}

#else /* Where ISA-L is not to be had. */

#include <zlib.h>

struct imgpipe_deflater {
    z_stream stream;
    int is_begun;
};

imgpipe_deflater *imgpipe_deflater_new(void) {
    return calloc(1, sizeof(imgpipe_deflater));
}

void imgpipe_deflater_free(imgpipe_deflater *self) {
    if (self->is_begun) deflateEnd(&self->stream);
    free(self);
}

void imgpipe_deflater_begin(imgpipe_deflater *self, int level) {
    if (self->is_begun) deflateEnd(&self->stream);
    self->is_begun = deflateInit(&self->stream, level) == Z_OK;
}

int imgpipe_deflate(
    imgpipe_deflater *self, const uint8_t *input, uint32_t input_count, int is_last, uint32_t *taken, uint8_t *output,
    uint32_t output_count, uint32_t *given) {
    z_stream *stream = &self->stream;
    if (!self->is_begun) return -1;
    stream->next_in = (uint8_t *)(uintptr_t)input;
    stream->avail_in = input_count;
    stream->next_out = output;
    stream->avail_out = output_count;
    int code = deflate(stream, is_last ? Z_FINISH : Z_NO_FLUSH);
    *taken = input_count - stream->avail_in;
    *given = output_count - stream->avail_out;
    return code == Z_STREAM_END ? 1 : code == Z_OK || code == Z_BUF_ERROR ? 0 : -1;
}

#endif
