#include <lcms2.h>

/* Swift does not import macros that call macros. */
static const cmsUInt32Number imgpipe_type_gray_8 = TYPE_GRAY_8;
static const cmsUInt32Number imgpipe_type_rgb_8 = TYPE_RGB_8;
static const cmsUInt32Number imgpipe_type_cmyk_8 = TYPE_CMYK_8;
static const cmsUInt32Number imgpipe_type_cmyk_8_inverted = TYPE_CMYK_8_REV;
static const cmsUInt32Number imgpipe_type_gray_16 = TYPE_GRAY_16;
static const cmsUInt32Number imgpipe_type_rgb_16 = TYPE_RGB_16;
static const cmsUInt32Number imgpipe_type_extra = EXTRA_SH(1);
