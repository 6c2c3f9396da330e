/// A picture resampled to another size: see `RowResampler`. Alpha is premultiplied for the work.
public final class Resizer: RowSource {
    private let source: any RowSource
    private let resampler: AnyRowResampler
    /// Rows as the source gives them, waiting, and how many it gave.
    private let input: BufferLease
    private var inputRows = 0..<0
    private var inputDone = 0
    /// Finished rows, and those of them that were not given yet.
    private let finished: BufferLease
    private var finishedRows = 0..<0
    private var rowsDone = 0

    public let info: ImageInfo
    public var metadata: [MetadataRecord] { source.metadata }
    public var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed. `width`, `height`: at least 1. `cache`: for the weights, where there are several pictures. `isLinear`: the work is done in linear light; not for YCbCr.
    /// Throws `overLimit(.memory)`, as rows and weights are leased from `pool`.
    public init(
        _ source: any RowSource, width: UInt32, height: UInt32, kernel: Kernel, isLinear: Bool = false, cache: WeightsCache? = nil, pool: BufferPool
    ) throws(ImageError) {
        let before = source.info
        precondition(before.format.layout == .packed, "planes are converted before")
        precondition(!isLinear || before.format.model != .ycbcr, "YCbCr is no light")
        self.source = source
        info = before.resized(width: width, height: height)
        input = try pool.lease(before.bandBufferBytes)
        finished = try pool.lease(min(Resampling.mostBatchRows, Int(height)) * info.rowBytes)
        let extent = before.extent
        let cache = cache ?? WeightsCache(pool: pool)
        let resampling = Resampling(
            width: Int(before.width), height: Int(before.height),
            across: try cache.weights(from: Int(before.width), extent: extent.width, to: Int(width), kernel: kernel),
            down: try cache.weights(from: Int(before.height), extent: extent.height, to: Int(height), kernel: kernel))
        resampler = try resampling.resampler(
            before, isFixed: !isLinear && resampling.isFixed(before.format), isLinear: isLinear, pool: pool)
    }

    public func nextFrame() throws(ImageError) -> Frame? {
        (inputDone, rowsDone, inputRows, finishedRows) = (0, 0, 0..<0, 0..<0)
        resampler.begin()
        return try source.nextFrame()
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let most = min(bands.byteCount / info.rowBytes, Int(info.height) - rowsDone)
        var done = 0
        while done < most {
            if finishedRows.isEmpty {
                // What is finished goes on before this waits for more input, once it is worth a write.
                if done * info.rowBytes >= Self.worthwhileBytes && inputRows.isEmpty && !resampler.isBatchReady { break }
                while !resampler.isBatchReady { resampler.push(try nextInputRow()) }
                let count = resampler.batchRows
                resampler.finishBatch(to: finished.start)
                finishedRows = 0..<count
            }
            let count = min(finishedRows.count, most - done)
            let from = finished.start + finishedRows.lowerBound * info.rowBytes
            bands.withUnsafeMutableBytes { ($0.baseAddress! + done * info.rowBytes).copyMemory(from: from, byteCount: count * info.rowBytes) }
            finishedRows = finishedRows.lowerBound + count..<finishedRows.upperBound
            done += count
        }
        rowsDone += done
        if rowsDone == Int(info.height) { try drainInput() }
        return done
    }

    static let worthwhileBytes = 32 << 10

    private func nextInputRow() throws(ImageError) -> UnsafeRawPointer {
        if inputRows.isEmpty { try fetch() }
        let row = input.start + inputRows.lowerBound * source.info.rowBytes
        inputRows = inputRows.lowerBound + 1..<inputRows.upperBound
        return UnsafeRawPointer(row)
    }

    private func fetch() throws(ImageError) {
        inputRows = 0..<(try source.readRows(to: input.start, byteCount: input.count))
        inputDone += inputRows.count
    }

    /// The rows behind the last one that counts: the source is to be read to its end.
    private func drainInput() throws(ImageError) {
        while inputDone < Int(source.info.height) { try fetch() }
    }
}

extension ImageInfo {
    /// That of the picture resampled to another size.
    func resized(width: UInt32, height: UInt32) -> ImageInfo {
        var info = self
        (info.width, info.height, info.fullWidth, info.fullHeight) = (width, height, width, height)
        // Grey of one bit has more shades when it is resampled; a picture of 8 bits stays one of 8.
        info.depth = max(depth, 8)
        if format.hasAlpha { info.format.alpha = .straight }
        return info
    }
}
