import Glibc
import ImageCore
import Synchronization
import TestPictures
import Testing

import ImageJobs

@Suite(.serialized) struct SchedulerTests {
    @Test func everyJobIsDoneOnceAndNoMoreAtATimeThanThereAreSlots() throws {
        let done = Mutex<[Int]>([])
        let atOnce = Atomic(0)
        let most = Atomic(0)
        let scheduler = try Scheduler<Int>(slots: 3, mostThreads: 12, limit: 20) { turn in
            try? turn.inSlot { (slot: Int) throws(ImageError) -> Void in
                #expect((0..<3).contains(slot))
                most.max(atOnce.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
                usleep(100)
                atOnce.subtract(1, ordering: .relaxed)
            }
            done.withLock { $0.append(turn.entry.work) }
        }
        for i in 0..<500 { #expect(scheduler.submit(i, priority: i % 8)) }
        scheduler.close()
        #expect(!scheduler.submit(500, priority: 0))
        scheduler.waitUntilDone()
        #expect(done.withLock { $0.sorted() } == Array(0..<500))
        let highest = most.load(ordering: .relaxed)
        #expect((1...3).contains(highest))
        #expect(scheduler.load.threads == 0 && scheduler.load.usedSlots == 0)
    }

    @Test func threadsGrowUnderABurstOfSlowReadsAndShrinkAfter() throws {
        // Reads wait for this, as for a server.
        let gate = Monitor(false)
        let scheduler = try Scheduler<Int>(slots: 2, mostThreads: 10, limit: 100, idleNanoseconds: 20_000_000) { turn in
            turn.willWait()
            _ = gate.wait { isOpen -> Bool? in isOpen ? true : nil }
            try? turn.inSlot { (_: Int) throws(ImageError) -> Void in }
        }
        for i in 0..<40 { scheduler.submit(i, priority: 7) }
        // All that may be, as each waits and no slot is used; and no more.
        while scheduler.load.threads < 10 { usleep(1000) }
        usleep(20_000)
        #expect(scheduler.load.threads == 10 && scheduler.load.queued == 30)
        gate.update { $0 = true }
        while scheduler.load.threads > 1 { usleep(1000) }
        #expect(scheduler.load.queued == 0 && scheduler.load.mostThreads == 10)
        // The one that is left does what comes.
        scheduler.submit(40, priority: 7)
        scheduler.close()
        scheduler.waitUntilDone()
    }

    @Test func jobsThatNeedAProcessorStartFewThreads() throws {
        let scheduler = try Scheduler<Int>(slots: 2, mostThreads: 64, limit: 500) { turn in
            try? turn.inSlot { (_: Int) throws(ImageError) -> Void in usleep(200) }
        }
        for i in 0..<400 { scheduler.submit(i, priority: 7) }
        scheduler.close()
        scheduler.waitUntilDone()
        // Two in slots, and some between a slot and the next job, far from what there might be.
        #expect(scheduler.load.mostThreads <= 8, "\(scheduler.load.mostThreads)")
    }

    @Test func aFullQueueRefusesAtOnceAndWaitsWhereItIsAsked() throws {
        let gate = Monitor(false)
        let scheduler = try Scheduler<Int>(slots: 1, mostThreads: 1, limit: 3) { turn in
            try? turn.inSlot { (_: Int) throws(ImageError) -> Void in _ = gate.wait { isOpen -> Bool? in isOpen ? true : nil } }
        }
        #expect(scheduler.trySubmit(0, priority: 0))
        while scheduler.load.usedSlots == 0 { usleep(1000) }
        for i in 1...3 { #expect(scheduler.trySubmit(i, priority: 0)) }
        #expect(!scheduler.trySubmit(4, priority: 0))
        let isThrough = Atomic(false)
        runThreads(2) { number in
            if number == 0 {
                #expect(scheduler.submit(5, priority: 0))
                isThrough.store(true, ordering: .relaxed)
            } else {
                usleep(20_000)
                let isEarly = isThrough.load(ordering: .relaxed)
                #expect(!isEarly)
                gate.update { $0 = true }
            }
        }
        scheduler.close()
        scheduler.waitUntilDone()
    }

    @Test func aJobTriedAgainIsDoneBeforeTheEnd() throws {
        let tries = Mutex<[Int: Int]>([:])
        let scheduler = try Scheduler<Int>(slots: 2, mostThreads: 4, limit: 10, idleNanoseconds: 1_000_000) { turn in
            let count = tries.withLock { tries -> Int in
                tries[turn.entry.work, default: 0] += 1
                return tries[turn.entry.work]!
            }
            if count < 4 { #expect(turn.retry(turn.entry.work, after: 5_000_000)) }
        }
        for i in 0..<20 { scheduler.submit(i, priority: 7) }
        scheduler.close()
        scheduler.waitUntilDone()
        #expect(tries.withLock { $0 } == Dictionary(uniqueKeysWithValues: (0..<20).map { ($0, 4) }))
    }

    @Test func whatIsAbandonedIsNotDone() throws {
        let done = Mutex<[Int]>([])
        let gate = Monitor(false)
        let scheduler = try Scheduler<Int>(slots: 1, mostThreads: 1, limit: 100) { turn in
            try? turn.inSlot { (_: Int) throws(ImageError) -> Void in _ = gate.wait { isOpen -> Bool? in isOpen ? true : nil } }
            done.withLock { $0.append(turn.entry.work) }
        }
        for i in 0..<50 { scheduler.submit(i, priority: 7) }
        while scheduler.load.usedSlots == 0 { usleep(1000) }
        let rest = scheduler.abandon().map(\.work)
        gate.update { $0 = true }
        scheduler.waitUntilDone()
        #expect(Set(rest).union(done.withLock { $0 }) == Set(0..<50) && rest.count + done.withLock { $0.count } == 50 && rest.count >= 48)
    }

    @Test func twoJobsThatComeTogetherRunSideBySide() throws {
        // Each waits in its slot until both are in theirs.
        let together = Monitor(0)
        let scheduler = try Scheduler<Int>(slots: 2, mostThreads: 16, limit: 100, idleNanoseconds: 2_000_000) { turn in
            try? turn.inSlot { (_: Int) throws(ImageError) -> Void in
                together.update { $0 += 1 }
                let round = turn.entry.work
                let met = together.wait(deadline: Deadline.now + 10_000_000_000) { $0 >= 2 * round ? true : nil }
                #expect(met == true, "round \(round)")
            }
        }
        for round in 1...300 {
            for _ in 0..<2 { #expect(scheduler.trySubmit(round, priority: 7)) }
            _ = together.wait { $0 >= 2 * round ? true : nil }
            // Now and then long enough for threads to go.
            if round % 10 == 0 { usleep(8000) }
        }
        scheduler.close()
        scheduler.waitUntilDone()
    }

    @Test func whoWaitsForTheEndMayWaitForATimeOnly() throws {
        let gate = Monitor(false)
        let scheduler = try Scheduler<Int>(slots: 1, mostThreads: 1, limit: 3) { _ in _ = gate.wait { isOpen -> Bool? in isOpen ? true : nil } }
        scheduler.submit(1, priority: 7)
        scheduler.close()
        let isEarly = scheduler.waitUntilDone(deadline: Deadline.now + 20_000_000)
        #expect(!isEarly)
        gate.update { $0 = true }
        #expect(scheduler.waitUntilDone())
    }

    @Test func slotsGoToJobsInTheOrderThatTheyWereBegunIn() throws {
        let order = Mutex<[Int]>([])
        let gate = Monitor(false)
        let scheduler = try Scheduler<Int>(slots: 1, mostThreads: 8, limit: 500) { turn in
            // The first one keeps the slot until all are there.
            try? turn.inSlot { (_: Int) throws(ImageError) -> Void in
                if turn.entry.work == 0 { _ = gate.wait { isOpen -> Bool? in isOpen ? true : nil } }
                order.withLock { $0.append(turn.entry.work) }
                usleep(500)
            }
        }
        scheduler.submit(0, priority: 0)
        while scheduler.load.usedSlots == 0 { usleep(1000) }
        for i in 1..<200 { scheduler.submit(i, priority: 7) }
        gate.update { $0 = true }
        scheduler.close()
        scheduler.waitUntilDone()
        // A thread may be late between its job and its wish for a slot, by as many as others have begun meanwhile.
        let late = order.withLock { $0.enumerated().filter { abs($0.offset - $0.element) > 2 }.count }
        #expect(late <= 2, "\(order.withLock { $0 })")
    }

    @Test func nothingIsTriedAgainAfterAllIsAbandoned() throws {
        let begun = Atomic(false)
        let gate = Monitor(false)
        let mayRetry = Mutex<[Bool]>([])
        let scheduler = try Scheduler<Int>(slots: 1, mostThreads: 1, limit: 3) { turn in
            begun.store(true, ordering: .releasing)
            _ = gate.wait { isOpen -> Bool? in isOpen ? true : nil }
            mayRetry.withLock { $0.append(turn.retry(1, after: 0)) }
        }
        scheduler.submit(1, priority: 7)
        while !begun.load(ordering: .acquiring) { sched_yield() }
        #expect(scheduler.abandon().isEmpty)
        gate.update { $0 = true }
        scheduler.waitUntilDone()
        #expect(mayRetry.withLock { $0 } == [false])
    }

    @Test func whatWaitsCanBeTakenBackOrMadeUrgent() throws {
        let gate = Monitor(false)
        let done = Mutex<[Int]>([])
        let scheduler = try Scheduler<Int>(slots: 1, mostThreads: 1, limit: 4) { turn in
            _ = gate.wait { isOpen -> Bool? in isOpen ? true : nil }
            done.withLock { $0.append(turn.entry.work) }
        }
        #expect(scheduler.trySubmit(0, priority: 0))
        while scheduler.load.queued > 0 { usleep(1000) }
        for i in 1...4 { #expect(scheduler.trySubmit(i, priority: 5)) }
        #expect(!scheduler.trySubmit(5, priority: 5))
        scheduler.withdraw { $0 == 2 }
        // There is room again, and what is under way stays.
        scheduler.withdraw { $0 == 0 }
        #expect(scheduler.load.queued == 3 && scheduler.trySubmit(6, priority: 5))
        scheduler.hasten(to: 1) { $0 == 4 }
        // With less haste it does not become.
        scheduler.hasten(to: 7) { $0 == 1 }
        #expect(scheduler.queuedByPriority == [0, 1, 0, 0, 0, 3, 0, 0])
        gate.update { $0 = true }
        scheduler.close()
        scheduler.waitUntilDone()
        #expect(done.withLock { $0.prefix(2) == [0, 4] && $0.sorted() == [0, 1, 3, 4, 6] })
    }
}
