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
    /// Rows of Floats: the one above, the one that comes out and the one below, each in slot (row mod 3).
    private let ring: BufferLease
    private let output: BufferLease
    private var rowsRead = 0
    private var rowsDone = 0

    public let info: ImageInfo
    public var metadata: [MetadataRecord] { source.metadata }
    public var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed grey or RGB, alpha straight or none. `amount`: 0 changes nothing; 0.5 is mild, 2 strong.
    public init(_ source: any RowSource, amount: Double, isLinear: Bool = false, pool: BufferPool) throws(ImageError) {
        precondition(source.info.format.layout == .packed && source.info.format.alpha != .premultiplied)
        self.source = source
        self.amount = Float(amount)
        info = source.info
        pixels = FloatPixels(info, isLinear: isLinear)
        let floatRow = Int(info.width) * info.format.channels * MemoryLayout<Float>.stride
        input = try pool.lease(info.bandBufferBytes)
        ring = try pool.lease(3 * floatRow)
        output = try pool.lease(floatRow)
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
            while rowsRead < min(rowsDone + 2, height) { try readRow() }
            sharpen(above: slot(max(rowsDone - 1, 0)), slot(rowsDone), below: slot(min(rowsDone + 1, height - 1)))
            let at = done * info.rowBytes
            bands.withUnsafeMutableBytes { pixels.store(floats(output), to: $0.baseAddress! + at, pixels: Int(info.width)) }
            done += 1
            rowsDone += 1
        }
        return done
    }

    private func floats(_ lease: borrowing BufferLease) -> UnsafeMutablePointer<Float> { lease.start.assumingMemoryBound(to: Float.self) }

    private func slot(_ row: Int) -> UnsafeMutablePointer<Float> { floats(ring) + row % 3 * Int(info.width) * info.format.channels }

    private func readRow() throws(ImageError) {
        if inputRows.isEmpty { inputRows = 0..<(try source.readRows(to: input.start, byteCount: input.count)) }
        pixels.load(input.start + inputRows.lowerBound * info.rowBytes, to: slot(rowsRead), pixels: Int(info.width))
        inputRows = inputRows.lowerBound + 1..<inputRows.upperBound
        rowsRead += 1
    }

    private func sharpen(above: UnsafeMutablePointer<Float>, _ row: UnsafeMutablePointer<Float>, below: UnsafeMutablePointer<Float>) {
        let (step, out) = (info.format.channels, floats(output))
        let count = Int(info.width) * step
        func column(_ i: Int) -> Float { above[i] + 2 * row[i] + below[i] }
        for i in 0..<count {
            let (left, right) = (i >= step ? i - step : i, i + step < count ? i + step : i)
            let mean = (column(left) + 2 * column(i) + column(right)) / 16
            out[i] = row[i] + amount * (row[i] - mean)
        }
    }
}
