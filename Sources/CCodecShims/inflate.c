#include <stdlib.h>
#include <string.h>

#include "CCodecShims.h"

#ifndef IMGPIPE_ZLIB

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

struct imgpipe_inflater {
    struct inflate_state state;
};

imgpipe_inflater *imgpipe_inflater_new(void) {
    return calloc(1, sizeof(imgpipe_inflater));
}

void imgpipe_inflater_free(imgpipe_inflater *self) {
    free(self);
}

void imgpipe_inflater_begin(imgpipe_inflater *self) {
    isal_inflate_init(&self->state);
    self->state.crc_flag = ISAL_ZLIB;
}

imgpipe_inflate_result imgpipe_inflate(
    imgpipe_inflater *self, const uint8_t *input, uint32_t input_count, uint32_t *taken, uint8_t *output, uint32_t output_count,
    uint32_t *given) {
    struct inflate_state *state = &self->state;
    state->next_in = (uint8_t *)(uintptr_t)input;
    state->avail_in = input_count;
    state->next_out = output;
    state->avail_out = output_count;
    int code = isal_inflate(state);
    /* At the end of the stream it gives back what it holds and does not need, which may have come with a call before. */
    *taken = state->avail_in < input_count ? input_count - state->avail_in : 0;
    *given = output_count - state->avail_out;
    if (code == ISAL_INCORRECT_CHECKSUM) return IMGPIPE_INFLATE_CHECKSUM;
    if (code < 0) return IMGPIPE_INFLATE_DAMAGED;
    return state->block_state == ISAL_BLOCK_FINISH ? IMGPIPE_INFLATE_END : IMGPIPE_INFLATE_MORE;
}

uint32_t imgpipe_crc32(uint32_t checksum, const uint8_t *bytes, size_t count) {
    return crc32_gzip_refl(checksum, bytes, count);
}

#else /* Where ISA-L is not to be had. */

#include <zlib.h>

struct imgpipe_inflater {
    z_stream stream;
    int is_begun, is_at_end;
};

imgpipe_inflater *imgpipe_inflater_new(void) {
    return calloc(1, sizeof(imgpipe_inflater));
}

void imgpipe_inflater_free(imgpipe_inflater *self) {
    if (self->is_begun) inflateEnd(&self->stream);
    free(self);
}

void imgpipe_inflater_begin(imgpipe_inflater *self) {
    int code = self->is_begun ? inflateReset(&self->stream) : inflateInit(&self->stream);
    self->is_begun = code == Z_OK;
    self->is_at_end = 0;
}

imgpipe_inflate_result imgpipe_inflate(
    imgpipe_inflater *self, const uint8_t *input, uint32_t input_count, uint32_t *taken, uint8_t *output, uint32_t output_count,
    uint32_t *given) {
    z_stream *stream = &self->stream;
    *taken = *given = 0;
    if (self->is_at_end) return IMGPIPE_INFLATE_END;
    if (!self->is_begun) return IMGPIPE_INFLATE_DAMAGED;
    stream->next_in = (uint8_t *)(uintptr_t)input;
    stream->avail_in = input_count;
    stream->next_out = output;
    stream->avail_out = output_count;
    int code = inflate(stream, Z_NO_FLUSH);
    *taken = input_count - stream->avail_in;
    *given = output_count - stream->avail_out;
    if (code == Z_DATA_ERROR)
        return stream->msg && !strcmp(stream->msg, "incorrect data check") ? IMGPIPE_INFLATE_CHECKSUM : IMGPIPE_INFLATE_DAMAGED;
    /* Z_BUF_ERROR only says that nothing could be done with what there was. */
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return IMGPIPE_INFLATE_DAMAGED;
    self->is_at_end = code == Z_STREAM_END;
    return self->is_at_end ? IMGPIPE_INFLATE_END : IMGPIPE_INFLATE_MORE;
}

uint32_t imgpipe_crc32(uint32_t checksum, const uint8_t *bytes, size_t count) {
    return (uint32_t)crc32_z(checksum, bytes, count);
}

#endif
