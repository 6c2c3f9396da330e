import ImageCodecs
import ImageCore
import TestPictures
import Testing

/// Our reader of PNG rows beside libpng.
@Suite struct PNGRowsTests {
    private struct Random {
        var state: UInt64
        mutating func next(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
    }

    /// Colour type, bits, samples a pixel: PNG specification, table 8.
    private static let types: [(type: UInt8, bits: UInt8, channels: Int)] = [
        (0, 8, 1), (0, 16, 1), (2, 8, 3), (2, 16, 3), (4, 8, 2), (4, 16, 2), (6, 8, 4), (6, 16, 4),
    ]

    /// A PNG of noise whose rows have any filters, its stream cut into IDATs of any lengths, 0 among them.
    private static func file(_ random: inout Random, _ kind: (type: UInt8, bits: UInt8, channels: Int), filter: Int?) -> [UInt8] {
        let (width, height) = (1 + random.next(40), 1 + random.next(23))
        var rows: [UInt8] = []
        for _ in 0..<height {
            rows.append(UInt8(filter ?? random.next(5)))
            for _ in 0..<width * kind.channels * Int(kind.bits) / 8 { rows.append(UInt8(random.next(256))) }
        }
        var rest = deflated(rows)![...]
        var bytes: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
        bytes += chunk("IHDR", [0, 0, 0, UInt8(width), 0, 0, 0, UInt8(height), kind.bits, kind.type, 0, 0, 0])
        while !rest.isEmpty {
            let count = random.next(3) == 0 ? rest.count : min(rest.count, random.next(60))
            bytes += chunk("IDAT", Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return bytes + chunk("tEXt", Array("Title\0x".utf8)) + chunk("IEND", [])
    }

    private static func decode(_ bytes: [UInt8], byLibpng: Bool) throws(ImageError) -> Picture {
        var options = DecodeOptions()
        options.usesLibpngAlone = byLibpng
        return try decoded(bytes, options)
    }

    @Test(arguments: types.indices)
    func everyFilterGivesLibpngsPixels(_ index: Int) throws {
        var random = Random(state: UInt64(index))
        for round in 0..<60 {
            let file = Self.file(&random, Self.types[index], filter: round < 20 ? round % 5 : nil)
            #expect(try Self.decode(file, byLibpng: false) == (try Self.decode(file, byLibpng: true)))
        }
    }

    /// Found by fuzzing: the end of the stream is seen when the input that it came with was taken before, and some of that is not needed.
    @Test func streamThatEndsInWhatWasTakenBefore() throws {
        let text = """
            89504e470d0a1a0a0000000d4948445200007f00000000200804000000d973b27f0000000467414d41000186a031e8965f00\
            00003549444154488963fccfc0c001859c683431229c2cdf1928032c3f86be01a361307da0bf71580000000049454e44ae42\
            6082
            """
        let digits = Array(text.utf8)
        let bytes = stride(from: 0, to: digits.count, by: 2).map { UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)! }
        var options = DecodeOptions()
        options.salvages = true
        #expect(throws: ImageError.self) { try decoded(bytes, options) }
    }

    /// Changed bytes, with checksums put right or not: what libpng refuses is refused; what both take is alike. Where the stream is
    /// damaged behind the last row, or its checksum is wrong, libpng warns and takes it, and we do not.
    @Test(arguments: types.indices)
    func changedFilesFareAsInLibpng(_ index: Int) throws {
        var random = Random(state: 100 + UInt64(index))
        var (taken, refused) = (0, 0)
        for _ in 0..<400 {
            var file = Self.file(&random, Self.types[index], filter: nil)
            let at = 33 + random.next(file.count - 33)
            file[at] = UInt8(random.next(256))
            if random.next(3) > 0 { Self.repair(&file) }
            let theirs = try? Self.decode(file, byLibpng: true)
            do throws(ImageError) {
                let ours = try Self.decode(file, byLibpng: false)
                #expect(theirs == ours)
                taken += 1
            } catch {
                #expect(theirs == nil || error.description.hasPrefix("IDAT: in"), "\(error)")
                refused += 1
            }
        }
        #expect(taken > 5 && refused > 20, "\(taken) taken, \(refused) refused")
    }

    /// Headers of zlib that RFC 1950 allows no PNG: a dictionary, a window of 64 KiB, their check bits right.
    @Test(arguments: [[0x78, 0x20], [0x88, 0x1c]] as [[UInt8]])
    func headsOfStreamsThatNoPNGHasAreRefused(_ head: [UInt8]) throws {
        var random = Random(state: 5)
        let file = Self.file(&random, Self.types[2], filter: 0)
        let ihdr = Array(file[..<33])
        let (width, height) = (Int(ihdr[19]), Int(ihdr[23]))
        var stream = deflated([UInt8](repeating: 0, count: height * (3 * width + 1)))!
        let plain = ihdr + chunk("IDAT", stream) + chunk("IEND", [])
        #expect(try Self.decode(plain, byLibpng: false).frames.count == 1)
        stream.replaceSubrange(0..<2, with: head)
        if head[1] & 0x20 != 0 { stream.insert(contentsOf: [0, 0, 0, 1], at: 2) }
        let bytes = ihdr + chunk("IDAT", stream) + chunk("IEND", [])
        for byLibpng in [false, true] { #expect(throws: ImageError.self) { try Self.decode(bytes, byLibpng: byLibpng) } }
    }

    /// Puts the checksums of chunks right, as far as chunks can be followed.
    private static func repair(_ file: inout [UInt8]) {
        var at = 8
        while at + 12 <= file.count {
            let length = file[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= file.count - at - 12 else { return }
            let type = String(decoding: file[at + 4..<at + 8], as: UTF8.self)
            guard type.utf8.elementsEqual(file[at + 4..<at + 8]) else { return }
            file.replaceSubrange(at..<at + 12 + length, with: chunk(type, Array(file[at + 8..<at + 8 + length])))
            at += 12 + length
        }
    }
}
