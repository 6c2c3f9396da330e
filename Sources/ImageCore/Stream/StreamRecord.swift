// The twin of man/imgpipe.5: every record, field by field. Change the page first.

/// A picture, or a run, that an earlier filter could not do: the payload of FAIL.
public struct StreamFailure: Equatable, Sendable {
    /// The exit status that the last filter gives in the end: 1 or 64...78.
    public var status: UInt32
    /// The picture's name as the system gave it; empty when there is none.
    public var name: [UInt8]
    /// One line of UTF-8 without control characters: what the filter that failed has told the user.
    public var message: String

    /// `message`: a line; control characters are the caller's to leave out.
    public init(status: UInt32, name: [UInt8], message: String) {
        (self.status, self.name, self.message) = (status, name, message)
    }
}

/// What every stream begins with.
enum StreamHeader {
    static let bytes: [UInt8] = Array("imgpipe1".utf8) + [UInt8](repeating: 0, count: 8)
}

extension FourCC {
    static let picture = FourCC("IMAG")
    static let frame = FourCC("FRAM")
    static let rows = FourCC("ROWS")
    static let pictureEnd = FourCC("ENDI")
    static let failure = FourCC("FAIL")
    static let done = FourCC("DONE")
}

/// The 16 bytes before a record's payload.
struct RecordHeader {
    static let byteCount = 16
    var type: FourCC
    var payloadBytes: UInt64

    /// Zero bytes after the payload, up to a multiple of 16.
    var paddingBytes: Int { Int(truncatingIfNeeded: (16 - payloadBytes % 16) % 16) }

    init(_ type: FourCC, payloadBytes: UInt64) {
        (self.type, self.payloadBytes) = (type, payloadBytes)
    }

    init(_ bytes: RawSpan) throws(StreamFault) {
        type = FourCC(code: bytes.uint32(at: 0))
        payloadBytes = bytes.uint64(at: 8)
        guard type.isWellFormed else { throw StreamFault("this is no record of a pixel stream") }
        guard bytes.uint32(at: 4) == 0 else { throw StreamFault("reserved bytes of a record header are not zero") }
    }

    func append(to bytes: inout [UInt8]) {
        bytes.append(uint32: type.code)
        bytes.append(uint32: 0)
        bytes.append(uint64: payloadBytes)
    }
}

/// A record whose payload always has the same size.
protocol FixedRecord {
    static var recordBytes: Int { get }
    /// `bytes`: as many.
    init(record bytes: RawSpan) throws(StreamFault)
}

/// A rule of the format that a stream breaks.
struct StreamFault: Error {
    let text: String
    init(_ text: String) { self.text = text }
}

extension ImageInfo: FixedRecord {
    static let recordBytes = 48

    init(record bytes: RawSpan) throws(StreamFault) {
        func field<T: RawRepresentable>(_ name: String, at offset: Int) throws(StreamFault) -> T where T.RawValue == UInt8 {
            guard let value = T(rawValue: bytes.uint8(at: offset)) else {
                throw StreamFault("IMAG: \(name) \(bytes.uint8(at: offset))")
            }
            return value
        }
        let model: ColorModel = try field("model", at: 8)
        var format = PixelFormat(model, alpha: try field("alpha", at: 9), sample: try field("sample", at: 10))
        format.subsampling = try field("subsampling", at: 11)
        format.layout = try field("layout", at: 12)
        self.init(width: bytes.uint32(at: 0), height: bytes.uint32(at: 4), format: format)
        orientation = bytes.uint8(at: 13)
        source = try field("source", at: 14)
        depth = bytes.uint8(at: 15)
        color = ColorCode(
            primaries: bytes.uint8(at: 16), transfer: bytes.uint8(at: 17), matrix: bytes.uint8(at: 18),
            fullRange: bytes.uint8(at: 19))
        frames = bytes.uint32(at: 20)
        loop = bytes.uint32(at: 24)
        density = (bytes.uint32(at: 28), bytes.uint32(at: 32))
        fullWidth = bytes.uint32(at: 36)
        fullHeight = bytes.uint32(at: 40)
        if let fault { throw StreamFault("IMAG: \(fault)") }
        guard bytes.uint32(at: 44) == 0 else { throw StreamFault("IMAG: reserved bytes are not zero") }
    }

    /// What makes these values no picture, if anything.
    private var fault: String? {
        if width == 0 || height == 0 { return "\(width) x \(height)" }
        if fullWidth < width || fullHeight < height { return "full size \(fullWidth) x \(fullHeight)" }
        if !format.isCountable(width: Int(width), rows: Int(height)) { return "\(width) x \(height)" }
        if !(1...8).contains(orientation) { return "orientation \(orientation)" }
        if !(1...16).contains(depth) { return "depth \(depth)" }
        if color.primaries == 0 || color.transfer == 0 { return "colour primaries or transfer 0" }
        if color.matrix != ColorCode.matrix(of: format.model) { return "colour matrix \(color.matrix)" }
        if color.fullRange != 1 { return "colour range \(color.fullRange)" }
        if format.layout == .planar && (format.model != .ycbcr || format.hasAlpha) {
            return "planar bands are for YCbCr without alpha"
        }
        if format.subsampling != .s444 && format.layout != .planar { return "subsampling without planar bands" }
        return nil
    }

    var record: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(uint32: width)
        bytes.append(uint32: height)
        bytes += [
            format.model.rawValue, format.alpha.rawValue, format.sample.rawValue, format.subsampling.rawValue,
            format.layout.rawValue, orientation, source.rawValue, depth,
            color.primaries, color.transfer, color.matrix, color.fullRange,
        ]
        for value in [frames, loop, density.x, density.y, fullWidth, fullHeight, 0] { bytes.append(uint32: value) }
        return bytes
    }
}

extension Frame: FixedRecord {
    static let recordBytes = 16

    init(record bytes: RawSpan) throws(StreamFault) {
        guard bytes.uint32(at: 4) == 0, bytes.uint64(at: 8) == 0 else {
            throw StreamFault("FRAM: reserved bytes are not zero")
        }
        self.init(durationMilliseconds: bytes.uint32(at: 0))
    }

    var record: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(uint32: durationMilliseconds)
        return bytes + [UInt8](repeating: 0, count: 12)
    }
}

extension StreamFailure {
    /// The longest FAIL that is read: a name and a line, not a place to hide gigabytes in.
    static let recordLimitBytes: UInt64 = 1 << 20

    init(record bytes: RawSpan) throws(StreamFault) {
        guard bytes.byteCount >= 8 else { throw StreamFault("FAIL of \(bytes.byteCount) bytes") }
        status = bytes.uint32(at: 0)
        let nameBytes = Int(bytes.uint32(at: 4))
        guard status == 1 || (64...78).contains(status) else { throw StreamFault("FAIL: status \(status)") }
        guard nameBytes <= bytes.byteCount - 8 else { throw StreamFault("FAIL: name of \(nameBytes) bytes") }
        let all = bytes.withUnsafeBytes { [UInt8]($0) }
        name = Array(all[8..<8 + nameBytes])
        guard !name.contains(0) else { throw StreamFault("FAIL: a name with a NUL") }
        guard let line = String(validating: all[(8 + nameBytes)...], as: UTF8.self), !line.isEmpty,
            !line.unicodeScalars.contains(where: \.isControl)
        else { throw StreamFault("FAIL: its message is not one line of UTF-8") }
        message = line
    }

    var record: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(uint32: status)
        bytes.append(uint32: UInt32(name.count))
        return bytes + name + Array(message.utf8)
    }
}

/// The two counts of ENDI (rows, pixel bytes) and of DONE (pictures complete, FAIL records).
struct RecordCounts: Equatable, FixedRecord {
    static let recordBytes = 16
    var first: UInt64 = 0
    var second: UInt64 = 0

    init() {}

    init(record bytes: RawSpan) throws(StreamFault) {
        (first, second) = (bytes.uint64(at: 0), bytes.uint64(at: 8))
    }

    var record: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(uint64: first)
        bytes.append(uint64: second)
        return bytes
    }
}

extension Unicode.Scalar {
    /// C0, DEL or C1: what a terminal may act on.
    public var isControl: Bool { value < 0x20 || (0x7f...0x9f).contains(value) }
}

extension RawSpan {
    package func uint8(at offset: Int) -> UInt8 { unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
    package func uint32(at offset: Int) -> UInt32 {
        UInt32(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    func uint64(at offset: Int) -> UInt64 {
        UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}

extension [UInt8] {
    mutating func append(uint32 value: UInt32) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
    mutating func append(uint64 value: UInt64) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
