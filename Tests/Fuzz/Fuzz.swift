import FilterSupport
import Glibc
import ImageCodecs
import ImageCore
import ImageMetadata
import Multipart

/// What libFuzzer calls with bytes of its own (scripts/fuzz). IMG_FUZZ says what they are for.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    switch target {
    case .decode: Fuzz.decode(bytes)
    case .stream: Fuzz.stream(bytes)
    case .strip: Fuzz.strip(bytes)
    case .inspect: Fuzz.inspect(bytes)
    case .text: Fuzz.text(bytes)
    case .form: Fuzz.form(bytes)
    }
    return 0
}

enum FuzzTarget: String { case decode, stream, strip, inspect, text, form }

private let target = FuzzTarget(rawValue: getenv("IMG_FUZZ").map { String(cString: $0) } ?? "decode") ?? .decode

enum Fuzz {
    /// Small ones: what is looked for is in few bytes.
    private static let limits: Limits = {
        var limits = Limits()
        (limits.pixels, limits.totalPixels, limits.frames, limits.scans) = (1 << 20, 1 << 22, 16, 20)
        (limits.metadata, limits.memory) = (1 << 20, 128 << 20)
        return limits
    }()
    private static let pool = BufferPool(limits: limits)

    /// The bytes as a file.
    private static func withSource(_ bytes: ArraySlice<UInt8>, _ body: (ByteSource) throws -> Void) {
        guard let file = try? MemoryFile(), (try? file.write(Array(bytes).span.bytes)) != nil, let source = try? file.source(pool: pool) else { return }
        // Faults are the answer to most of what comes.
        try? body(source)
        withExtendedLifetime(file) {}
    }

    private static func readAll(_ rows: any RowSource) throws {
        while try rows.nextFrame() != nil {
            var left = Int(rows.info.height)
            let buffer = try pool.lease(rows.info.bandBufferBytes)
            while left > 0 { left -= try rows.readRows(to: buffer.start, byteCount: buffer.count) }
        }
        _ = rows.trailingMetadata
    }

    /// A form, whole and in two pieces, of which the first byte says where it is cut: both give the same.
    static func form(_ bytes: [UInt8]) {
        guard let cut = bytes.first else { return }
        let body = bytes.dropFirst()
        let middle = body.startIndex + min(body.count, Int(cut) * max(1, body.count / 255))
        precondition(events([body]) == events([body[..<middle], body[middle...]]), "a form's pieces depend on where it is cut")
    }

    private static func events(_ pieces: [ArraySlice<UInt8>]) -> [[UInt8]] {
        var (parser, found) = (MultipartParser(boundary: Array("b".utf8)), [[UInt8]]())
        do {
            for piece in pieces {
                try piece.withUnsafeBytes { bytes in
                    try parser.push(bytes) { (event) throws(Never) in
                        switch event {
                        case .part(let name, let fileName): found += [name ?? [0], fileName ?? [0], []]
                        case .content(let bytes): found[found.count - 1] += bytes
                        case .partEnd: found.append([1])
                        }
                    }
                }
            }
        } catch {
            return found + [[2]]
        }
        return found + [(try? parser.end()) == nil ? [3] : [4]]
    }

    /// The first byte chooses how.
    static func decode(_ bytes: [UInt8]) {
        guard let choice = bytes.first else { return }
        var options = DecodeOptions()
        options.limits = limits
        options.salvages = choice & 1 != 0
        options.pixels = [.native, .packed, .gray, .rgba][Int(choice >> 1 & 3)]
        options.orientation = choice & 8 != 0 ? .apply : .keep
        options.convertsToSRGB = choice & 16 != 0
        if choice & 32 != 0 { options.target = Geometry("20") }
        withSource(bytes.dropFirst()) { source in
            let decoder = Decoder(pool: pool, options: options)
            try readAll(decoder.open(source))
            _ = decoder.account
        }
    }

    static func stream(_ bytes: [UInt8]) {
        withSource(bytes[...]) { source in
            let reader = StreamReader(source, limits: limits)
            while let item = try reader.next() {
                if case .picture = item { try readAll(reader) }
            }
        }
    }

    static func strip(_ bytes: [UInt8]) {
        guard let choice = bytes.first else { return }
        var kept = MetadataGroups()
        for (i, group) in MetadataGroup.allCases.enumerated() where choice >> (i % 8) & 1 != 0 { kept.insert(group) }
        withSource(bytes.dropFirst()) { source in
            let sink = MemorySink()
            do throws(ImageError) {
                _ = try FileStripper(MetadataChoice(keeping: kept), limits: limits, pool: pool).strip(source, to: sink)
            } catch .internalError(let text) {
                // What had to go and is still there.
                fatalError(text)
            } catch {}
        }
    }

    static func inspect(_ bytes: [UInt8]) {
        withSource(bytes[...]) { source in
            let picture = try FileInspector(limits: limits).describe(source)
            _ = picture.exif.flatMap { ExifListing($0)?.fields.count }
            if let xmp = picture.xmp { _ = try XMPListing.properties(in: xmp).count }
            _ = picture.iptc.map { IPTCListing.fields(in: $0).count }
        }
    }

    /// Geometries, options and templates.
    static func text(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        if let geometry = Geometry(text) { _ = try? geometry.size(of: ImageInfo(width: 640, height: 480, format: .rgb), limits: limits) }
        _ = Console.printable(bytes)
        let template = try? OutputTemplate(FilePath(bytes.filter { $0 != 0 }))
        _ = template?.path(name: bytes.filter { $0 != 0 }, number: 7, info: ImageInfo(width: 3, height: 2, format: .rgb))
        options(bytes.split(separator: 0).map { Array($0) })
    }

    private enum Choice: String, CaseIterable { case one, other }

    /// One option of each kind, with and without a short name.
    private static let declaration = CommandDeclaration(
        "fuzz", operands: "[FILE]...", count: 0...3, summary: "", discussion: "",
        options: [
            .flag("flag", short: "f", ""), .value("size", short: "s", "geometry", ""), .value("region", "region", ""), .value("color", "color", default: "white", ""),
            .choice("choice", short: "c", "name", Choice.self, default: .one, ""), .number("number", short: "n", in: -3...300, default: 8, ""),
            .number("alone", in: 2...256, alone: 256, ""), .value("list", "list", ""),
        ])

    private static func options(_ words: [[UInt8]]) {
        for word in words where RawArguments.bytes(RawArguments.escaped(word)) != word { fatalError("a word that is another now") }
        do throws(ImageError) {
            let given = try GivenOptions(declaration, words.map(RawArguments.escaped))
            if let text = given.text("size") { _ = try? Geometry(argument: text, of: "size") }
            _ = try? given.value("region", Region.init)
            _ = try? given.value("color", Color.init)
            _ = try? given.choice("choice", Choice.self)
            _ = try? given.number("number")
            _ = try? given.number("alone")
            _ = try? given.limits()
            _ = (given.flag("flag"), given.texts("list"), given.operands.map { FilePath(argument: $0) })
            try given.checkOperandCount()
        } catch {
            _ = Console.printable(Array(error.description.utf8))
        }
    }
}
