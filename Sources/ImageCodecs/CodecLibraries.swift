import CCodecShims
import CWebP
import ImageColor

/// The libraries that read and write compressed pixels.
public enum CodecLibraries {
    /// A name and a version each, "libpng 1.6.39": of the library that is loaded where it tells (libpng, libwebp, Little CMS), else of the one that
    /// this was built with. With the same ones the same input and options give the same bytes.
    public static var versions: [String] {
        let webP = WebPGetDecoderVersion()
        return [
            "libjpeg-turbo " + String(cString: imgpipe_jpeg_version()), "libpng " + String(cString: imgpipe_png_version()),
            "libwebp \(webP >> 16).\(webP >> 8 & 0xff).\(webP & 0xff)", "Little CMS " + ColorConverter.libraryVersion,
            String(cString: imgpipe_inflate_version()),
        ]
    }
}
