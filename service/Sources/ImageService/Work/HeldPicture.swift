import ImageCore
import ServiceRequests
import Synchronization

/// Bytes of pictures that are held, of all requests together: who would go over it is turned away.
final class BodyBudget: Sendable {
    private let held = Atomic<Int>(0)
    let most: Int

    init(most: Int) { self.most = most }

    var heldBytes: Int { held.load(ordering: .relaxed) }

    fileprivate func take(_ count: Int) -> Bool {
        if held.wrappingAdd(count, ordering: .relaxed).newValue <= most { return true }
        give(count)
        return false
    }

    fileprivate func give(_ count: Int) { held.wrappingSubtract(count, ordering: .relaxed) }
}

/// A picture that was posted, or fetched, in a file in memory, which a worker gets to read.
///
/// Unchecked: one thread at a time has it, the one that brings it, and then the one that hands it to a worker.
final class HeldPicture: ByteSink, @unchecked Sendable {
    private let file: MemoryFile
    private let budget: BodyBudget
    private(set) var byteCount = 0

    /// Throws `temporaryFile`.
    init(_ budget: BodyBudget) throws(ImageError) {
        self.budget = budget
        file = try MemoryFile()
    }

    deinit { budget.give(byteCount) }

    /// Throws `outOfMemory` where too much is held.
    func write(_ bytes: RawSpan) throws(ImageError) {
        guard budget.take(bytes.byteCount) else { throw .outOfMemory }
        byteCount += bytes.byteCount
        try file.write(bytes)
    }

    func commit() throws(ImageError) {}

    /// Another one is the picture after all.
    func reset() throws(ImageError) {
        try file.reset()
        budget.give(byteCount)
        byteCount = 0
    }

    /// For reading, at a place of its own.
    func open() throws(ImageError) -> Descriptor { try file.descriptor() }
}

extension HeldPicture {
    func take(_ bytes: UnsafeRawBufferPointer) throws(ServiceFault) {
        do throws(ImageError) { try write(bytes.bytes) } catch { throw ServiceFault(error) }
    }

    func empty() throws(ServiceFault) {
        do throws(ImageError) { try reset() } catch { throw ServiceFault(error) }
    }
}
