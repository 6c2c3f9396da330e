#include <stdlib.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "CCodecShims.h"

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
    *taken = input_count - state->avail_in;
    *given = output_count - state->avail_out;
    if (code == ISAL_INCORRECT_CHECKSUM) return IMGPIPE_INFLATE_CHECKSUM;
    if (code < 0) return IMGPIPE_INFLATE_DAMAGED;
    return state->block_state == ISAL_BLOCK_FINISH ? IMGPIPE_INFLATE_END : IMGPIPE_INFLATE_MORE;
}

uint32_t imgpipe_crc32(uint32_t checksum, const uint8_t *bytes, size_t count) {
    return crc32_gzip_refl(checksum, bytes, count);
}
