import Glibc
import ImageCore

/// Names to read, each ended by NUL, from a file (`--files0-from`) that may be longer than memory and still growing.
public final class NameList {
    private let list: ByteSource
    private let isStandardInput: Bool
    private var count = 0

    /// `path`: `-` is standard input.
    public init(_ path: FilePath, pool: BufferPool) throws(ImageError) {
        isStandardInput = path.isStandardStream
        list = try ByteSource(isStandardInput ? .standardInput : .open(reading: path), pool: pool)
    }

    /// The next name; nil after the last. As in GNU wc, the last one may lack its NUL, and a name that is none (`usage`) does not
    /// stop the list; a picture in its place (`unsupported`) does.
    public func next() throws(ImageError) -> FilePath? {
        var name: [UInt8] = []
        var isLong = false
        while true {
            if list.waitingCount == 0, try list.refill() == 0 {
                if name.isEmpty { return nil }
                break
            }
            if count == 0 && name.isEmpty { try refusePicture() }
            let waiting = UnsafeRawBufferPointer(start: list.waitingStart, count: list.waitingCount)
            let part = waiting.prefix { $0 != 0 }
            isLong = isLong || name.count + part.count > PATH_MAX
            if !isLong { name += part }
            let isEnded = part.count < waiting.count
            list.skip(part.count + (isEnded ? 1 : 0))
            if isEnded { break }
        }
        count += 1
        if isLong { throw .usage("name \(count) is longer than \(PATH_MAX) bytes; names end with NUL") }
        if name.isEmpty { throw .usage("name \(count) is empty") }
        if isStandardInput && FilePath(name).isStandardStream {
            throw .usage("name \(count) is -, but standard input is the list")
        }
        return FilePath(name)
    }

    /// Thousands of names that are none, else.
    private func refusePicture() throws(ImageError) {
        let list = list
        let kind = FileSignature(list.waiting)
        if let kind, [.jpeg, .png, .webp, .pixelStream].contains(kind) { throw .unsupported("is \(kind.withArticle), not a list of names") }
    }
}

extension FilePath {
    /// `-`
    public var isStandardStream: Bool { bytes == [UInt8(ascii: "-")] }
}
