import FilterSupport
import ImageCodecs
import ImageCore
import Synchronization

/// Sandboxed worker processes, one for each slot of a scheduler, for who has pictures as open files and no jobs with names: a service.
public final class PictureWorkers: Sendable {
    /// What a picture has come to.
    public typealias Outcome = (report: Pipeline.Report, sink: any ByteSink)

    private let settings: JobSettings
    private let slots: [JobSlot]
    /// Who works in each slot, so that nobody ends another's picture.
    private let owners: Mutex<[Owner]>

    private struct Owner {
        var number: UInt64 = 0
        /// Its process was ended for it, and may not be dead yet.
        var isStopped = false
    }

    public init(limits: Limits, isSandboxed: Bool, slots count: Int) {
        var settings = JobSettings()
        (settings.limits, settings.isSandboxed, settings.isolation) = (limits, isSandboxed, .always)
        self.settings = settings
        slots = (0..<count).map { _ in JobSlot() }
        owners = Mutex(Array(repeating: Owner(), count: count))
    }

    /// Works on `picture`, which is open for reading and stays the caller's, in the process of `slot`; the calling thread waits, and is the only
    /// one in that slot. The output goes to what `open` makes for its size, not yet committed. `latest`: nanoseconds of CLOCK_MONOTONIC, after
    /// which nobody wants it. `owner`: a number of the caller's for `stop`, not 0. `isWanted`: asked when `stop` can find it, and not before.
    ///
    /// Throws what the filters would; `internalError` where the process died, of which the next picture gets a new one.
    public func run(
        _ picture: borrowing Descriptor, _ recipe: Recipe, as format: EncodedFormat, latest: UInt64?, in slot: Int, owner: UInt64,
        isWanted: () -> Bool, to open: (_ width: UInt32, _ height: UInt32) throws(ImageError) -> any ByteSink
    ) throws(ImageError) -> Outcome {
        owners.withLock { $0[slot] = Owner(number: owner) }
        defer {
            let isStopped = owners.withLock { owners -> Bool in
                defer { owners[slot] = Owner() }
                return owners[slot].isStopped
            }
            // Not the next one's.
            if isStopped { slots[slot].end() }
        }
        // `stop` may have come before there was a process, or an owner.
        let isStillWanted = { self.owners.withLock { !$0[slot].isStopped } && isWanted() }
        return try slots[slot].run(picture, recipe, format, latest, settings, true, isWanted: isStillWanted, open)
    }

    /// Ends the process that works on the owner's picture, if one does: whoever has asked for it has gone. By any thread.
    public func stop(owner: UInt64) {
        owners.withLock { owners in
            guard owner != 0, let slot = owners.firstIndex(where: { $0.number == owner }) else { return }
            owners[slot].isStopped = true
            slots[slot].kill()
        }
    }

    /// Ends all processes at once, whatever they do.
    public func kill() { for slot in slots { slot.kill() } }

    /// Ends all processes, when nobody has a picture in them any more.
    public func end() {
        for slot in slots { slot.hangUp() }
        for slot in slots { slot.end() }
    }
}
