#include <stdio.h>

#include <jpeglib.h>
#include <png.h>

#include "CCodecShims.h"

#ifdef IMGPIPE_ZLIB
#include <zlib.h>
#else
#include <isa-l.h>
#endif

#define TEXT_OF(value) #value
#define TEXT(macro) TEXT_OF(macro)

const char *imgpipe_jpeg_version(void) { return TEXT(LIBJPEG_TURBO_VERSION); }

const char *imgpipe_png_version(void) { return png_get_libpng_ver(NULL); }

#ifdef IMGPIPE_ZLIB
const char *imgpipe_inflate_version(void) { return "zlib " ZLIB_VERSION; }
#else
const char *imgpipe_inflate_version(void) {
    return "ISA-L " TEXT(ISAL_MAJOR_VERSION) "." TEXT(ISAL_MINOR_VERSION) "." TEXT(ISAL_PATCH_VERSION);
}
#endif
