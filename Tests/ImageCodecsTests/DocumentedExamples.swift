import Glibc
import ImageCodecs
import ImageCore
import TestPictures
import Testing

// The examples of the .docc catalogs, as they stand there: Tests/conformance/apidocs.py looks for them here.

func halve(_ input: consuming Descriptor, to output: consuming Descriptor) throws(ImageError) {
    let limits = Limits()
    let pool = BufferPool(limits: limits)
    let stream = StreamReader(try ByteSource(input, pool: pool), limits: limits)
    let writer = StreamWriter(output)
    let resizing = Resizing(try ResizeOptions(Geometry("50%")!), limits: limits, pool: pool)
    while let item = try stream.next() {
        switch item {
        case .picture: try transfer(from: try resizing.resized(stream), to: writer, pool: pool)
        case .failure(let failure): try writer.fail(failure)
        }
    }
    try writer.done()
}

func thumbnail(of input: FilePath, at output: FilePath) throws(ImageError) {
    let limits = Limits()
    let pool = BufferPool(limits: limits)
    let size = Geometry("320x320>")!

    var decoding = DecodeOptions()
    decoding.pixels = .native
    decoding.target = size
    let decoder = Decoder(pool: pool, options: decoding)
    let picture = try decoder.open(try ByteSource(try Descriptor.open(reading: input), pool: pool))

    let resizing = Resizing(try ResizeOptions(size), limits: limits, pool: pool)

    var encoding = EncodeOptions()
    (encoding.format, encoding.quality) = (.webp, 75)
    let file = try AtomicFile(output, pool: pool)
    _ = try Encoder(encoding, pool: pool).encode(try resizing.resized(picture), to: file)
    try file.commit()
}

@Suite struct DocumentedExamples {
    @Test func halveHalvesEachPictureAndPassesFailuresOn() throws {
        let failure = StreamFailure(status: 65, name: Array("b.png".utf8), message: "truncated at byte 7")
        let stream = try written { (number) in
            let writer = StreamWriter(Descriptor(number: number))
            try transfer(from: PictureSource(Picture(smooth: 40, 30, .rgb)), to: writer, pool: pool)
            try writer.fail(failure)
            try writer.done()
        }
        let halved = try written { (number) in
            try halve(Descriptor(number: temporaryFile(stream)), to: Descriptor(number: number))
        }
        let reader = StreamReader(try source(halved), limits: Limits())
        #expect(try reader.next() == .picture)
        let picture = try collect(reader)
        #expect(picture.info.width == 20 && picture.info.height == 15)
        #expect(try reader.next() == .failure(failure))
        #expect(try reader.next() == nil)
    }

    @Test func thumbnailIsWholeOrThereIsNone() throws {
        var name = Array("/tmp/imgpipe-test-XXXXXX".utf8CString)
        let folder = FilePath(String(cString: mkdtemp(&name)))
        func path(_ component: String) -> FilePath { FilePath(folder.bytes + Array("/\(component)".utf8)) }
        let (input, output) = (path("in.jpg"), path("out.webp"))
        defer {
            for path in [input, output] { _ = path.withCString { unlink($0) } }
            _ = folder.withCString { rmdir($0) }
        }
        let bytes = try encoded(Picture(smooth: 1000, 700, .rgb), options(.jpeg))
        func put(_ bytes: [UInt8]) throws {
            let file = try AtomicFile(input, pool: pool)
            try file.write(bytes.span.bytes)
            try file.commit()
        }
        try put(Array(bytes.prefix(bytes.count / 2)))
        #expect(throws: ImageError.self) { try thumbnail(of: input, at: output) }
        #expect(FileIdentity(output) == nil)
        try put(bytes)
        try thumbnail(of: input, at: output)
        let result = try Decoder(pool: pool, options: DecodeOptions()).open(try ByteSource(try Descriptor.open(reading: output), pool: pool))
        #expect(result.info.source == .webp && result.info.width == 320 && result.info.height == 224)
    }
}
