/* libpng does without what it finds no memory for: a text, a profile. We do not. */
#ifndef IMGPIPE_PNG_MEMORY_H
#define IMGPIPE_PNG_MEMORY_H

#include <setjmp.h>

#include <png.h>

#include "CCodecShims.h"

/* libpng's mem_ptr: where to note that there is none, and where to go on then. */
struct imgpipe_png_memory {
    jmp_buf *jump;
    imgpipe_code *failure;
};

png_voidp imgpipe_png_allocate(png_structp png, png_alloc_size_t size);
void imgpipe_png_release(png_structp png, png_voidp start);

#endif
