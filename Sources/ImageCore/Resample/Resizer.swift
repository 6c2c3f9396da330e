/// A picture resampled to another size, row by row: separable, down the columns first and then along each row.
///
/// The work is done in Float, with alpha premultiplied; samples are rounded once, at the end. Reducing, an input row is added to
/// every output row that it counts in, and no input row is kept; enlarging, the few input rows that an output row needs are kept.
/// Memory: about 7 rows of Floats, whatever the reduction.
public final class Resizer: RowSource {
    private let source: any RowSource
    private let across: Weights
    private let down: Weights
    private let pixels: FloatPixels
    private let inputWidth: Int
    private let isReducing: Bool

    /// Rows as the source gives them, waiting.
    private let input: BufferLease
    private var inputRows = 0..<0
    /// `slots` rows of Floats of the input's width: sums of output rows, or input rows.
    private let ring: BufferLease
    private let slots: Int
    /// One row of Floats of the input's width, and one of the output's.
    private let work: BufferLease
    private let output: BufferLease
    private var inputDone = 0
    private var outputDone = 0

    public let info: ImageInfo
    public var metadata: [MetadataRecord] { source.metadata }
    public var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed grey or RGB. `width`, `height`: at least 1. `isLinear`: the work is done in linear light.
    public init(_ source: any RowSource, width: UInt32, height: UInt32, kernel: Kernel, isLinear: Bool = false, pool: BufferPool) throws(ImageError) {
        precondition(source.info.format.layout == .packed, "planes are converted before")
        self.source = source
        let before = source.info
        var info = before
        (info.width, info.height, info.fullWidth, info.fullHeight) = (width, height, width, height)
        // Grey of one bit has more shades when it is resampled; a picture of 8 bits stays one of 8.
        info.depth = max(info.depth, 8)
        if info.format.hasAlpha { info.format.alpha = .straight }
        self.info = info
        pixels = FloatPixels(before, isLinear: isLinear)
        inputWidth = Int(before.width)
        across = try Weights(from: inputWidth, to: Int(width), kernel: kernel, pool: pool)
        down = try Weights(from: Int(before.height), to: Int(height), kernel: kernel, pool: pool)
        isReducing = height <= before.height
        slots = isReducing ? down.mostOverlapping : down.longest
        let floatRow = inputWidth * before.format.channels * MemoryLayout<Float>.stride
        input = try pool.lease(before.bandBufferBytes)
        ring = try pool.lease(slots * floatRow)
        work = try pool.lease(floatRow)
        output = try pool.lease(Int(width) * before.format.channels * MemoryLayout<Float>.stride)
    }

    public func nextFrame() throws(ImageError) -> Frame? {
        (inputDone, outputDone, inputRows) = (0, 0, 0..<0)
        return try source.nextFrame()
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let most = min(bands.byteCount / info.rowBytes, Int(info.height) - outputDone)
        var done = 0
        while done < most {
            // What is finished goes on before this waits for more input, once it is worth a write.
            if done * info.rowBytes >= Self.worthwhileBytes && inputRows.isEmpty && needsInput { break }
            if isReducing { try reduceToNextRow() } else { try enlargeToNextRow() }
            let at = done * info.rowBytes
            bands.withUnsafeMutableBytes { pixels.store(floats(output), to: $0.baseAddress! + at, pixels: Int(info.width)) }
            done += 1
            outputDone += 1
        }
        if outputDone == Int(info.height) { try drainInput() }
        return done
    }

    private static let worthwhileBytes = 32 << 10

    private var needsInput: Bool { inputDone < down.windows[outputDone].end }

    /// The rows behind the last one that counts: the source is to be read to its end.
    private func drainInput() throws(ImageError) {
        while inputDone + inputRows.count < Int(source.info.height) {
            inputDone += inputRows.count
            try fetch()
        }
    }

    // MARK: Rows

    private var samplesPerRow: Int { inputWidth * source.info.format.channels }

    private func floats(_ lease: borrowing BufferLease) -> UnsafeMutablePointer<Float> {
        lease.start.assumingMemoryBound(to: Float.self)
    }

    private func slot(_ number: Int) -> UnsafeMutablePointer<Float> {
        floats(ring) + number % slots * samplesPerRow
    }

    private func fetch() throws(ImageError) {
        inputRows = 0..<(try source.readRows(to: input.start, byteCount: input.count))
    }

    /// The next input row as premultiplied Floats at `target`.
    private func nextInputRow(to target: UnsafeMutablePointer<Float>) throws(ImageError) {
        if inputRows.isEmpty { try fetch() }
        let row = input.start + inputRows.lowerBound * source.info.rowBytes
        pixels.load(row, to: target, pixels: inputWidth)
        inputRows = inputRows.lowerBound + 1..<inputRows.upperBound
        inputDone += 1
    }

    // MARK: Down the columns

    /// Every output row whose window has begun has its sum in slot (row mod slots).
    private func reduceToNextRow() throws(ImageError) {
        let window = down.windows[outputDone]
        while inputDone < window.end {
            let row = inputDone
            try nextInputRow(to: floats(work))
            var output = outputDone
            while output < down.windows.count, down.windows[output].first <= row {
                let window = down.windows[output]
                if row < window.end {
                    let weight = down.values[window.offset + row - window.first]
                    FloatRows.add(
                        floats(work), times: weight, to: slot(output), count: samplesPerRow, fresh: row == window.first)
                }
                output += 1
            }
        }
        resampleAcross(slot(outputDone))
    }

    /// The input rows of the window are in slots (row mod slots).
    private func enlargeToNextRow() throws(ImageError) {
        let window = down.windows[outputDone]
        while inputDone < window.end { try nextInputRow(to: slot(inputDone)) }
        for i in 0..<window.count {
            FloatRows.add(
                slot(window.first + i), times: down.values[window.offset + i], to: floats(work), count: samplesPerRow,
                fresh: i == 0)
        }
        resampleAcross(floats(work))
    }

    // MARK: Along a row

    private func resampleAcross(_ row: UnsafeMutablePointer<Float>) {
        FloatRows.resample(row, to: floats(output), across, channels: source.info.format.channels)
    }
}
