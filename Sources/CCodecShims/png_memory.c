#include "png_memory.h"

#include <stdlib.h>

png_voidp imgpipe_png_allocate(png_structp png, png_alloc_size_t size) {
    const struct imgpipe_png_memory *memory = png_get_mem_ptr(png);
    void *start = malloc(size);
    if (!start) {
        *memory->failure = IMGPIPE_MEMORY;
        longjmp(*memory->jump, 1);
    }
    return start;
}

void imgpipe_png_release(png_structp png, png_voidp start) {
    (void)png;
    free(start);
}
