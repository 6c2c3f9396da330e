import Glibc
import ImageCore

/// How long each stage of a picture took. Stages ask each other for rows, so each one's time is what it took without those before it.
final class StageClock {
    /// Nanoseconds, with those of the stages before.
    fileprivate var throughDecode: UInt64 = 0
    fileprivate var throughResize: UInt64 = 0

    /// `total`: of all stages.
    func durations(total: UInt64) -> StageDurations {
        let resize = max(throughResize, throughDecode)
        return StageDurations(decode: throughDecode, resize: resize - throughDecode, encode: max(total, resize) - resize)
    }
}

/// Nanoseconds.
public struct StageDurations: Sendable, Equatable {
    public var decode: UInt64 = 0
    public var resize: UInt64 = 0
    public var encode: UInt64 = 0
}

/// A source that adds to a clock what its calls take.
final class TimedRows: RowSource {
    private let source: any RowSource
    private let clock: StageClock
    private let stage: ReferenceWritableKeyPath<StageClock, UInt64>

    static func decode(_ source: any RowSource, _ clock: StageClock) -> TimedRows { TimedRows(source, clock, \.throughDecode) }
    static func resize(_ source: any RowSource, _ clock: StageClock) -> TimedRows { TimedRows(source, clock, \.throughResize) }

    private init(_ source: any RowSource, _ clock: StageClock, _ stage: ReferenceWritableKeyPath<StageClock, UInt64>) {
        (self.source, self.clock, self.stage) = (source, clock, stage)
    }

    var info: ImageInfo { source.info }
    var metadata: [MetadataRecord] { source.metadata }
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    func nextFrame() throws(ImageError) -> Frame? {
        let start = Deadline.now
        defer { clock[keyPath: stage] += Deadline.now - start }
        return try source.nextFrame()
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let start = Deadline.now
        defer { clock[keyPath: stage] += Deadline.now - start }
        return try source.read(into: &bands)
    }
}
