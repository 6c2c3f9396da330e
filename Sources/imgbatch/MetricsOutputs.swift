import FilterSupport
import Glibc
import ImageCore
import Synchronization

/// Where metrics go while a run lasts: a file for node_exporter's textfile collector, a listener that Prometheus scrapes.
final class MetricsOutputs: Sendable {
    private let path: FilePath?
    private let pool: BufferPool
    private let console: Console
    private let exposition: @Sendable () -> [UInt8]
    /// Held while the file is written; true from the last time on.
    private let isEnded = Mutex(false)
    private static let seconds: UInt32 = 5

    /// Throws where the address cannot be listened at, or the file not be written.
    init(_ settings: BatchSettings, _ console: Console, _ pool: BufferPool, exposition: @escaping @Sendable () -> [UInt8]) throws(ImageError) {
        (path, self.pool, self.console, self.exposition) = (settings.metricsFile, pool, console, exposition)
        if let address = settings.metricsAddress {
            let listener = try MetricsListener(address, exposition)
            console.say("metrics at http://\(listener.address)/metrics")
            _ = try Thread { listener.serve() }
        }
        guard let path else { return }
        do throws(ImageError) {
            var status = stat()
            if path.withCString({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFIFO { throw .refusedOutput("a pipe; metrics are a file") }
            try writeFile()
        } catch {
            throw .refusedOutput("\(Console.printable(path.bytes)): \(error)")
        }
        _ = try Thread { [weak self] in
            while true {
                sleep(Self.seconds)
                guard let self else { return }
                // What is wrong is said at the end, which tries once more.
                isEnded.withLock { if !$0 { try? writeFile() } }
            }
        }
    }

    /// The last state; gives the status of what could not be written.
    func end() -> ExitStatus? {
        do throws(ImageError) {
            try isEnded.withLock { (isEnded) throws(ImageError) in
                isEnded = true
                try writeFile()
            }
            return nil
        } catch {
            console.report(error, subject: path!.bytes)
            return error.status
        }
    }

    private func writeFile() throws(ImageError) {
        guard let path else { return }
        let file = try AtomicFile(path, pool: pool)
        let bytes = exposition()
        try file.write(bytes.span.bytes)
        try file.commit()
    }
}
