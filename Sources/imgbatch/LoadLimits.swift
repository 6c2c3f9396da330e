import CPlatformShims
import Glibc
import ImageCore

/// How much is done at once, as far as files may be open.
struct LoadLimits {
    let slots: Int
    let threads: Int

    /// Threads for a slot, where files and servers are slow.
    private static let threadsPerSlot = 8
    /// What a job on its way has open at most: input, output and its directory, a file in memory, a connection, a worker's socket.
    private static let filesPerJob = 6
    /// Standard streams, journal, metrics and their readers.
    private static let otherFiles = 64

    /// Raises what this process may have open to what the system lets it: 1,024 is a limit of old for programs that call select(2).
    init(slots: Int) {
        imgpipe_raise_open_files()
        let jobs = max(1, (Descriptor.most - Self.otherFiles) / Self.filesPerJob)
        self.slots = min(slots, jobs)
        threads = min(self.slots * Self.threadsPerSlot, max(jobs, self.slots))
    }
}
