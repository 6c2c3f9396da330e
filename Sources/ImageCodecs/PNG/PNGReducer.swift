import ImageCore

/// The smallest coding of a PNG that holds a picture exactly: grey, few bits, a palette.
///
/// It is known only at the last pixel, so what was read is held, a byte a pixel while there are no more than 256 colours, a grey
/// sample while all is grey. A picture of many colours shows that in its first rows, and flows on; and so does one for which
/// memory is short.
enum PNGReducer {
    /// `source`: packed and straight. Reads it as far as it must to know.
    static func reduced(
        _ source: any RowSource, _ options: EncodeOptions, pool: BufferPool
    ) throws(ImageError) -> (rows: any RowSource, coding: PNGCoding) {
        var rows = source
        // A profile is for colour or for grey, and the file's type must be the same; a palette is colour.
        let hasProfile = source.metadata[.icc] != nil
        var mayBeGray = source.info.format.model == .rgb && !hasProfile
        if source.info.format.sample == .uint8 {
            // An index of 8 bits is no smaller than a grey sample.
            let most = source.info.format.channels == 1 ? 16 : 256
            let held = try HeldPicture(rows, FewColors(source.info, most: most), pool: pool)
            if held.isWhole {
                let codings = codings(of: held.packing.table.colors, held.info, keepsModel: hasProfile)
                let plain = plainFormat(of: held.packing.table.colors, held.info, keepsModel: hasProfile)
                return (held, try choose(codings, plain, for: held, options, pool: pool))
            }
            mayBeGray = mayBeGray && held.packing.table.colors.allSatisfy(\.isGray)
            rows = held
        }
        guard mayBeGray else { return (rows, .direct) }
        let held = try HeldPicture(rows, GrayOnly(source.info), pool: pool)
        if held.isWhole {
            held.packing.staysGray = true
            held.info.setFormat(held.packing.gray)
        }
        return (held, .direct)
    }

    /// A palette of at most `colorCount` colours: exact where there are no more. `source`: packed, straight, 8 bits.
    static func quantized(
        _ source: any RowSource, colorCount: Int, pool: BufferPool
    ) throws(ImageError) -> (rows: any RowSource, coding: PNGCoding) {
        let held = try HeldPicture(source, FewColors(source.info, most: colorCount), pool: pool)
        guard held.isWhole else {
            let picture = try QuantizedPicture(held, colorCount: colorCount, pool: pool)
            return (picture, picture.coding)
        }
        let coding = PNGCoding.palette(of: held.packing.table.colors).coding
        held.packing.setCoding(coding, .gray)
        held.info.setFormat(.gray)
        return (held, coding)
    }

    /// The fewest channels that hold these colours.
    private static func plainFormat(of colors: [RGBA], _ info: ImageInfo, keepsModel: Bool) -> PixelFormat {
        let isGray = info.format.model == .gray || (!keepsModel && colors.allSatisfy(\.isGray))
        return PixelFormat(isGray ? .gray : .rgb, alpha: colors.allSatisfy { $0.alpha == 255 } ? .none : .straight)
    }

    /// Codings that hold these colours, the smallest before it is compressed first, and the plainest of equal ones.
    private static func codings(of colors: [RGBA], _ info: ImageInfo, keepsModel: Bool) -> [PNGCoding] {
        let (width, height) = (Int(info.width), Int(info.height))
        func byteCount(bits: Int) -> Int { height * (1 + (width * bits + 7) / 8) }
        var codings: [(coding: PNGCoding, bytes: Int)] = []
        let isGray = info.format.model == .gray
        let plain = plainFormat(of: colors, info, keepsModel: keepsModel)
        if plain == .gray {
            let fewest = [1, 2, 4, 8].first { bits in colors.allSatisfy { Int($0.red) % (255 / (1 << bits - 1)) == 0 } }!
            codings += (fewest < 8 ? [fewest, 8] : [8]).map { (.gray(bits: $0), byteCount(bits: $0)) }
        } else {
            codings.append((.direct, byteCount(bits: 8 * plain.channels)))
        }
        if !(isGray && keepsModel) {
            let palette = PNGCoding.palette(of: colors)
            codings.append((palette.coding, byteCount(bits: palette.bits) + palette.chunkBytes))
        }
        return codings.enumerated().sorted { ($0.element.bytes, $0.offset) < ($1.element.bytes, $1.offset) }.map(\.element.coding)
    }

    /// The one of `codings` that is smallest when it is compressed, and `held` made ready for it. Samples of 8 bits are filtered, so they may
    /// beat fewer bits, which are not.
    private static func choose(
        _ codings: [PNGCoding], _ plain: PixelFormat, for held: HeldPicture<FewColors>, _ options: EncodeOptions, pool: BufferPool
    ) throws(ImageError) -> PNGCoding {
        func prepare(_ coding: PNGCoding) {
            held.packing.setCoding(coding, plain)
            held.info.setFormat(coding == .direct ? plain : .gray)
        }
        var (best, least) = (codings[0], Int.max)
        for coding in codings.count > 1 ? codings : [] {
            prepare(coding)
            let sink = CountingSink()
            try held.rehearse(to: try PNGEncoder(sink, options, coding, pool: pool))
            if sink.byteCount < least { (best, least) = (coding, sink.byteCount) }
        }
        prepare(best)
        return best
    }
}

extension PNGCoding {
    /// A palette of these colours, at most 256, and the bytes that it takes: PLTE and tRNS, each with 12 around it.
    static func palette(of colors: [RGBA]) -> (coding: PNGCoding, bits: Int, chunkBytes: Int) {
        let transparent = colors.filter { $0.alpha < 255 }
        let bits = [1, 2, 4, 8].first { 1 << $0 >= colors.count }!
        let chunkBytes = 12 + 3 * colors.count + (transparent.isEmpty ? 0 : 12 + transparent.count)
        return (.palette(transparent + colors.filter { $0.alpha == 255 }, bits: bits), bits, chunkBytes)
    }
}

/// Pixels of at most 256 colours as numbers of a table.
private struct FewColors: RowPacking {
    private let format: PixelFormat
    /// Of the pixels that come out.
    private var writtenFormat: PixelFormat
    private let width: Int
    private let mostColors: Int
    private(set) var table = ColorTable()
    /// What each number is written as, when it is no pixel.
    private var written: [UInt8] = []

    /// `info`: 8-bit samples.
    init(_ info: ImageInfo, most: Int) {
        (format, writtenFormat, width, mostColors) = (info.format, info.format, Int(info.width), most)
    }

    var packedBytes: Int { width }

    /// `plain`: what pixels are written as where they are.
    mutating func setCoding(_ coding: PNGCoding, _ plain: PixelFormat) {
        if coding == .direct { writtenFormat = plain }
        written = switch coding {
        case .direct: []
        case .gray(let bits): table.colors.map { UInt8(Int($0.red) / (255 / (1 << bits - 1))) }
        case .palette(let palette, _): table.colors.map { UInt8(palette.firstIndex(of: $0)!) }
        }
    }

    mutating func pack(_ row: UnsafeRawPointer, to place: UnsafeMutableRawPointer) -> Bool {
        let samples = row.assumingMemoryBound(to: UInt8.self)
        let numbers = place.assumingMemoryBound(to: UInt8.self)
        let step = format.channels
        for x in 0..<width {
            guard let number = table.number(of: RGBA(samples + x * step, format), most: mostColors) else { return false }
            numbers[x] = UInt8(number)
        }
        return true
    }

    func unpack(_ place: UnsafeRawPointer, to row: UnsafeMutableRawPointer) {
        let numbers = place.assumingMemoryBound(to: UInt8.self)
        let samples = row.assumingMemoryBound(to: UInt8.self)
        if written.isEmpty {
            let step = writtenFormat.channels
            for x in 0..<width { table.colors[Int(numbers[x])].store(to: samples + x * step, writtenFormat) }
        } else {
            for x in 0..<width { samples[x] = written[Int(numbers[x])] }
        }
    }
}

/// RGB that is grey as grey, its alpha kept.
private struct GrayOnly: RowPacking {
    private let format: PixelFormat
    private let width: Int
    let gray: PixelFormat
    /// Rows come as grey.
    var staysGray = false

    /// `info`: RGB.
    init(_ info: ImageInfo) {
        (format, width) = (info.format, Int(info.width))
        gray = PixelFormat(.gray, alpha: format.alpha, sample: format.sample)
    }

    var packedBytes: Int { gray.rowBytes(width: width) }

    mutating func pack(_ row: UnsafeRawPointer, to place: UnsafeMutableRawPointer) -> Bool {
        format.sample == .uint8 ? pack(row, to: place, UInt8.self) : pack(row, to: place, UInt16.self)
    }

    private func pack<S: FixedWidthInteger>(_ row: UnsafeRawPointer, to place: UnsafeMutableRawPointer, _: S.Type) -> Bool {
        let (pixels, grays) = (row.assumingMemoryBound(to: S.self), place.assumingMemoryBound(to: S.self))
        let (step, grayStep) = (format.channels, gray.channels)
        for x in 0..<width {
            let pixel = pixels + x * step
            guard pixel[0] == pixel[1], pixel[1] == pixel[2] else { return false }
            grays[x * grayStep] = pixel[0]
            if step == 4 { grays[x * grayStep + 1] = pixel[3] }
        }
        return true
    }

    func unpack(_ place: UnsafeRawPointer, to row: UnsafeMutableRawPointer) {
        if staysGray {
            row.copyMemory(from: place, byteCount: packedBytes)
        } else if format.sample == .uint8 {
            unpack(place, to: row, UInt8.self)
        } else {
            unpack(place, to: row, UInt16.self)
        }
    }

    private func unpack<S: FixedWidthInteger>(_ place: UnsafeRawPointer, to row: UnsafeMutableRawPointer, _: S.Type) {
        let (grays, pixels) = (place.assumingMemoryBound(to: S.self), row.assumingMemoryBound(to: S.self))
        let (step, grayStep) = (format.channels, gray.channels)
        for x in 0..<width {
            for c in 0..<3 { pixels[x * step + c] = grays[x * grayStep] }
            if step == 4 { pixels[x * 4 + 3] = grays[x * grayStep + 1] }
        }
    }
}
