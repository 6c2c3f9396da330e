/// Planes of YCbCr reduced, each from its own size to that of the result, which is packed YCbCr: chroma that several pixels shared comes
/// out full, as the reduction leaves enough of it.
///
/// A chroma sample lies at the centre of the pixels that share it (JFIF), so chroma is scaled by luma's extent / h and extent / v, not by
/// the number of its samples, which is rounded up.
public final class PlanarResizer: RowSource {
    private let source: any RowSource
    /// Luma, Cb, Cr.
    private let planes: [AnyRowResampler]
    private let input: BufferLease
    /// Finished rows: a batch of each plane, one behind the other; and those that were not given yet.
    private let finished: BufferLease
    private var finishedRows = 0..<0
    private var inputDone = 0
    private var rowsDone = 0

    public let info: ImageInfo
    public var metadata: [MetadataRecord] { source.metadata }
    public var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// Whether the chroma of `info`, planes of 8 bits, is at least `width` x `height`.
    public static func takes(_ info: ImageInfo, width: UInt32, height: UInt32) -> Bool {
        let subsampling = info.format.subsampling
        return info.format.layout == .planar && info.format.sample == .uint8
            && UInt64(width) * UInt64(subsampling.horizontal) <= UInt64(info.width)
            && UInt64(height) * UInt64(subsampling.vertical) <= UInt64(info.height)
    }

    /// `source`: one that `takes` says yes to. Throws `overLimit(.memory)`, as rows and weights are leased from `pool`.
    public init(
        _ source: any RowSource, width: UInt32, height: UInt32, kernel: Kernel, cache: WeightsCache? = nil, pool: BufferPool
    ) throws(ImageError) {
        let before = source.info
        precondition(Self.takes(before, width: width, height: height))
        self.source = source
        var info = before.resized(width: width, height: height)
        info.setFormat(PixelFormat(.ycbcr))
        self.info = info
        input = try pool.lease(before.bandBufferBytes)
        finished = try pool.lease(3 * min(Resampling.mostBatchRows, Int(height)) * Int(width))
        let (w, h) = (Int(before.width), Int(before.height))
        let subsampling = before.format.subsampling
        var sample = before
        sample.setFormat(.gray)
        let extent = before.extent
        let cache = cache ?? WeightsCache(pool: pool)
        // The picture covers so much of a plane of so many columns and rows.
        func plane(_ columns: Int, _ rows: Int, _ extentX: Double, _ extentY: Double) throws(ImageError) -> Resampling {
            Resampling(
                width: columns, height: rows, across: try cache.weights(from: columns, extent: extentX, to: Int(width), kernel: kernel),
                down: try cache.weights(from: rows, extent: extentY, to: Int(height), kernel: kernel), rowsAhead: Self.rowsAhead)
        }
        let luma = try plane(w, h, extent.width, extent.height)
        let chroma = try plane(
            before.format.chromaWidth(width: w), (h + subsampling.vertical - 1) / subsampling.vertical,
            extent.width / Double(subsampling.horizontal), extent.height / Double(subsampling.vertical))
        let isFixed = luma.isFixed(sample.format) && chroma.isFixed(sample.format)
        planes = [
            try luma.resampler(sample, isFixed: isFixed, pool: pool), try chroma.resampler(sample, isFixed: isFixed, pool: pool),
            try chroma.resampler(sample, isFixed: isFixed, pool: pool),
        ]
    }

    /// Input rows of one plane that are pushed beyond what it wants because another plane wants more: the kernel's reach is rounded to
    /// rows of each plane, and bands are whole. 4:1:1's and 4:2:0's windows end within two bands of each other.
    private static let rowsAhead = 8

    public func nextFrame() throws(ImageError) -> Frame? {
        (finishedRows, inputDone, rowsDone) = (0..<0, 0, 0)
        for plane in planes { plane.begin() }
        return try source.nextFrame()
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let most = min(bands.byteCount / info.rowBytes, Int(info.height) - rowsDone)
        var done = 0
        while done < most {
            if finishedRows.isEmpty {
                // What is finished goes on before this waits for more input, once it is worth a write.
                if done * info.rowBytes >= Resizer.worthwhileBytes && waiting == 0 && !isBatchReady { break }
                try finishBatch()
            }
            let count = min(finishedRows.count, most - done)
            let from = finishedRows.lowerBound
            bands.withUnsafeMutableBytes { bands in
                for row in 0..<count { interleave(from + row, to: bands.baseAddress! + (done + row) * info.rowBytes) }
            }
            finishedRows = from + count..<finishedRows.upperBound
            done += count
        }
        rowsDone += done
        if rowsDone == Int(info.height) { try drainInput() }
        return done
    }

    private var isBatchReady: Bool { planes.allSatisfy { $0.isBatchReady } }

    private func finishBatch() throws(ImageError) {
        while !isBatchReady { try pushBand() }
        let count = planes[0].batchRows
        for number in 0..<3 { planes[number].finishBatch(to: finished.start + number * batchBytes) }
        finishedRows = 0..<count
    }

    private var batchBytes: Int { finished.count / 3 }

    /// Planes of finished rows as pixels.
    private func interleave(_ row: Int, to target: UnsafeMutableRawPointer) {
        let width = Int(info.width)
        let luma = UnsafePointer((finished.start + row * width).assumingMemoryBound(to: UInt8.self))
        let (cb, cr) = (luma + batchBytes, luma + 2 * batchBytes)
        VectorOps.best.interleave3(luma, cb, cr, target.assumingMemoryBound(to: UInt8.self), width)
    }

    // MARK: Input

    /// Luma rows at hand that were not pushed, and where the band of the first one begins in `input`.
    private var waiting = 0
    private var bandStart = 0

    private func fetch() throws(ImageError) {
        waiting = try source.readRows(to: input.start, byteCount: input.count)
        bandStart = 0
        inputDone += waiting
    }

    private func pushBand() throws(ImageError) {
        if waiting == 0 { try fetch() }
        let before = source.info
        let rows = min(before.format.bandRows, waiting)
        var row = UnsafeRawPointer(input.start + bandStart)
        for _ in 0..<rows {
            planes[0].push(row)
            row += Int(before.width)
        }
        for chroma in planes.dropFirst() {
            chroma.push(row)
            row += before.format.chromaWidth(width: Int(before.width))
        }
        bandStart += before.byteCount(rows: rows)
        waiting -= rows
    }

    /// The rows behind the last one that counts: the source is to be read to its end.
    private func drainInput() throws(ImageError) {
        while inputDone < Int(source.info.height) { try fetch() }
        waiting = 0
    }
}
