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
    /// stop the list.
    public func next() throws(ImageError) -> FilePath? {
        var name: [UInt8] = []
        var isLong = false
        while true {
            if list.waitingCount == 0, try list.refill() == 0 {
                if name.isEmpty { return nil }
                break
            }
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
}

extension NameList {
    /// Calls `take` for each name of a list. What is wrong with a name, or with the list, which then ends, goes to `failed` with what it is
    /// about; a failure to write ends the run.
    public static func forEach(
        in list: FilePath, pool: BufferPool, _ take: (FilePath) throws(ImageError) -> Void, failed: (ImageError, [UInt8]) throws(ImageError) -> Void
    ) throws(ImageError) {
        let subject = list.isStandardStream ? Array("standard input".utf8) : list.bytes
        do throws(ImageError) {
            let names = try NameList(list, pool: pool)
            while true {
                do throws(ImageError) {
                    guard let name = try names.next() else { return }
                    try take(name)
                } catch .usage(let fault) {
                    try failed(.usage(fault), subject)
                }
            }
        } catch {
            if case .writeFailed = error { throw error }
            try failed(error, subject)
        }
    }
}

extension FilePath {
    /// `-`
    public var isStandardStream: Bool { bytes == [UInt8(ascii: "-")] }
}
