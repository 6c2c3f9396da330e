import ImageCore

/// PAM, netpbm's pam(5): a header of a few lines and rows as they are, high bytes first. It has no end mark, so what is written to
/// a pipe is on its way before the picture is known to be complete; the reader sees a short end when it is not.
final class PAMEncoder: RowSink {
    private let sink: any ByteSink
    private let pool: BufferPool
    private var isWide = false
    private var swapped: HeldBuffer?

    init(_ sink: any ByteSink, pool: BufferPool) {
        (self.sink, self.pool) = (sink, pool)
    }

    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        let type = (info.format.model == .gray ? "GRAYSCALE" : "RGB") + (info.format.hasAlpha ? "_ALPHA" : "")
        isWide = info.format.sample == .uint16
        swapped = isWide ? HeldBuffer(try pool.lease(info.bandBufferBytes)) : nil
        let header = Array(
            """
            P7
            WIDTH \(info.width)
            HEIGHT \(info.height)
            DEPTH \(info.format.channels)
            MAXVAL \(info.format.sample.maximum)
            TUPLTYPE \(type)
            ENDHDR

            """.utf8)
        try sink.write(header.span.bytes)
    }

    func beginFrame(_ frame: Frame) throws(ImageError) {}

    func write(_ bands: RawSpan, rows: Int) throws(ImageError) {
        guard let swapped else { return try sink.write(bands) }
        let start = swapped.start
        for i in stride(from: 0, to: bands.byteCount, by: 2) {
            let sample = bands.unsafeLoad(fromByteOffset: i, as: UInt16.self)
            start.storeBytes(of: sample.bigEndian, toByteOffset: i, as: UInt16.self)
        }
        try sink.write(RawSpan(_unsafeStart: start, byteCount: bands.byteCount))
    }

    func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {}
}
