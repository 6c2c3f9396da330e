
/// An unsharp mask, row by row: each sample is moved away from the mean of its neighbourhood, s + amount x (s - mean), where the mean
/// is weighted 1 2 1 across and down (a Gaussian of sigma 0.7, about what resampling blurs).
///
/// Alpha is sharpened along with premultiplied colour, so that a transparent neighbour lends none: one colour under any alpha stays
/// that colour. Beyond the edges the outermost samples repeat.
public final class Sharpener: RowSource {
    private let source: any RowSource
    private let amount: Float
    private let pixels: FloatPixels
    private let input: BufferLease
    private var inputRows = 0..<0
    /// Rows of Floats: the one above, the one that comes out and the one below, each in place (row mod 3).
    private let ring: PaddedRows<Float>
    /// Rows that come out together, and as lanes.
    private let output: PaddedRows<Float>
    private let lanes: BufferLease
    private var rowsRead = 0
    private var rowsDone = 0

    public let info: ImageInfo
    public var metadata: [MetadataRecord] { source.metadata }
    public var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed, alpha straight or none. `amount`: 0 changes nothing; 0.5 is mild, 2 strong. `isLinear`:
    /// the work is done in linear light. Throws `overLimit(.memory)`.
    public init(_ source: any RowSource, amount: Double, isLinear: Bool = false, pool: BufferPool) throws(ImageError) {
        precondition(source.info.format.layout == .packed && source.info.format.alpha != .premultiplied)
        self.source = source
        self.amount = Float(amount)
        info = source.info
        pixels = FloatPixels(info, isLinear: isLinear)
        let samples = Int(info.width) * info.format.channels
        input = try pool.lease(info.bandBufferBytes)
        ring = try PaddedRows<Float>(3, samples: samples, pool: pool)
        output = try PaddedRows<Float>(VectorOps.lanes, samples: samples, pool: pool)
        lanes = try pool.lease(VectorOps.padded(samples) * VectorOps.lanes * MemoryLayout<Float>.stride)
    }

    public func nextFrame() throws(ImageError) -> Frame? {
        (inputRows, rowsRead, rowsDone) = (0..<0, 0, 0)
        return try source.nextFrame()
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let height = Int(info.height)
        let most = min(bands.byteCount / info.rowBytes, height - rowsDone)
        var done = 0
        while done < most {
            // What is finished goes on before this waits for more input.
            if done > 0 && rowsRead < min(rowsDone + 2, height) && inputRows.isEmpty { break }
            let count = min(VectorOps.lanes, most - done)
            for i in 0..<count {
                while rowsRead < min(rowsDone + 2, height) { try readRow() }
                sharpen(
                    above: ring[max(rowsDone - 1, 0) % 3], ring[rowsDone % 3], below: ring[min(rowsDone + 1, height - 1) % 3], to: output[i])
                rowsDone += 1
            }
            let at = done * info.rowBytes
            bands.withUnsafeMutableBytes { store(count, to: $0.baseAddress! + at) }
            done += count
        }
        return done
    }

    private func store(_ count: Int, to target: UnsafeMutableRawPointer) {
        let lanes = lanes.start.assumingMemoryBound(to: Float.self)
        let samples = Int(info.width) * info.format.channels
        output.withStarts(lanes: VectorOps.lanes, { min($0, count - 1) }) { VectorOps.best.interleave($0, lanes, samples) }
        pixels.store(lanes, to: target, rowCount: count, pixels: Int(info.width))
    }

    private func readRow() throws(ImageError) {
        if inputRows.isEmpty { inputRows = 0..<(try source.readRows(to: input.start, byteCount: input.count)) }
        pixels.load(input.start + inputRows.lowerBound * info.rowBytes, to: ring[rowsRead % 3], pixels: Int(info.width))
        inputRows = inputRows.lowerBound + 1..<inputRows.upperBound
        rowsRead += 1
    }

    private func sharpen(
        above: UnsafeMutablePointer<Float>, _ row: UnsafeMutablePointer<Float>, below: UnsafeMutablePointer<Float>,
        to out: UnsafeMutablePointer<Float>
    ) {
        let step = info.format.channels
        let count = Int(info.width) * step
        func column(_ i: Int) -> Float { above[i] + 2 * row[i] + below[i] }
        for i in 0..<count {
            let (left, right) = (i >= step ? i - step : i, i + step < count ? i + step : i)
            let mean = (column(left) + 2 * column(i) + column(right)) / 16
            out[i] = row[i] + amount * (row[i] - mean)
        }
    }
}
