import CVectorOps

/// Resamples rows of interleaved samples to another size: rows are pushed while it wants them, and come out eight at a time.
///
/// The work is done in Float; samples are rounded once, at the end. Separable, down the columns first: reducing, four input rows at a
/// time are added to every output row that they count in, and no input row is kept; enlarging, the few input rows that an output row
/// needs are kept. Eight output rows go along their length together, one in each lane of a vector.
/// Memory: about 15 rows of Floats of the input's width and 8 as lanes, whatever the reduction.
final class RowResampler {
    private let across: Weights
    private let down: Weights
    private let pixels: FloatPixels
    private let ops: imgpipe_vector_ops
    private let isReducing: Bool
    private let channels: Int
    private let inputWidth: Int
    private let inputHeight: Int

    /// Reducing: the input rows that are added next. Enlarging: input row i in place i mod count, while it counts.
    private let inputFloats: FloatRows
    private let inputCount: Int
    /// Output row i, resampled down the columns, in place i mod count.
    private let sums: FloatRows
    private let sumCount: Int
    /// Eight such rows as lanes, and what becomes of them.
    private let lanes: BufferLease
    private let outputLanes: BufferLease
    /// Input rows pushed, and those of them that were added; output rows given, those whose sum is whole, and reducing, the first that may
    /// still grow.
    private var pushed = 0
    private var added = 0
    private(set) var given = 0
    private var summed = 0
    private var firstOpen = 0

    /// `across`, `down`: weights from the input's sides to the output's. `ahead`: input rows that may be pushed beyond what is wanted;
    /// reducing only.
    init(
        _ pixels: FloatPixels, channels: Int, inputWidth: Int, inputHeight: Int, across: Weights, down: Weights, ahead: Int = 0,
        ops: imgpipe_vector_ops, pool: BufferPool
    ) throws(ImageError) {
        (self.pixels, self.channels, self.across, self.down, self.ops) = (pixels, channels, across, down, ops)
        (self.inputWidth, self.inputHeight) = (inputWidth, inputHeight)
        isReducing = down.windows.count <= inputHeight
        precondition(isReducing || ahead == 0)
        let batch = min(VectorOps.lanes, down.windows.count)
        inputCount = isReducing ? VectorOps.mostRows : down.longest
        sumCount = isReducing ? batch + down.mostMeeting(span: VectorOps.mostRows + ahead) : batch
        inputFloats = try FloatRows(inputCount, samples: inputWidth * channels, pool: pool)
        sums = try FloatRows(sumCount, samples: inputWidth * channels, pool: pool)
        let laneBytes = VectorOps.lanes * MemoryLayout<Float>.stride
        lanes = try pool.lease(VectorOps.padded(inputWidth * channels) * laneBytes)
        outputLanes = try pool.lease(VectorOps.padded(across.windows.count * channels) * laneBytes)
    }

    /// Before each frame.
    func begin() {
        (pushed, added, given, summed, firstOpen) = (0, 0, 0, 0, 0)
    }

    /// Output rows of the next batch; 0 after the last.
    var batchRows: Int { min(VectorOps.lanes, down.windows.count - given) }

    var isBatchReady: Bool {
        let count = batchRows
        return count > 0 && (isReducing ? added >= down.windows[given + count - 1].end : summed >= given + count)
    }

    /// The next input row; while the batch is not ready.
    func push(_ row: UnsafeRawPointer) {
        if isReducing {
            pixels.load(row, to: inputFloats[pushed - added], pixels: inputWidth)
            pushed += 1
            if pushed - added == VectorOps.mostRows || pushed == inputHeight { addPushed() }
        } else {
            pixels.load(row, to: inputFloats[pushed % inputCount], pixels: inputWidth)
            pushed += 1
            sumUp()
        }
    }

    /// Puts the batch, which is ready, at `rows`: rows of the output's width, one right behind another.
    func finishBatch(to rows: UnsafeMutableRawPointer) {
        let count = batchRows
        let lanes = lanes.start.assumingMemoryBound(to: Float.self)
        let outputLanes = outputLanes.start.assumingMemoryBound(to: Float.self)
        // Lanes that no row needs have one all the same.
        sums.interleave(to: lanes, samples: inputWidth * channels, ops) { (given + min($0, count - 1)) % sumCount }
        ops.resample(lanes, outputLanes, across.windows.baseAddress, across.values, across.windows.count, Int32(channels))
        pixels.store(outputLanes, to: rows, rowCount: count, pixels: across.windows.count)
        given += count
        if !isReducing { sumUp() }
    }

    // MARK: Down the columns

    /// Adds the input rows that wait to every output row that they count in.
    private func addPushed() {
        let rows = added..<pushed
        while firstOpen < down.windows.count, down.windows[firstOpen].end <= rows.lowerBound { firstOpen += 1 }
        var output = firstOpen
        while output < down.windows.count, down.windows[output].first < rows.upperBound {
            precondition(output - given < sumCount, "rows pushed too far ahead")
            let window = down.windows[output]
            let part = max(window.first, rows.lowerBound)..<min(window.end, rows.upperBound)
            if !part.isEmpty {
                add(to: sums[output % sumCount], isFresh: part.lowerBound == window.first, window, part) { self.inputFloats[$0 - rows.lowerBound] }
            }
            output += 1
        }
        added = pushed
    }

    /// Sums up the rows of the batch whose input rows are all there.
    private func sumUp() {
        while summed < given + batchRows, down.windows[summed].end <= pushed {
            let window = down.windows[summed]
            for start in stride(from: window.first, to: window.end, by: VectorOps.mostRows) {
                let part = start..<min(start + VectorOps.mostRows, window.end)
                add(to: sums[summed % sumCount], isFresh: start == window.first, window, part) { self.inputFloats[$0 % self.inputCount] }
            }
            summed += 1
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
            ops.add_rows(sum, isFresh ? 1 : 0, rows.baseAddress, weights, Int32(part.count), inputWidth * channels)
        }
    }
}
