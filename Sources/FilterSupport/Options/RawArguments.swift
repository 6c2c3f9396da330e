import ImageCore

/// The command line, whose words may be any bytes, in Strings, which may not: a byte that is no part of UTF-8 is carried
/// as a private-use scalar, and becomes itself again in `FilePath(argument:)`.
package enum RawArguments {
    /// U+10FE00 + byte, from the last plane for private use.
    private static let base: UInt32 = 0x10fe00

    /// All words but the program's name.
    static var all: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { escaped(Array(UnsafeBufferPointer(start: $0, count: length($0))).map(UInt8.init(bitPattern:))) }
        }
    }

    private static func length(_ text: UnsafePointer<CChar>) -> Int {
        var n = 0
        while text[n] != 0 { n += 1 }
        return n
    }

    package static func escaped(_ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: isCarrier) { return text }
        var scalars = String.UnicodeScalarView()
        var rest = bytes[...]
        while let first = rest.first {
            var decoder = UTF8()
            var iterator = rest.makeIterator()
            if case .scalarValue(let scalar) = decoder.decode(&iterator), !isCarrier(scalar) {
                scalars.append(scalar)
                rest = rest.dropFirst(UTF8.encode(scalar)!.count)
            } else {
                scalars.append(Unicode.Scalar(base + UInt32(first))!)
                rest = rest.dropFirst()
            }
        }
        return String(scalars)
    }

    /// Stands for a byte; where it is in a name itself, its bytes are carried one by one.
    private static func isCarrier(_ scalar: Unicode.Scalar) -> Bool { (base + 0x80...base + 0xff).contains(scalar.value) }

    package static func bytes(_ argument: String) -> [UInt8] {
        argument.unicodeScalars.flatMap { scalar in
            isCarrier(scalar)
                ? [UInt8(scalar.value - base)] : Array(UTF8.encode(scalar)!)
        }
    }
}

extension FilePath {
    /// A name from the command line.
    public init(argument: String) { self.init(RawArguments.bytes(argument)) }
}
