import CVectorOps

/// A picture resampled to another size: separable, down the columns first and then along each row.
///
/// The work is done in Float, with alpha premultiplied; samples are rounded once, at the end. Reducing, a few input rows at a time are
/// added to every output row that they count in, and no input row is kept; enlarging, the few input rows that an output row needs are
/// kept. Eight output rows go along their length together, one in each lane of a vector.
/// Memory: about 15 rows of Floats of the input's width and 8 as lanes, whatever the reduction.
public final class Resizer: RowSource {
    private let source: any RowSource
    private let across: Weights
    private let down: Weights
    private let pixels: FloatPixels
    private let ops: imgpipe_vector_ops
    private let isReducing: Bool
    private let samplesPerRow: Int

    /// Rows as the source gives them, waiting.
    private let input: BufferLease
    private var inputRows = 0..<0
    /// Reducing: the input rows that are added next. Enlarging: input row i in place i mod count, while it counts.
    private let inputFloats: FloatRows
    /// Output row i, resampled down the columns, in place i mod count.
    private let sums: FloatRows
    private let sumCount: Int
    private let inputCount: Int
    /// Eight such rows as lanes, and what becomes of them.
    private let lanes: BufferLease
    private let outputLanes: BufferLease
    /// Finished rows, and those of them that were not given yet.
    private let finished: BufferLease
    private var finishedRows = 0..<0
    /// Input rows that were added or loaded, output rows that were finished, and the first output row that is not summed up.
    private var inputDone = 0
    private var outputDone = 0
    private var firstOpen = 0

    public let info: ImageInfo
    public var metadata: [MetadataRecord] { source.metadata }
    public var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed grey or RGB. `width`, `height`: at least 1. `isLinear`: the work is done in linear light.
    public convenience init(
        _ source: any RowSource, width: UInt32, height: UInt32, kernel: Kernel, isLinear: Bool = false, pool: BufferPool
    ) throws(ImageError) {
        try self.init(source, width: width, height: height, kernel: kernel, isLinear: isLinear, ops: VectorOps.best, pool: pool)
    }

    init(
        _ source: any RowSource, width: UInt32, height: UInt32, kernel: Kernel, isLinear: Bool, ops: imgpipe_vector_ops, pool: BufferPool
    ) throws(ImageError) {
        precondition(source.info.format.layout == .packed, "planes are converted before")
        (self.source, self.ops) = (source, ops)
        let before = source.info
        var info = before
        (info.width, info.height, info.fullWidth, info.fullHeight) = (width, height, width, height)
        // Grey of one bit has more shades when it is resampled; a picture of 8 bits stays one of 8.
        info.depth = max(info.depth, 8)
        if info.format.hasAlpha { info.format.alpha = .straight }
        self.info = info
        pixels = FloatPixels(before, isLinear: isLinear, ops: ops)
        across = try Weights(from: Int(before.width), to: Int(width), kernel: kernel, pool: pool)
        down = try Weights(from: Int(before.height), to: Int(height), kernel: kernel, pool: pool)
        isReducing = height <= before.height
        let channels = before.format.channels
        samplesPerRow = Int(before.width) * channels
        let batch = min(VectorOps.lanes, Int(height))
        inputCount = isReducing ? VectorOps.mostRows : down.longest
        sumCount = isReducing ? batch + down.mostMeeting(span: VectorOps.mostRows) : batch
        input = try pool.lease(before.bandBufferBytes)
        inputFloats = try FloatRows(inputCount, samples: samplesPerRow, pool: pool)
        sums = try FloatRows(sumCount, samples: samplesPerRow, pool: pool)
        let laneBytes = VectorOps.lanes * MemoryLayout<Float>.stride
        lanes = try pool.lease(VectorOps.padded(samplesPerRow) * laneBytes)
        outputLanes = try pool.lease(VectorOps.padded(Int(width) * channels) * laneBytes)
        finished = try pool.lease(batch * info.rowBytes)
    }

    public func nextFrame() throws(ImageError) -> Frame? {
        (inputDone, outputDone, firstOpen, inputRows, finishedRows) = (0, 0, 0, 0..<0, 0..<0)
        return try source.nextFrame()
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let most = min(bands.byteCount / info.rowBytes, Int(info.height) - outputDone + finishedRows.count)
        var done = 0
        while done < most {
            if finishedRows.isEmpty {
                // What is finished goes on before this waits for more input, once it is worth a write.
                if done * info.rowBytes >= Self.worthwhileBytes && inputRows.isEmpty && needsInput { break }
                try finishBatch()
            }
            let count = min(finishedRows.count, most - done)
            let from = finished.start + finishedRows.lowerBound * info.rowBytes
            bands.withUnsafeMutableBytes { ($0.baseAddress! + done * info.rowBytes).copyMemory(from: from, byteCount: count * info.rowBytes) }
            finishedRows = finishedRows.lowerBound + count..<finishedRows.upperBound
            done += count
        }
        if outputDone == Int(info.height) && finishedRows.isEmpty { try drainInput() }
        return done
    }

    private static let worthwhileBytes = 32 << 10

    /// Output rows of the next batch.
    private var batchRows: Int { min(VectorOps.lanes, Int(info.height) - outputDone) }

    private var needsInput: Bool { inputDone < down.windows[outputDone + batchRows - 1].end }

    /// The rows behind the last one that counts: the source is to be read to its end.
    private func drainInput() throws(ImageError) {
        while inputDone + inputRows.count < Int(source.info.height) {
            inputDone += inputRows.count
            try fetch()
        }
    }

    private func fetch() throws(ImageError) {
        inputRows = 0..<(try source.readRows(to: input.start, byteCount: input.count))
    }

    /// The next input row as premultiplied Floats at `target`.
    private func nextInputRow(to target: UnsafeMutablePointer<Float>) throws(ImageError) {
        if inputRows.isEmpty { try fetch() }
        let row = input.start + inputRows.lowerBound * source.info.rowBytes
        pixels.load(row, to: target, pixels: Int(source.info.width))
        inputRows = inputRows.lowerBound + 1..<inputRows.upperBound
        inputDone += 1
    }

    private func finishBatch() throws(ImageError) {
        let count = batchRows
        if isReducing { try reduce(through: outputDone + count) } else { try enlarge(outputDone..<outputDone + count) }
        resampleAcross(count)
        outputDone += count
        finishedRows = 0..<count
    }

    // MARK: Down the columns

    /// Sums up all output rows before `end`.
    private func reduce(through end: Int) throws(ImageError) {
        while inputDone < down.windows[end - 1].end {
            let first = inputDone
            let rows = first..<min(first + VectorOps.mostRows, Int(source.info.height))
            for i in 0..<rows.count { try nextInputRow(to: inputFloats[i]) }
            while firstOpen < down.windows.count, down.windows[firstOpen].end <= first { firstOpen += 1 }
            var output = firstOpen
            while output < down.windows.count, down.windows[output].first < rows.upperBound {
                let window = down.windows[output]
                let part = max(window.first, first)..<min(window.end, rows.upperBound)
                if !part.isEmpty {
                    add(to: sums[output % sumCount], isFresh: part.lowerBound == window.first, window, part) { self.inputFloats[$0 - first] }
                }
                output += 1
            }
        }
    }

    private func enlarge(_ outputs: Range<Int>) throws(ImageError) {
        for output in outputs {
            let window = down.windows[output]
            while inputDone < window.end { try nextInputRow(to: inputFloats[inputDone % inputCount]) }
            for start in stride(from: window.first, to: window.end, by: VectorOps.mostRows) {
                let part = start..<min(start + VectorOps.mostRows, window.end)
                add(to: sums[output % sumCount], isFresh: start == window.first, window, part) { self.inputFloats[$0 % self.inputCount] }
            }
        }
    }

    /// Adds the input rows `part`, at most four, times their weights.
    private func add(
        to sum: UnsafeMutablePointer<Float>, isFresh: Bool, _ window: Weights.Window, _ part: Range<Int>,
        row: (Int) -> UnsafeMutablePointer<Float>
    ) {
        var rows: (UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?) = (nil, nil, nil, nil)
        withUnsafeMutableBytes(of: &rows) { rows in
            let rows = rows.bindMemory(to: UnsafePointer<Float>?.self)
            for (i, number) in part.enumerated() { rows[i] = UnsafePointer(row(number)) }
            let weights = down.values + window.offset + part.lowerBound - window.first
            ops.add_rows(sum, isFresh ? 1 : 0, rows.baseAddress, weights, Int32(part.count), samplesPerRow)
        }
    }

    // MARK: Along the rows

    /// The next `count` rows of `sums` into `finished`.
    private func resampleAcross(_ count: Int) {
        let lanes = lanes.start.assumingMemoryBound(to: Float.self)
        let outputLanes = outputLanes.start.assumingMemoryBound(to: Float.self)
        // Lanes that no row needs have one all the same.
        let rows: [UnsafePointer<Float>?] = (0..<VectorOps.lanes).map { UnsafePointer(sums[(outputDone + min($0, count - 1)) % sumCount]) }
        rows.withUnsafeBufferPointer { ops.interleave($0.baseAddress, lanes, samplesPerRow) }
        ops.resample(lanes, outputLanes, across.windows.baseAddress, across.values, across.windows.count, Int32(info.format.channels))
        pixels.store(outputLanes, to: (0..<count).map { finished.start + $0 * info.rowBytes }, pixels: Int(info.width))
    }
}
