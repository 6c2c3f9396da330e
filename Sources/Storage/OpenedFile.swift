import Glibc
import ImageCore

/// A file that is read. It has to live as long as its descriptor is read from; when it ends, so does what it reads ahead.
public final class OpenedFile {
    public let file: StoredFile
    /// Taken by who reads; -1 then.
    private var number: Int32
    private let isNamedPipe: Bool
    private let pump: RangePump?
    /// The pump's.
    var threads: [Thread] = []
    /// Whose descriptor it is a copy of.
    private let scratch: ScratchFile.Whole?

    init(_ descriptor: consuming Descriptor, _ file: StoredFile, pump: RangePump? = nil, scratch: ScratchFile.Whole? = nil) {
        isNamedPipe = descriptor.isNamedPipe
        number = descriptor.release()
        (self.file, self.pump, self.scratch) = (file, pump, scratch)
    }

    deinit { close() }

    /// To be read from the start, once. A regular file unless it is read ahead or was given as something else.
    public func takeDescriptor() -> Descriptor {
        precondition(number >= 0, "it is taken already")
        defer { number = -1 }
        return Descriptor(number: number, isNamedPipe: isNamedPipe)
    }

    /// Whether it is all there, and can be looked into anywhere; before its descriptor is taken.
    public var isRegularFile: Bool {
        var status = stat()
        return fstat(number, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// To be asked when the descriptor has ended: throws `transferFailed` where that was not the file's end.
    public func check() throws(ImageError) {
        if let failure = pump?.failure { throw failure }
    }

    /// Ends what is under way, at once; nothing more can be read then.
    public func close() {
        if number >= 0 { _ = takeDescriptor() }
        pump?.stop()
        for thread in threads { thread.join() }
        threads = []
    }
}
