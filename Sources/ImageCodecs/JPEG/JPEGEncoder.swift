import CCodecShims
import ImageCore

/// JPEG through libjpeg-turbo, by rows; progressive or with tables of its own it is held as coefficients.
final class JPEGEncoder: RowSink {
    private let jpeg: OpaquePointer
    private let output: CodecOutput
    private let options: EncodeOptions
    private let pool: BufferPool
    private var rowBytes = 0
    /// Where rows come as planes.
    private var blocks: JPEGBlocks?
    /// Metadata that has no place in the file, and why.
    private(set) var leftOut: [String] = []

    /// The largest side of a JPEG in libjpeg: jmorecfg.h.
    static let maximumSide: UInt32 = 65500

    init(_ sink: any ByteSink, _ options: EncodeOptions, pool: BufferPool) throws(ImageError) {
        guard let jpeg = imgpipe_jpeg_encoder_new() else { throw .outOfMemory }
        (self.jpeg, self.options, self.pool) = (jpeg, options, pool)
        output = CodecOutput(sink)
    }

    deinit { imgpipe_jpeg_encoder_free(jpeg) }


    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        guard max(info.width, info.height) <= Self.maximumSide else {
            throw .unsupported("\(info.width) x \(info.height) is more than a JPEG holds (\(Self.maximumSide) a side)")
        }
        if options.isProgressive || options.optimizesTables {
            // Two bytes a coefficient, and blocks of 16 at the edges.
            let pixels = (UInt64(info.width) + 16) * (UInt64(info.height) + 16)
            try pool.check(bytes: pixels * 2 * UInt64(info.format.channels))
        }
        rowBytes = info.rowBytes
        let subsampling = options.chromaSubsampling
        blocks = info.format.layout == .planar ? try JPEGBlocks(info, pool: pool) : nil
        // Dots per inch, 16 bits.
        func perInch(_ perMetre: UInt32) -> UInt16 { UInt16(clamping: (UInt64(perMetre) * 254 + 5000) / 10000) }
        var settings = imgpipe_jpeg_settings(
            width: info.width, height: info.height,
            color_space: Int32(Self.colorSpace(info.format.model)), planes: blocks == nil ? 0 : 1,
            quality: Int32(options.quality), horizontal: Int32(subsampling.horizontal),
            vertical: Int32(subsampling.vertical), progressive: options.isProgressive ? 1 : 0,
            optimize: options.optimizesTables ? 1 : 0, restart_rows: Int32(options.restartRows), density_x: perInch(info.density.x), density_y: perInch(info.density.y))
        try check(imgpipe_jpeg_begin(jpeg, output.callbacks, &settings))
        let embedded = EmbeddedMetadata(metadata, info: info)
        for segment in JPEGSegments(embedded, leftOut: &leftOut).segments {
            try check(imgpipe_jpeg_write_marker(jpeg, segment.code, segment.payload, segment.payload.count))
        }
        // A profile is cut into at most 255 segments: ICC.1:2022 annex B.4.
        if embedded.icc.count > 255 * 65519 {
            leftOut.append("an ICC profile of \(embedded.icc.count) bytes, more than a JPEG holds")
        } else if !embedded.icc.isEmpty {
            try check(imgpipe_jpeg_write_icc(jpeg, embedded.icc, embedded.icc.count))
        }
    }

    private static func colorSpace(_ model: ColorModel) -> Int {
        switch model {
        case .gray: IMGPIPE_JPEG_GRAY
        case .rgb: IMGPIPE_JPEG_RGB
        case .ycbcr: IMGPIPE_JPEG_YCBCR
        }
    }

    func beginFrame(_ frame: Frame) throws(ImageError) {}

    func write(_ bands: RawSpan, rows: Int) throws(ImageError) {
        if let blocks {
            return try bands.withUnsafeBytes { (bytes) throws(ImageError) in
                try blocks.take(bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), rows: rows, encode: writePlanes)
            }
        }
        try check(
            bands.withUnsafeBytes {
                imgpipe_jpeg_write_rows(
                    jpeg, $0.baseAddress!.assumingMemoryBound(to: UInt8.self), rowBytes, UInt32(rows))
            })
    }

    private func writePlanes(_ tables: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?>) throws(ImageError) {
        try check(imgpipe_jpeg_write_planes(jpeg, tables))
    }

    func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {
        try blocks?.finish(encode: writePlanes)
        try check(imgpipe_jpeg_end(jpeg))
        let late = trailingMetadata.filter { [.exif, .xmp, .iptc, .text].contains($0.type) }
        if !late.isEmpty { leftOut.append("metadata that came behind the pixels, which a JPEG has before them") }
    }

    private func check(_ code: imgpipe_code) throws(ImageError) {
        if code != IMGPIPE_OK { throw output.error(code, imgpipe_jpeg_encoder_message(jpeg)) }
    }
}
