/* The JPEG decoder, as its two files know it: what libjpeg calls (jpeg_managers.c), and what calls libjpeg (jpeg_decoder.c). */
#ifndef IMGPIPE_JPEG_DECODER_H
#define IMGPIPE_JPEG_DECODER_H

#include <stdio.h>
#include <stdlib.h>

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

/* Before the first jpeg_create_decompress: errors, input and progress come to us. */
void imgpipe_jpeg_install_managers(imgpipe_jpeg_decoder *self);

/* jpeg_create_decompress, with the managers, and the markers that are ours to read. */
void imgpipe_jpeg_create(imgpipe_jpeg_decoder *self);

/* Jumps back to the call at hand, which gives `code`. */
_Noreturn void imgpipe_jpeg_fail(imgpipe_jpeg_decoder *self, imgpipe_code code);

#endif
