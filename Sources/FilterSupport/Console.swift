import Glibc
import ImageCore

/// Messages on standard error: `program: file: what is wrong`, one line each.
public struct Console: Sendable {
    public let program: String

    public init(program: String) { self.program = program }

    /// The subject of messages about a picture that came without a name.
    public static let standardInput = Array("standard input".utf8)

    /// The same of what could not be written.
    public static let standardOutput = Array("standard output".utf8)

    /// `subject`: the picture's name; empty for the run as a whole.
    public func report(_ error: ImageError, subject: [UInt8]) {
        switch error {
        // What an earlier filter has failed it has also said.
        case .upstream: return
        // "a.txt is not a picture", but "a.jpg: truncated at byte 5120".
        case .damaged(let fault, _), .unsupported(let fault):
            say(error.description, subject: subject, joined: fault.hasPrefix("is ") ? " " : ": ")
        default: say(error.description, subject: subject)
        }
    }

    public func say(_ message: String, subject: [UInt8] = [], joined: String = ": ") {
        let name = subject.isEmpty ? "" : Self.printable(subject) + joined
        let line = Array("\(program): \(name)\(Self.oneLine(message))\n".utf8)
        // A failing standard error has nobody to tell.
        _ = line.withUnsafeBytes { Glibc.write(2, $0.baseAddress!, $0.count) }
    }

    /// A name as text that a terminal shows and does not obey: control characters and bytes that are no UTF-8 as \xNN.
    public static func printable(_ name: [UInt8]) -> String {
        var text = ""
        var rest = name[...]
        var decoder = UTF8()
        var iterator = rest.makeIterator()
        while !rest.isEmpty {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar) where !scalar.isControl && scalar != "\\":
                text.unicodeScalars.append(scalar)
                rest = rest.dropFirst(UTF8.width(scalar))
            case .scalarValue(let scalar) where scalar == "\\":
                text += "\\\\"
                rest = rest.dropFirst()
            default:
                // One byte at a time from here: what follows may be good again.
                text += "\\x" + hex(rest.first!)
                rest = rest.dropFirst()
                decoder = UTF8()
                iterator = rest.makeIterator()
            }
        }
        return text
    }

    private static func hex(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    /// FAIL holds one line without control characters, and so does a terminal.
    static func oneLine(_ message: String) -> String {
        String(String.UnicodeScalarView(message.unicodeScalars.map { $0.isControl ? " " : $0 }))
    }
}

extension UTF8 {
    /// Bytes of a scalar.
    fileprivate static func width(_ scalar: Unicode.Scalar) -> Int { UTF8.encode(scalar)!.count }
}

extension StreamFailure {
    /// The record that tells the filters behind of `error`.
    public init(_ error: ImageError, name: [UInt8]) {
        if case .upstream(let failure, _) = error {
            self = failure
        } else {
            self.init(status: error.status.rawValue, name: name, message: Console.oneLine(error.description))
        }
    }
}

extension ImageError {
    /// The message about a picture names its input; what is wrong here is the output's, `target`.
    public func naming(_ target: FilePath) -> ImageError {
        let name = Console.printable(target.bytes)
        return switch self {
        case .cannotCreate, .refusedOutput: .refusedOutput("\(name): \(self)", mayPass: mayPass)
        case .writeFailed: .transferFailed("\(name): \(self)")
        default: self
        }
    }
}
