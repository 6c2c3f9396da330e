/// Resamples rows of interleaved samples to another size: rows are pushed while it wants them, and come out a batch at a time.
///
/// An enumeration, not a protocol: behind a protocol the loops would not be compiled for each kind of sample.
enum AnyRowResampler {
    case fixed(RowResampler<FixedArithmetic>)
    case float(RowResampler<FloatArithmetic>)

    /// Before each frame.
    func begin() {
        switch self {
        case .fixed(let rows): rows.begin()
        case .float(let rows): rows.begin()
        }
    }

    /// Output rows of the next batch; 0 after the last.
    var batchRows: Int {
        switch self {
        case .fixed(let rows): rows.batchRows
        case .float(let rows): rows.batchRows
        }
    }

    var isBatchReady: Bool {
        switch self {
        case .fixed(let rows): rows.isBatchReady
        case .float(let rows): rows.isBatchReady
        }
    }

    /// The next input row; while the batch is not ready.
    func push(_ row: UnsafeRawPointer) {
        switch self {
        case .fixed(let rows): rows.push(row)
        case .float(let rows): rows.push(row)
        }
    }

    /// Puts the batch, which is ready, at `rows`: rows of the output's width, one right behind another.
    func finishBatch(to rows: UnsafeMutableRawPointer) {
        switch self {
        case .fixed(let resampler): resampler.finishBatch(to: rows)
        case .float(let resampler): resampler.finishBatch(to: rows)
        }
    }
}

/// Between two sizes: what rows of one side become, and how many may be pushed beyond what is wanted (reducing only).
struct Resampling {
    let width: Int
    let height: Int
    let across: Weights
    let down: Weights
    var rowsAhead = 0

    /// The most rows that a batch has.
    static let mostBatchRows = max(FloatArithmetic.lanes, FixedArithmetic.lanes)

    /// Whether fixed point serves.
    func isFixed(_ format: PixelFormat) -> Bool { FixedArithmetic.serves(format, across) && FixedArithmetic.serves(format, down) }

    /// The resampler for rows of `info`; `isFixed` where that serves. What is to come out together must be of one kind.
    func resampler(_ info: ImageInfo, isFixed: Bool, isLinear: Bool = false, pool: BufferPool) throws(ImageError) -> AnyRowResampler {
        let (channels, ops) = (info.format.channels, VectorOps.best)
        if isFixed {
            return .fixed(try RowResampler(FixedArithmetic(channels: channels, ops: ops), self, channels: channels, pool: pool))
        }
        let pixels = FloatPixels(info, isLinear: isLinear)
        return .float(try RowResampler(FloatArithmetic(pixels: pixels, ops: ops), self, channels: channels, pool: pool))
    }
}

/// Separable, down the columns first: reducing, four input rows at a time are added to every output row that they count in, and no
/// input row is kept; enlarging, the few input rows that an output row needs are kept. A batch of output rows goes along its length
/// together, one in each lane of a vector.
/// Memory: about 15 to 23 rows of the input's width, 4 or 2 bytes a sample, and a batch as lanes, whatever the reduction.
final class RowResampler<Arithmetic: RowArithmetic> {
    private typealias Sample = Arithmetic.Sample
    private let arithmetic: Arithmetic
    private let across: Weights
    private let down: Weights
    private let acrossValues: UnsafePointer<Sample>
    private let downValues: UnsafePointer<Sample>
    private let isReducing: Bool
    private let channels: Int
    private let inputWidth: Int
    private let inputHeight: Int

    /// Reducing: the input rows that are added next. Enlarging: input row i in place i mod count, while it counts.
    private let inputRows: PaddedRows<Arithmetic.Sample>
    private let inputCount: Int
    /// Output row i, resampled down the columns, in place i mod count.
    private let sums: PaddedRows<Arithmetic.Sample>
    private let sumCount: Int
    /// A batch of such rows as lanes, and what becomes of them.
    private let lanes: BufferLease
    private let outputLanes: BufferLease
    /// Input rows pushed, and those of them that were added; output rows given, those whose sum is whole, and reducing, the first that may
    /// still grow.
    private var pushed = 0
    private var added = 0
    private var given = 0
    private var summed = 0
    private var firstOpen = 0

    init(_ arithmetic: Arithmetic, _ resampling: Resampling, channels: Int, pool: BufferPool) throws(ImageError) {
        (self.arithmetic, self.channels, across, down) = (arithmetic, channels, resampling.across, resampling.down)
        (inputWidth, inputHeight) = (resampling.width, resampling.height)
        isReducing = down.windows.count <= inputHeight
        precondition(isReducing || resampling.rowsAhead == 0)
        acrossValues = try arithmetic.values(of: across, pool: pool)
        downValues = try arithmetic.values(of: down, pool: pool)
        let batch = min(Arithmetic.lanes, down.windows.count)
        inputCount = isReducing ? VectorOps.mostRows : down.longest
        sumCount = isReducing ? batch + down.mostMeeting(span: VectorOps.mostRows + resampling.rowsAhead) : batch
        inputRows = try PaddedRows(inputCount, samples: inputWidth * channels, pool: pool)
        sums = try PaddedRows(sumCount, samples: inputWidth * channels, pool: pool)
        let laneBytes = Arithmetic.lanes * MemoryLayout<Sample>.stride
        lanes = try pool.lease(VectorOps.padded(inputWidth * channels) * laneBytes)
        outputLanes = try pool.lease(VectorOps.padded(across.windows.count * channels) * laneBytes)
    }

    func begin() {
        (pushed, added, given, summed, firstOpen) = (0, 0, 0, 0, 0)
    }

    /// The first batch is half of one at most, for those who wait for the first rows.
    var batchRows: Int { min(given == 0 ? VectorOps.lanes : Arithmetic.lanes, down.windows.count - given) }

    var isBatchReady: Bool {
        let count = batchRows
        return count > 0 && (isReducing ? added >= down.windows[given + count - 1].end : summed >= given + count)
    }

    func push(_ row: UnsafeRawPointer) {
        if isReducing {
            arithmetic.load(row, to: inputRows[pushed - added], pixels: inputWidth)
            pushed += 1
            if pushed - added == VectorOps.mostRows || pushed == inputHeight { addPushed() }
        } else {
            arithmetic.load(row, to: inputRows[pushed % inputCount], pixels: inputWidth)
            pushed += 1
            sumUp()
        }
    }

    func finishBatch(to rows: UnsafeMutableRawPointer) {
        let count = batchRows
        let lanes = lanes.start.assumingMemoryBound(to: Sample.self)
        let outputLanes = outputLanes.start.assumingMemoryBound(to: Sample.self)
        // Lanes that no row needs have one all the same.
        sums.withStarts(lanes: Arithmetic.lanes, { (given + min($0, count - 1)) % sumCount }) {
            arithmetic.interleave($0, to: lanes, samples: inputWidth * channels)
        }
        arithmetic.resample(lanes, to: outputLanes, across.windows, acrossValues, channels: channels)
        arithmetic.store(outputLanes, to: rows, rowCount: count, pixels: across.windows.count)
        given += count
        if !isReducing { sumUp() }
    }

    // MARK: Down the columns

    /// Samples of a row that are summed at a time: four rows' and the sum's fit into the first cache level together.
    private static var columns: Int { (4 << 10) / MemoryLayout<Sample>.stride }

    /// Adds the input rows that wait to every output row that they count in.
    private func addPushed() {
        let rows = added..<pushed
        while firstOpen < down.windows.count, down.windows[firstOpen].end <= rows.lowerBound { firstOpen += 1 }
        for column in stride(from: 0, to: inputWidth * channels, by: Self.columns) {
            var output = firstOpen
            while output < down.windows.count, down.windows[output].first < rows.upperBound {
                precondition(output - given < sumCount, "rows pushed too far ahead")
                let window = down.windows[output]
                let part = max(window.first, rows.lowerBound)..<min(window.end, rows.upperBound)
                if !part.isEmpty { add(part, of: window, to: output, column: column) { self.inputRows[$0 - rows.lowerBound] } }
                output += 1
            }
        }
        added = pushed
    }

    /// Sums up the rows of the batch whose input rows are all there.
    private func sumUp() {
        while summed < given + batchRows, down.windows[summed].end <= pushed {
            let window = down.windows[summed]
            for column in stride(from: 0, to: inputWidth * channels, by: Self.columns) {
                for start in stride(from: window.first, to: window.end, by: VectorOps.mostRows) {
                    let part = start..<min(start + VectorOps.mostRows, window.end)
                    add(part, of: window, to: summed, column: column) { self.inputRows[$0 % self.inputCount] }
                }
            }
            summed += 1
        }
    }

    /// Adds the input rows `part`, at most four of `window`, times their weights, to an output row, from `column` on.
    private func add(_ part: Range<Int>, of window: Weights.Window, to output: Int, column: Int, row: (Int) -> UnsafeMutablePointer<Sample>) {
        let rows = InlineArray<4, UnsafePointer<Sample>?> { $0 < part.count ? UnsafePointer(row(part.lowerBound + $0) + column) : nil }
        let weights = downValues + window.offset + part.lowerBound - window.first
        let samples = min(Self.columns, inputWidth * channels - column)
        rows.span.withUnsafeBufferPointer {
            arithmetic.add(
                $0.baseAddress!, weights, rowCount: part.count, to: sums[output % sumCount] + column,
                isFresh: part.lowerBound == window.first, samples: samples)
        }
    }
}
