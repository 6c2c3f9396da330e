import FilterSupport
import ImageCodecs
import ImageCore

/// The curves of --tune-table and --plot, and their files.
final class Tuning {
    private let table: FilePath?
    private let plot: FilePath?
    private let mayReplace: Bool
    private var curves: QualityCurves

    init(table: FilePath?, plot: FilePath?, metrics: [QualityMetric], mayReplace: Bool) {
        (self.table, self.plot, self.mayReplace) = (table, plot, mayReplace)
        curves = QualityCurves(metrics)
    }

    var isWanted: Bool { table != nil || plot != nil }

    func add(_ name: [UInt8], _ points: [TriedQuality]) { curves.add(name.isEmpty ? "-" : Console.printable(name), points) }

    /// Throws `refusedOutput` where a picture would go where a curve goes.
    func refuse(_ target: FilePath?) throws(ImageError) {
        guard isWanted, let target, let place = OutputPlace(target) else { return }
        for path in [table, plot].compactMap({ $0 }) where OutputPlace(path) == place {
            throw .refusedOutput("\(Console.printable(target.bytes)) is the file of --tune-table or --plot")
        }
    }

    /// Nothing where no picture came so far.
    func write(_ console: Console, _ stream: StreamFilter, pool: BufferPool) {
        if curves.isEmpty { return }
        for (path, text) in [(table, curves.csv), (plot, curves.svg)] {
            guard let path else { continue }
            do throws(ImageError) {
                let file = try AtomicFile(path, mayReplace: mayReplace, pool: pool)
                try file.write(Array(text.utf8).span.bytes)
                try file.commit()
            } catch {
                console.report(error, subject: path.bytes)
                stream.note(error.status)
            }
        }
    }
}
