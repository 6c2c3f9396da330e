import CPlatformShims
import Glibc
import ImageCore

/// A large file of a server through a pipe: a range is fetched while the one before it is written, and no more than two are held.
final class RangePump: Sendable {
    private let store: any RemoteStore
    private let location: Location
    private let file: StoredFile
    private let windowBytes: Int
    private let cancellation: Cancellation
    private let state: Monitor<State>
    /// The pipe's end to write to.
    private let output: Int32

    private struct State: Sendable {
        /// What is fetched and not taken yet.
        var waiting: [UInt8]?
        /// Of one that was written: fresh memory costs more than to copy into it.
        var room: [UInt8] = []
        var hasEnded = false
        var failure: ImageError?
    }

    private let start: UInt64

    /// `first`: the file's first bytes, which are there. Gives the end to read from, and all that has to live as long.
    static func begin(_ store: any RemoteStore, _ location: Location, _ file: StoredFile, first: [UInt8]) throws(ImageError) -> OpenedFile {
        var ends: [Int32] = [-1, -1]
        guard imgpipe_pipe(&ends) == 0 else { throw .readFailed(errno: errno) }
        let input = Descriptor(number: ends[0])
        imgpipe_grow_pipe(ends[1], 1 << 20)
        _ = fcntl(ends[1], F_SETFL, O_NONBLOCK)
        let pump = try RangePump(store, location, file, first, output: ends[1])
        let opened = OpenedFile(input, file, pump: pump)
        do throws(ImageError) {
            opened.threads.append(try Thread { pump.fetch() })
            opened.threads.append(try Thread { pump.write() })
        } catch {
            Glibc.close(pump.output)
            throw error
        }
        return opened
    }

    private init(_ store: any RemoteStore, _ location: Location, _ file: StoredFile, _ first: [UInt8], output: Int32) throws(ImageError) {
        (self.store, self.location, self.file, self.output) = (store, location, file, output)
        windowBytes = max(1, store.transport.settings.windowBytes)
        start = UInt64(first.count)
        state = Monitor(State(waiting: first))
        do throws(ImageError) {
            cancellation = try Cancellation()
        } catch {
            Glibc.close(output)
            throw error
        }
    }

    var failure: ImageError? { state.withLock { $0.failure } }

    /// Ends what is under way; the threads end soon.
    func cancel() {
        cancellation.cancel()
        // Under the lock, so that nobody is between a look and its sleep.
        state.update { _ in }
    }

    // MARK: Fetching

    private func fetch() {
        var offset = start
        let end = file.byteCount ?? 0
        do throws(TransferFault) {
            while offset < end {
                let window = MemoryWindow(takeRoom(), capacity: windowBytes)
                let range = offset..<min(end, offset + UInt64(windowBytes))
                let download = Download(store, location, range, of: file, to: window)
                try download.run(Transport.Terms(cancellation: cancellation))
                guard download.receivedBytes == UInt64(range.count) else { throw .changed }
                offset = range.upperBound
                guard give(window.take()) else { return }
            }
            endFetching(nil)
        } catch {
            endFetching(error.ofReading)
        }
    }

    private func takeRoom() -> [UInt8] {
        state.withLock { state in
            defer { state.room = [] }
            return state.room
        }
    }

    private func endFetching(_ failure: ImageError?) {
        state.update {
            $0.hasEnded = true
            $0.failure = failure
        }
    }

    /// Waits for room. False where nobody wants it.
    private func give(_ bytes: [UInt8]) -> Bool {
        state.wait(waking: .all) { state -> Bool? in
            if cancellation.isCancelled { return false }
            guard state.waiting == nil else { return nil }
            state.waiting = bytes
            return true
        }
    }

    // MARK: Writing

    private func write() {
        Thread.blockBrokenPipe()
        while let bytes = take(), write(bytes) {
            state.withLock { $0.room = bytes }
        }
        // The reader sees the end when why is known, and the fetcher that it has no reader.
        close(output)
        cancel()
    }

    /// Nil at the end.
    private func take() -> [UInt8]? {
        state.wait(waking: .all) { state -> [UInt8]?? in
            if cancellation.isCancelled { return .some(nil) }
            if let bytes = state.waiting {
                state.waiting = nil
                return bytes
            }
            return state.hasEnded ? .some(nil) : nil
        }
    }

    /// False where nobody reads any more.
    private func write(_ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let n = bytes.withUnsafeBytes { Glibc.write(output, $0.baseAddress! + done, $0.count - done) }
            if n >= 0 {
                done += n
            } else if errno == EAGAIN {
                var requests = [
                    pollfd(fd: output, events: Int16(POLLOUT), revents: 0), pollfd(fd: cancellation.ear, events: Int16(POLLIN), revents: 0),
                ]
                _ = poll(&requests, 2, -1)
                if cancellation.isCancelled { return false }
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}
