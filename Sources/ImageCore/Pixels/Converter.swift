/// Rows of one format as rows of another: channels added, dropped or mixed, depth changed, alpha blended with a background,
/// planes made RGB.
///
/// - Grey from RGB is BT.601 luma with libjpeg's integers: (19595 R + 38470 G + 7471 B + 32768) >> 16.
/// - 16 bit to 8 is rounded, v x 255 / 65535; 8 to 16 is v x 257.
/// - Alpha that the new format has no place for is blended with `background`: c x a + background x (1 - a), rounded.
/// - Premultiplied samples become straight.
public final class Converter: RowSource {
    private let source: any RowSource
    private let background: Color
    private let buffer: BufferLease
    private let upsampler: ChromaUpsampler?

    public let info: ImageInfo
    public var metadata: [MetadataRecord] { source.metadata }
    public var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `format`: packed, grey or RGB, alpha none or straight. Throws `overLimit(.memory)`.
    public init(
        _ source: any RowSource, to format: PixelFormat,
        background: Color = .white, pool: BufferPool
    ) throws(ImageError) {
        precondition(format.layout == .packed && format.model != .ycbcr && format.alpha != .premultiplied)
        (self.source, self.background) = (source, background)
        var info = source.info
        info.setFormat(format)
        info.depth = min(info.depth, format.sample == .uint8 ? 8 : 16)
        self.info = info
        if source.info.format.model == .ycbcr {
            let upsampler = try ChromaUpsampler(source, pool: pool)
            self.upsampler = upsampler
            var rgb = source.info
            rgb.setFormat(upsampler.format)
            buffer = try pool.lease(rgb.bandBufferBytes)
        } else {
            upsampler = nil
            buffer = try pool.lease(source.info.bandBufferBytes)
        }
    }

    public func nextFrame() throws(ImageError) -> Frame? {
        upsampler?.beginFrame()
        return try source.nextFrame()
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let from = upsampler?.format ?? source.info.format
        let width = Int(info.width)
        let most = min(bands.byteCount / info.rowBytes, buffer.count / from.rowBytes(width: width))
        precondition(most > 0, "a buffer smaller than a row")
        let start = buffer.start
        var input = MutableRawSpan(_unsafeStart: start, byteCount: most * from.rowBytes(width: width))
        let rows = if let upsampler { try upsampler.read(into: &input) } else { try source.read(into: &input) }
        bands.withUnsafeMutableBytes { convert(start, from, to: $0.baseAddress!, pixels: rows * width) }
        return rows
    }

    private func convert(
        _ input: UnsafeMutableRawPointer, _ from: PixelFormat, to output: UnsafeMutableRawPointer, pixels: Int
    ) {
        if from == info.format {
            output.copyMemory(from: input, byteCount: pixels * from.channels * from.sample.byteCount)
            return
        }
        switch (from.sample, info.format.sample) {
        case (.uint8, .uint8): convert(input, UInt8.self, from, to: output, UInt8.self, pixels)
        case (.uint8, .uint16): convert(input, UInt8.self, from, to: output, UInt16.self, pixels)
        case (.uint16, .uint8): convert(input, UInt16.self, from, to: output, UInt8.self, pixels)
        case (.uint16, .uint16): convert(input, UInt16.self, from, to: output, UInt16.self, pixels)
        }
    }

    private func convert<From: FixedWidthInteger & UnsignedInteger, To: FixedWidthInteger & UnsignedInteger>(
        _ input: UnsafeMutableRawPointer, _: From.Type, _ from: PixelFormat,
        to output: UnsafeMutableRawPointer, _: To.Type, _ pixels: Int
    ) {
        let source = input.assumingMemoryBound(to: From.self)
        let target = output.assumingMemoryBound(to: To.self)
        let to = info.format
        let (step, toStep) = (from.channels, to.channels)
        let (isGray, toGray) = (from.model == .gray, to.model == .gray)
        let maximum = Int(From.max)
        // The background in the source's depth; blended before the depth is changed, so that it is rounded once.
        let scale = maximum / 255
        let ground = (
            Int(background.red) * scale, Int(background.green) * scale, Int(background.blue) * scale
        )
        for i in 0..<pixels {
            let pixel = source + i * step
            var r = Int(pixel[0])
            var g = isGray ? r : Int(pixel[1])
            var b = isGray ? r : Int(pixel[2])
            let a = from.hasAlpha ? Int(pixel[step - 1]) : maximum
            if from.alpha == .premultiplied {
                r = Self.straight(r, a, maximum)
                g = Self.straight(g, a, maximum)
                b = Self.straight(b, a, maximum)
            }
            if from.hasAlpha && !to.hasAlpha {
                r = Self.blend(r, ground.0, a, maximum)
                g = Self.blend(g, ground.1, a, maximum)
                b = Self.blend(b, ground.2, a, maximum)
            }
            let out = target + i * toStep
            if toGray {
                // A coloured background makes grey coloured; its luma is meant then too.
                let luma = r == g && g == b ? r : (19595 * r + 38470 * g + 7471 * b + 32768) >> 16
                out[0] = Self.scaled(luma, from: From.self)
            } else {
                out[0] = Self.scaled(r, from: From.self)
                out[1] = Self.scaled(g, from: From.self)
                out[2] = Self.scaled(b, from: From.self)
            }
            if to.hasAlpha { out[toStep - 1] = Self.scaled(a, from: From.self) }
        }
    }

    @inline(__always)
    private static func scaled<From: FixedWidthInteger, To: FixedWidthInteger>(_ sample: Int, from: From.Type) -> To {
        if From.bitWidth == To.bitWidth { return To(truncatingIfNeeded: sample) }
        return To(truncatingIfNeeded: From.bitWidth < To.bitWidth ? sample * 257 : (sample * 255 + 32767) / 65535)
    }

    /// A premultiplied sample without its alpha, rounded.
    @inline(__always)
    static func straight(_ sample: Int, _ alpha: Int, _ maximum: Int) -> Int {
        alpha == 0 ? 0 : min(maximum, (sample * maximum + alpha / 2) / alpha)
    }

    @inline(__always)
    private static func blend(_ sample: Int, _ ground: Int, _ alpha: Int, _ maximum: Int) -> Int {
        (sample * alpha + ground * (maximum - alpha) + maximum / 2) / maximum
    }
}
