import ImageCore
import Glibc
import Synchronization
import TestPictures
import Testing

@Suite struct MonitorTests {
    /// Three givers, three takers, room for four.
    @Test func aBoundedQueueLosesNothingAndKeepsItsBound() {
        let queue = Monitor<[Int]>([])
        let sum = Atomic(0)
        let taken = Atomic(0)
        runThreads(6) { thread in
            for number in 0..<1000 {
                if thread < 3 {
                    queue.wait(waking: .all) { $0.count < 4 ? $0.append(thread * 1000 + number) : nil }
                } else {
                    let job = queue.wait(waking: .all) { jobs -> Int? in
                        #expect(jobs.count <= 4)
                        return jobs.isEmpty ? nil : jobs.removeFirst()
                    }
                    sum.wrappingAdd(job, ordering: .relaxed)
                    taken.wrappingAdd(1, ordering: .relaxed)
                }
            }
        }
        #expect(taken.load(ordering: .relaxed) == 3000)
        #expect(sum.load(ordering: .relaxed) == (0..<3000).reduce(0, +))
        #expect(queue.withLock { $0.isEmpty })
    }

    @Test func aDeadlineEndsTheWait() {
        let monitor = Monitor(0)
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let soon = UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec) + 2_000_000
        for deadline in [0, 1, soon] {
            var looks = 0
            let found: Int? = monitor.wait(deadline: deadline) { _ in
                looks += 1
                return nil
            }
            #expect(found == nil)
            #expect(looks >= 1)
        }
        clock_gettime(CLOCK_MONOTONIC, &time)
        #expect(UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec) >= soon)
        #expect(monitor.wait(deadline: 0) { $0 == 0 ? "there" : nil } == "there")
    }

    /// The largest deadline is as good as none.
    @Test func anUpdateWakesWhoWaits() {
        let monitor = Monitor(0)
        runThreads(4) { thread in
            if thread == 0 {
                // The fourth is this one.
                monitor.wait { $0 == 3 ? () : nil }
                monitor.update { $0 = 100 }
            } else {
                monitor.update { $0 += 1 }
                #expect(monitor.wait(deadline: .max) { $0 == 100 ? true : nil } == true)
            }
        }
    }

    @Test func anErrorLeavesTheLockOpenAndWakes() {
        struct Failure: Error {}
        let monitor = Monitor(0)
        runThreads(2) { thread in
            if thread == 0 {
                monitor.wait { $0 == 1 ? () : nil }
            } else {
                #expect(throws: Failure.self) {
                    try monitor.update { state throws(Failure) -> Void in
                        state = 1
                        throw Failure()
                    }
                }
                #expect(throws: Failure.self) { try monitor.wait { _ throws(Failure) -> Int? in throw Failure() } }
            }
        }
        #expect(monitor.withLock { $0 } == 1)
    }
}
