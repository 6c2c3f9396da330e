import Glibc
import ImageCore
import Storage

/// `readahead URL ROUNDS [MB_PER_SECOND]`: milliseconds until all of a file is read, by how it is fetched; the reader sums bytes, or
/// takes as long as a decoder of that speed. Medians.
@main
struct ReadAheadBenchmark {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3, let rounds = Int(arguments[2]), rounds > 0 else {
            print("usage: readahead URL ROUNDS [MB_PER_SECOND]")
            exit(64)
        }
        let (location, speed) = (try Location(arguments[1]), arguments.count > 3 ? Double(arguments[3]) : nil)
        var ways: [(name: String, settings: StorageSettings, times: [Double])] = []
        for window in [0, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20, 8 << 20] {
            var settings = try StorageSettings(environment: StorageSettings.environment)
            (settings.readAheadBytes, settings.windowBytes) = window == 0 ? (.max, 1) : (0, window)
            ways.append((window == 0 ? "whole, then read" : "\(window >> 10) KiB", settings, []))
        }
        let storages = ways.map { Storage($0.settings) }
        // In turn, so that what else the machine does meets all.
        for _ in 0..<rounds {
            for way in ways.indices { ways[way].times.append(try time(storages[way], location, speed)) }
        }
        for way in ways { print("| \(way.name) | \(Int(way.times.sorted()[rounds / 2].rounded())) |") }
    }

    private static func time(_ storage: Storage, _ location: Location, _ speed: Double?) throws(ImageError) -> Double {
        let (start, pool) = (now(), BufferPool(limitBytes: 1 << 30))
        let opened = try storage.open(location, pool: pool)
        let source = try ByteSource(opened.takeDescriptor(), pool: pool)
        var sum = 0
        while try source.refill() > 0 {
            sum &+= source.waiting.withUnsafeBytes { $0.reduce(0) { $0 &+ Int($1) } }
            if let speed { usleep(UInt32(Double(source.waitingCount) / speed)) }
            source.skip(source.waitingCount)
        }
        try opened.check()
        if sum == 42 { print(sum) }
        return (now() - start) * 1000
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
