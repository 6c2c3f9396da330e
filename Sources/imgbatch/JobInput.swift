import FilterSupport
import Glibc
import ImageCore
import ImageJobs

/// The jobs of a run, as they come: lines of JSON, or names.
///
/// Unchecked, because a ByteSource is not Sendable: it is made by the thread that starts the run, and used by the one that takes jobs alone.
struct JobInput: @unchecked Sendable {
    private enum Source {
        case lines(LineReader, JobReader)
        case names(NameList, Recipe)
    }

    private var source: Source
    private let bytes: ByteSource?
    /// What of the input is there; nil where that is not known.
    private let byteCount: UInt64?
    /// Jobs so far.
    private(set) var count = 0

    /// What is next: a job, or what is wrong with its line or name.
    typealias Item = JobReader.Line

    init(_ settings: BatchSettings, _ given: GivenOptions, pool: BufferPool) throws(ImageError) {
        let reader = try JobReader(given, limits: settings.jobs.limits)
        if let names = settings.names {
            do throws(ImageError) {
                source = .names(try NameList(names, pool: pool), reader.recipe)
            } catch .cannotOpen(let code) {
                throw .cannotReach("\(Console.printable(names.bytes)): \(ImageError.cannotOpen(errno: code))")
            }
            (bytes, byteCount) = (nil, nil)
        } else {
            if isatty(0) == 1 { throw .usage("jobs come on standard input, a line each; see imgbatch --help") }
            let input = try ByteSource(.standardInput, pool: pool)
            source = .lines(LineReader(input), reader)
            bytes = input
            byteCount = input.isRegularFile ? input.fileStatus.map { UInt64(max(0, $0.st_size)) } : nil
        }
    }

    /// How many jobs there may be in all, as far as that can be told.
    var estimatedCount: Int? {
        guard let bytes, let byteCount, bytes.positionBytes > 0 else { return nil }
        return Int(Double(count) * Double(byteCount) / Double(bytes.positionBytes))
    }

    /// Nil after the last. Empty lines are passed over. Throws what ends the input.
    mutating func next() throws(ImageError) -> (item: Item, number: Int)? {
        switch source {
        case .names(let list, let recipe):
            let number = count + 1
            do throws(ImageError) {
                guard let path = try list.next() else { return nil }
                count = number
                return (.job(Job(id: .number(Int64(number)), isPlace: true, number: number, input: path, output: nil, recipe: recipe)), number)
            } catch .usage(let fault) {
                count = number
                return (.fault(.usage(fault), id: nil, input: nil), number)
            }
        case .lines(var lines, var reader):
            defer { source = .lines(lines, reader) }
            while let line = try lines.next() {
                if line.bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }) { continue }
                count += 1
                if line.bytes.count > LineReader.mostBytes { return (.fault(.usage("no job: a line of more than \(LineReader.mostBytes) bytes"), id: nil, input: nil), count) }
                return (line.bytes.withUnsafeBytes { reader.job($0, number: count) }, count)
            }
            return nil
        }
    }
}
