import ImageCodecs
import ImageCore
import ImageJobs
import Testing

/// What a worker process in a stranger's hands may send.
@Suite struct WorkerAnswerTests {
    private func report(_ width: UInt32, _ height: UInt32, bytes: Int) -> Pipeline.Report {
        var report = Pipeline.Report()
        (report.width, report.height, report.byteCount, report.pixels) = (width, height, bytes, 100)
        return report
    }

    @Test func whatAPictureIsComesThrough() {
        var answer = WorkerAnswer(Limits(), .jpeg)
        let isTaken = [answer.takes(width: 40, height: 30), answer.takes([1, 2, 3]), answer.takes([4])]
        #expect(isTaken == [true, true, true])
        #expect(answer.report(report(40, 30, bytes: 4), nanoseconds: 10) != nil)
    }

    @Test func bytesBeforeASizeAndASecondSizeAreRefused() {
        var answer = WorkerAnswer(Limits(), .jpeg)
        let isTaken = [answer.takes([1]), answer.takes(width: 1, height: 1), answer.takes(width: 1, height: 1)]
        #expect(isTaken == [false, true, false])
    }

    @Test(arguments: [(0, 5), (5, 0), (1 << 20, 1 << 20), (UInt32.max, UInt32.max)] as [(UInt32, UInt32)]) func aSizeOverTheLimitIsRefused(width: UInt32, height: UInt32) {
        var answer = WorkerAnswer(Limits(), .png)
        let isTaken = answer.takes(width: width, height: height)
        #expect(!isTaken)
    }

    @Test func bytesThatDoNotEndAreRefused() {
        var limits = Limits()
        limits.metadata = 1000
        var answer = WorkerAnswer(limits, .jpeg)
        let isSize = answer.takes(width: 100, height: 100)
        #expect(isSize)
        let part = [UInt8](repeating: 0, count: 1 << 16)
        let taken = (0..<1000).prefix { _ in answer.takes(part) }.count
        #expect((16...20).contains(taken), "\(taken) packets of 64 KiB for a picture of 100 x 100")
    }

    @Test func aReportIsOfWhatCame() {
        var answer = WorkerAnswer(Limits(), .webp)
        #expect(answer.report(report(1, 1, bytes: 0), nanoseconds: 1) == nil)
        let isTaken = [answer.takes(width: 7, height: 9), answer.takes([1, 2])]
        #expect(isTaken == [true, true])
        for wrong in [report(9, 7, bytes: 2), report(7, 9, bytes: 3), report(7, 9, bytes: -1)] { #expect(answer.report(wrong, nanoseconds: 1) == nil) }
        var loud = report(7, 9, bytes: 2)
        loud.durations.encode = .max
        loud.buffers.leases = .max
        let heard = answer.report(loud, nanoseconds: 500)
        #expect(heard?.durations.encode == 500 && heard?.buffers.leases == 1 << 32)
        loud.pixels = .max
        #expect(answer.report(loud, nanoseconds: 500) == nil)
    }

    @Test func aStatusIsOneOfThoseThatThereAre() {
        for status: UInt32 in [1, 64, 65, 66, 70, 73, 74] { #expect(WorkerAnswer.isStatus(ExitStatus(rawValue: status))) }
        for status: UInt32 in [0, 2, 63, 75, .max] { #expect(!WorkerAnswer.isStatus(ExitStatus(rawValue: status))) }
    }
}
