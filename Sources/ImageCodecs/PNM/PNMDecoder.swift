import ImageCore

/// PBM, PGM, PPM, plain and raw, and PAM with one to four channels: netpbm's formats, row by row.
///
/// Samples are brought to the full range of 8 or 16 bits, rounded. Of a file with several pictures the first is read.
final class PNMDecoder: RowSource, StatefulDecoder {
    private let pool: BufferPool
    private let options: DecodeOptions
    private var input: PNMInput?
    private var header: PNMHeader?
    /// A row as it stands in the file.
    private var row: HeldBuffer?
    /// What a sample of 8 bits or less becomes.
    private var scale: [UInt8] = []
    var state = DecodingState.idle
    /// What cut a picture that is salvaged, once the rows before it are out.
    private var pending: ImageError?

    private(set) var info = ImageInfo(width: 1, height: 1, format: .gray)
    var metadata: [MetadataRecord] { [] }
    var trailingMetadata: [MetadataRecord] { [] }

    init(pool: BufferPool, options: DecodeOptions) {
        (self.pool, self.options) = (pool, options)
    }

    /// Reads the header of the file in `source`.
    func open(_ source: ByteSource) throws(ImageError) -> PNMDecoder {
        (state, pending) = (.idle, nil)
        try watched { () throws(ImageError) in try readHeader(source) }
        state.opened()
        return self
    }

    private func readHeader(_ source: ByteSource) throws(ImageError) {
        let input = PNMInput(source)
        let header = try PNMHeader(input)
        try options.limits.check(width: header.width, height: header.height)
        info = ImageInfo(width: header.width, height: header.height, format: header.format)
        info.source = .pnm
        info.depth = header.depth
        row = header.encoding == .plain ? nil : HeldBuffer(try pool.lease(header.rowBytes))
        scale = header.maximum > 255 ? [] : (0...header.maximum).map { UInt8(($0 * 510 + header.maximum) / (2 * header.maximum)) }
        (self.input, self.header) = (input, header)
    }

    func nextFrame() throws(ImageError) -> Frame? {
        if state.beginsFrame(rows: Int(info.height)) { return Frame() }
        row = nil
        state.completed()
        return nil
    }

    /// What is missing is missing from a row on, which its reader tells.
    var damage: KnownDamage { KnownDamage() }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let rowsLeft = state.rowsLeft
        guard let header, let input, rowsLeft > 0 else { return 0 }
        let rowBytes = info.rowBytes
        let count = info.format.rows(width: Int(info.width), fitting: bands.byteCount, remaining: rowsLeft)
        var done = 0
        if let pending { throw pending }
        do throws(ImageError) {
            try bands.withUnsafeMutableBytes { (target) throws(ImageError) in
                while done < count {
                    let start = target.baseAddress! + done * rowBytes
                    if header.encoding == .plain {
                        try readPlain(input, header, to: start)
                    } else {
                        try readRaw(input, header, to: start)
                    }
                    done += 1
                }
            }
        } catch {
            // Rows before it are for who salvages them.
            guard options.salvages, done > 0, error.isDamage else {
                state.failed(error)
                throw error
            }
            pending = error
        }
        state.took(done)
        return done
    }

    private func readPlain(_ input: PNMInput, _ header: PNMHeader, to target: UnsafeMutableRawPointer) throws(ImageError) {
        for i in 0..<Int(info.width) * header.channels {
            let sample = header.isInverted ? 1 - Int(try input.bit()) : Int(try input.number())
            try store(sample, header, at: i, to: target)
        }
    }

    private func readRaw(_ input: PNMInput, _ header: PNMHeader, to target: UnsafeMutableRawPointer) throws(ImageError) {
        guard let row else { return }
        let start = row.start
        var bytes = MutableRawSpan(_unsafeStart: start, byteCount: header.rowBytes)
        try input.read(into: &bytes)
        let samples = start.assumingMemoryBound(to: UInt8.self)
        let count = Int(info.width) * header.channels
        if header.encoding == .bits {
            for x in 0..<count { try store(1 - Int(samples[x / 8] >> (7 - x % 8) & 1), header, at: x, to: target) }
        } else if header.maximum > 255 {
            for i in 0..<count { try store(Int(samples[2 * i]) << 8 | Int(samples[2 * i + 1]), header, at: i, to: target) }
        } else {
            for i in 0..<count { try store(Int(samples[i]), header, at: i, to: target) }
        }
    }

    private func store(_ sample: Int, _ header: PNMHeader, at index: Int, to target: UnsafeMutableRawPointer) throws(ImageError) {
        guard sample <= header.maximum else { throw input!.fault("sample \(sample), more than the maximum \(header.maximum)") }
        if header.maximum > 255 {
            let full = (sample * 131070 + header.maximum) / (2 * header.maximum)
            target.storeBytes(of: UInt16(full).littleEndian, toByteOffset: 2 * index, as: UInt16.self)
        } else {
            target.storeBytes(of: scale[sample], toByteOffset: index, as: UInt8.self)
        }
    }
}
