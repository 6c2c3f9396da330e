import Glibc

/// How a decoder's input is best taken from a file in the page cache: read(2) into a window of some size, or mmap(2), with and without
/// giving pages back. Prints one line a method: median wall and CPU time of a pass in which every byte is summed, and the peak RSS
/// of a process that did nothing else.
///
///     swift run -c release readormap FILE [ROUNDS]
@main
struct ReadOrMap {
    enum Method: CaseIterable {
        case read64K, read128K, read256K, read1M, map, mapGivingBack

        var name: String {
            switch self {
            case .read64K: "read, 64 KiB window"
            case .read128K: "read, 128 KiB window"
            case .read256K: "read, 256 KiB window"
            case .read1M: "read, 1 MiB window"
            case .map: "mmap, MADV_SEQUENTIAL"
            case .mapGivingBack: "mmap, pages given back each 1 MiB"
            }
        }

        var windowBytes: Int {
            switch self {
            case .read64K: 64 << 10
            case .read128K: 128 << 10
            case .read256K: 256 << 10
            case .read1M, .map, .mapGivingBack: 1 << 20
            }
        }
    }

    static func main() {
        guard CommandLine.arguments.count >= 2 else { return print("usage: readormap FILE [ROUNDS]") }
        let path = CommandLine.arguments[1]
        let rounds = CommandLine.arguments.count > 2 ? Int(CommandLine.arguments[2]) ?? 21 : 21
        // A child a method, so that each has a peak of its own; this process is the child when it is told the method.
        if CommandLine.arguments.count > 3, let index = Int(CommandLine.arguments[3]) {
            return measure(Method.allCases[index], path, rounds)
        }
        print("method                               wall ms   CPU ms   peak RSS KiB")
        fflush(nil)
        for index in Method.allCases.indices {
            system("'\(CommandLine.arguments[0])' '\(path)' \(rounds) \(index)")
        }
    }

    static func measure(_ method: Method, _ path: String, _ rounds: Int) {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { return print("cannot open \(path)") }
        // One for all passes, as a buffer pool has it.
        let window = UnsafeMutableRawPointer.allocate(byteCount: method.windowBytes, alignment: 4096)
        var (walls, cpus): ([Double], [Double]) = ([], [])
        var total: UInt64 = 0
        for _ in 0..<rounds {
            lseek(file, 0, SEEK_SET)
            let (wall, cpu) = (seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID))
            total &+= method == .map || method == .mapGivingBack ? mapped(method, file) : windowed(method, file, window)
            walls.append(seconds(CLOCK_MONOTONIC) - wall)
            cpus.append(seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu)
        }
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func field(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.utf8.count)) + text }
        func milliseconds(_ values: [Double]) -> String {
            let microseconds = Int(values.sorted()[values.count / 2] * 1e6)
            return "\(microseconds / 1000).\(String(1000 + microseconds % 1000).dropFirst())"
        }
        let name = method.name + String(repeating: " ", count: 36 - method.name.utf8.count)
        print(name + field(milliseconds(walls), 8) + field(milliseconds(cpus), 9) + field(String(usage.ru_maxrss), 15), total == 0 ? "?" : "")
    }

    static func windowed(_ method: Method, _ file: Int32, _ window: UnsafeMutableRawPointer) -> UInt64 {
        var total: UInt64 = 0
        while true {
            let n = read(file, window, method.windowBytes)
            if n <= 0 { return total }
            total &+= sum(window, n)
        }
    }

    static func mapped(_ method: Method, _ file: Int32) -> UInt64 {
        let count = Int(lseek(file, 0, SEEK_END))
        guard let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0), start != MAP_FAILED else { return 0 }
        defer { munmap(start, count) }
        madvise(start, count, MADV_SEQUENTIAL)
        var total: UInt64 = 0
        for at in stride(from: 0, to: count, by: method.windowBytes) {
            let n = min(method.windowBytes, count - at)
            total &+= sum(start + at, n)
            if method == .mapGivingBack { madvise(start + at, n, MADV_DONTNEED) }
        }
        return total
    }

    static func sum(_ start: UnsafeMutableRawPointer, _ count: Int) -> UInt64 {
        let words = start.assumingMemoryBound(to: UInt64.self)
        return (0..<count / 8).reduce(0) { $0 &+ words[$1] }
    }

    static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
