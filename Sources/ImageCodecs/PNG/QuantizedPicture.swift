import ImageCore

/// A picture as indexes into a palette made for it, its errors diffused to the neighbours (Floyd and Steinberg 1976), each second row
/// backwards. The picture is held: in memory, and beyond the limit in a temporary file.
final class QuantizedPicture: RowSource {
    private typealias Vector = PaletteBuilder.Vector

    private let source: any RowSource
    private let frame: FrameStore
    private let colors: [Vector]
    private let search: NearestColor
    private let format: PixelFormat
    /// What the rows above have left to this row and the next one: a place before the first pixel and one behind the last.
    private var errors: [Vector]
    private var errorsBelow: [Vector]
    private var rowsDone = 0
    private let first: Frame?
    private var isFirstGiven = false

    let coding: PNGCoding
    let info: ImageInfo
    var metadata: [MetadataRecord] { source.metadata }
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed, straight, 8 bits. `colorCount`: 2...256.
    init(_ source: any RowSource, colorCount: Int, pool: BufferPool) throws(ImageError) {
        self.source = source
        var info = source.info
        format = info.format
        first = try source.nextFrame()
        frame = try FrameStore(byteCount: info.byteCount(rows: Int(info.height)), pool: pool)
        try frame.fill(from: source)
        var builder = PaletteBuilder(hasAlpha: format.hasAlpha)
        let samples = UnsafePointer(frame.start.assumingMemoryBound(to: UInt8.self))
        var (exact, isExact) = (ColorTable(), true)
        for i in 0..<Int(info.width) * Int(info.height) {
            let pixel = RGBA(samples + i * format.channels, format)
            isExact = isExact && exact.number(of: pixel, most: colorCount) != nil
            builder.add(pixel)
        }
        coding = PNGCoding.palette(of: isExact ? exact.colors : builder.palette(colorCount)).coding
        guard case .palette(let palette, _) = coding else { throw .internalError("no palette") }
        colors = palette.map(PaletteBuilder.vector)
        search = NearestColor(colors)
        errors = [Vector](repeating: .zero, count: Int(info.width) + 2)
        errorsBelow = errors
        info.setFormat(.gray)
        self.info = info
    }

    func nextFrame() throws(ImageError) -> Frame? {
        if isFirstGiven { return try source.nextFrame() }
        isFirstGiven = true
        return first
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let count = min(bands.byteCount / info.rowBytes, Int(info.height) - rowsDone)
        bands.withUnsafeMutableBytes { target in
            let start = target.baseAddress!.assumingMemoryBound(to: UInt8.self)
            for i in 0..<count { map(row: rowsDone + i, to: start + i * info.rowBytes) }
        }
        rowsDone += count
        return count
    }

    /// A colour that a pixel equals within a step of 8 bits is taken as it is, so that flat parts stay flat.
    private static let equalDistance: Float = 2.0 / (255 * 255)

    /// How much of an error goes on. All of it makes noise where the palette has nothing near; measured on Kodak pictures, three quarters
    /// give smooth gradients and 3 dB more.
    private static let diffusion: Float = 0.75

    private func map(row: Int, to indexes: UnsafeMutablePointer<UInt8>) {
        let width = Int(info.width)
        let samples = UnsafePointer(frame.start.assumingMemoryBound(to: UInt8.self)) + row * width * format.channels
        swap(&errors, &errorsBelow)
        for i in errorsBelow.indices { errorsBelow[i] = .zero }
        let isBackward = row % 2 == 1
        let step = isBackward ? -1 : 1
        var number = 0
        for i in 0..<width {
            let x = isBackward ? width - 1 - i : i
            let pixel = PaletteBuilder.vector(RGBA(samples + x * format.channels, format))
            number = search.nearest(to: pixel, guess: number)
            let distance = pixel - colors[number]
            if (distance * distance).sum() > Self.equalDistance {
                let wanted = (pixel + errors[x + 1]).clamped(lowerBound: .zero, upperBound: .one)
                number = search.nearest(to: wanted, guess: number)
                let error = (wanted - colors[number]) * Self.diffusion
                errors[x + 1 + step] += error * (7.0 / 16)
                errorsBelow[x + 1 - step] += error * (3.0 / 16)
                errorsBelow[x + 1] += error * (5.0 / 16)
                errorsBelow[x + 1 + step] += error * (1.0 / 16)
            }
            indexes[x] = UInt8(number)
        }
    }
}
