import Glibc
import ImageCore

/// Names to read, one by one: from the command line, or NUL-separated from a file (`--files0-from`), which may be longer than
/// memory and still growing.
public struct FileList {
    private var names: ArraySlice<FilePath> = []
    private var list: ByteSource?
    private var isStandardInput = false
    private var count = 0

    public init(_ names: [FilePath]) { self.names = names[...] }

    /// `path`: `-` is standard input.
    public init(files0From path: FilePath, pool: BufferPool) throws(ImageError) {
        isStandardInput = path.isStandardStream
        list = try ByteSource(
            path.isStandardStream ? .standardInput : .open(reading: path), pool: pool)
    }

    /// The next name; nil after the last.
    public mutating func next() throws(ImageError) -> FilePath? {
        guard let list else { return names.popFirst() }
        var name: [UInt8] = []
        while true {
            if list.waitingCount == 0, try list.refill() == 0 { break }
            let waiting = list.waiting
            if let end = (0..<waiting.byteCount).first(where: { waiting.unsafeLoad(fromByteOffset: $0, as: UInt8.self) == 0 }) {
                waiting.extracting(first: end).withUnsafeBytes { name.append(contentsOf: $0) }
                list.skip(end + 1)
                count += 1
                if name.isEmpty { throw .usage("--files0-from: name \(count) is empty") }
                if isStandardInput && FilePath(name).isStandardStream {
                    throw .usage("--files0-from: names come from standard input, so - cannot be one of them")
                }
                return FilePath(name)
            }
            waiting.withUnsafeBytes { name.append(contentsOf: $0) }
            list.skip(list.waitingCount)
            if name.count > PATH_MAX { throw .usage("--files0-from: name \(count + 1) is longer than \(PATH_MAX) bytes; names end with NUL") }
        }
        // As in GNU wc, the last name may lack its NUL.
        return name.isEmpty ? nil : FilePath(name)
    }
}

extension FilePath {
    /// `-`
    public var isStandardStream: Bool { bytes == [UInt8(ascii: "-")] }
}
