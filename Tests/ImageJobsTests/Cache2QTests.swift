import Glibc
import ImageCore
import ImageJobs
import Synchronization
import TestPictures
import Testing

@Suite struct Cache2QTests {
    // MARK: Which values stay

    /// 40 traces of 2500 steps over capacities of 1...400 bytes and values of 0...90, beside the paper's algorithm on arrays: each step's
    /// hit or miss, and all three lists in their order. A key's size changes from one making to the next, so a ghost must know its own.
    @Test(arguments: UInt64(1)...40) func everyStepIsThatOfThePaper(seed: UInt64) {
        var random = SplitMix64(seed)
        let capacity = random.below(400) + 1
        let keys = random.below(60) + 5
        let largest = random.below(90) + 1
        let cache = Cache2Q<Int, Int>(capacityBytes: capacity)
        var paper = PaperTwoQueue(capacity: capacity)
        var largestSum = 0
        for step in 0..<2500 {
            // Half of the steps go to a few keys, or hardly a ghost would be asked for again.
            let key = random.below(random.below(2) == 0 ? keys : keys / 5)
            let size = random.below(largest + 1)
            var isHit = true
            let value = cache.value(for: key) {
                isHit = false
                return (key * 7, byteCount: size)
            }
            let expected = paper.access(key, size: size)
            #expect(value == key * 7)
            let statistics = cache.statistics
            largestSum = max(largestSum, statistics.bytes)
            guard isHit == expected, cache.keys(in: .recent) == paper.a1in.map(\.key),
                cache.keys(in: .frequent) == paper.am.map(\.key), cache.keys(in: .ghosts) == paper.a1out.map(\.key),
                statistics.bytes == paper.bytes, statistics.count == paper.a1in.count + paper.am.count,
                statistics.evictions == paper.evictions, statistics.hits + statistics.misses == step + 1
            else {
                Issue.record("step \(step): key \(key) of \(size) bytes, capacity \(capacity)")
                return
            }
        }
        #expect(largestSum <= capacity)
    }

    /// Keys 0...9 are asked for, pushed out of the short queue, and asked for again: a scan of ten times the capacity leaves them.
    @Test func aScanDoesNotEvictWhatIsAskedForAgain() {
        let cache = Cache2Q<Int, Int>(capacityBytes: 40)
        for key in [Array(0..<10), Array(100..<140), Array(0..<10)].joined() { fill(cache, key) }
        #expect(cache.keys(in: .frequent) == (0..<10).reversed())
        for key in 1000..<1400 { fill(cache, key) }
        for key in 0..<10 { #expect(cache.peek(key) == key) }
    }

    @Test func aPeekIsAUse() {
        let cache = Cache2Q<Int, Int>(capacityBytes: 8)
        for key in [Array(0..<3), Array(10..<18), Array(0..<3)].joined() { fill(cache, key) }
        #expect(cache.keys(in: .frequent) == [2, 1, 0])
        #expect(cache.peek(0) == 0)
        #expect(cache.peek(99) == nil)
        #expect(cache.keys(in: .frequent) == [0, 2, 1])
        #expect(cache.statistics.hits == 1)
    }

    @Test func aValueLargerThanTheCacheIsHandedOnAndNotKept() {
        let cache = Cache2Q<Int, Int>(capacityBytes: 10)
        fill(cache, 1)
        #expect(cache.value(for: 2) { (20, byteCount: 11) } == 20)
        #expect(cache.value(for: 2) { (21, byteCount: .max) } == 21)
        #expect(cache.peek(2) == nil)
        #expect(cache.peek(1) == 1)
        #expect(cache.value(for: 3) { (30, byteCount: 10) } == 30)
        #expect(cache.peek(3) == 30)
        check(cache, hits: 2, misses: 4, waits: 0, evictions: 1, bytes: 10, count: 1)
    }

    @Test func aCacheOfNothingKeepsNothing() {
        let cache = Cache2Q<Int, Int>(capacityBytes: 0)
        #expect(cache.value(for: 1) { (1, byteCount: 0) } == 1)
        #expect(cache.statistics.count == 0)
    }

    @Test func removedIsForgottenWithItsGhost() {
        let cache = Cache2Q<Int, Int>(capacityBytes: 8)
        for key in 0..<12 { fill(cache, key) }
        #expect(!cache.keys(in: .ghosts).isEmpty)
        cache.removeAll()
        check(cache, hits: 0, misses: 12, waits: 0, evictions: 4, bytes: 0, count: 0)
        fill(cache, 0)
        #expect(cache.keys(in: .recent) == [0])
        #expect(cache.keys(in: .ghosts).isEmpty)
    }

    // MARK: Who makes a value

    @Test func sixteenThreadsAskAndOneMakes() {
        let cache = Cache2Q<Int, Int>(capacityBytes: 100)
        let makings = Atomic(0)
        runThreads(16) { _ in
            let value = cache.value(for: 1) {
                makings.wrappingAdd(1, ordering: .relaxed)
                // Lasts until all others wait: they can neither come too late nor find it kept.
                while cache.statistics.waits < 15 { sched_yield() }
                return (42, byteCount: 10)
            }
            #expect(value == 42)
        }
        #expect(makings.load(ordering: .relaxed) == 1)
        check(cache, hits: 0, misses: 1, waits: 15, evictions: 0, bytes: 10, count: 1)
    }

    /// Also one that is too large to be kept.
    @Test func whoWaitsGetsAValueThatIsNotKept() {
        let cache = Cache2Q<Int, Int>(capacityBytes: 5)
        runThreads(8) { _ in
            let value = cache.value(for: 1) {
                while cache.statistics.waits < 7 { sched_yield() }
                return (42, byteCount: 10)
            }
            #expect(value == 42)
        }
        check(cache, hits: 0, misses: 1, waits: 7, evictions: 0, bytes: 0, count: 0)
    }

    /// The first `failures` makers fail; each failure is its own maker's alone, and one other tries, never two at a time.
    @Test(arguments: [1, 2, 7, 8]) func aFailureLetsExactlyOneTryNext(failures: Int) {
        let threads = 8
        let cache = Cache2Q<Int, Int>(capacityBytes: 100)
        let makings = Atomic(0)
        let makingsNow = Atomic(0)
        let values = Atomic(0)
        let errors = Monitor<[Int]>([])
        runThreads(threads) { _ in
            do throws(Failure) {
                let value = try cache.value(for: 1) { () throws(Failure) -> (Int, byteCount: Int) in
                    let number = makings.wrappingAdd(1, ordering: .relaxed).newValue
                    #expect(makingsNow.wrappingAdd(1, ordering: .relaxed).newValue == 1)
                    while cache.statistics.waits < threads - 1 { sched_yield() }
                    makingsNow.wrappingSubtract(1, ordering: .relaxed)
                    if number <= failures { throw Failure(number: number) }
                    return (number, byteCount: 10)
                }
                #expect(value == failures + 1)
                values.wrappingAdd(1, ordering: .relaxed)
            } catch {
                errors.withLock { $0.append(error.number) }
            }
        }
        #expect(errors.withLock { $0.sorted() } == Array(1...failures))
        #expect(values.load(ordering: .relaxed) == threads - failures)
        #expect(makings.load(ordering: .relaxed) == min(failures + 1, threads))
        #expect(cache.peek(1) == (failures < threads ? failures + 1 : nil))
        #expect(cache.value(for: 1) { (9, byteCount: 1) } == min(failures + 1, 9))
    }

    /// Whoever waits no longer than a time gets nothing then; the maker, and others who wait, are as if he had not been there.
    @Test(arguments: [false, true]) func aWaiterMayLeave(fails: Bool) {
        let cache = Cache2Q<Int, Int>(capacityBytes: 100)
        let hasLeft = Atomic(false)
        runThreads(3) { thread in
            if thread == 0 {
                let value = try? cache.value(for: 1) { () throws(Failure) -> (Int, byteCount: Int) in
                    while !hasLeft.load(ordering: .acquiring) || cache.statistics.waits < 2 { sched_yield() }
                    if fails { throw Failure(number: 1) }
                    return (42, byteCount: 10)
                }
                #expect(value == (fails ? nil : 42))
            } else {
                while cache.statistics.misses < 1 { sched_yield() }
                if thread == 1 {
                    #expect(cache.value(for: 1, latest: Deadline.now + 5_000_000) { (7, byteCount: 1) } == nil)
                    hasLeft.store(true, ordering: .releasing)
                } else {
                    #expect(cache.value(for: 1, latest: nil) { (43, byteCount: 1) } == (fails ? 43 : 42))
                }
            }
        }
        #expect(cache.peek(1) == (fails ? 43 : 42))
        // The flight is gone: the next one makes its own.
        cache.removeAll()
        #expect(cache.value(for: 1) { (44, byteCount: 1) } == 44)
    }

    @Test func theMakingOfOneMayAskForAnother() {
        let cache = Cache2Q<Int, Int>(capacityBytes: 100)
        func factorial(_ number: Int) -> Int {
            cache.value(for: number) { (number < 2 ? 1 : number * factorial(number - 1), byteCount: 1) }
        }
        #expect(factorial(10) == 3_628_800)
        #expect(cache.statistics.count == 10)
    }

    @Test func theMakingOfOneTrapsWhereItAsksForItself() async {
        await #expect(processExitsWith: .failure) {
            let cache = Cache2Q<Int, Int>(capacityBytes: 100)
            _ = cache.value(for: 1) { (cache.value(for: 2) { (cache.value(for: 1) { (1, byteCount: 1) }, byteCount: 1) }, byteCount: 1) }
        }
    }

    /// What was begun before `removeAll` goes to its maker and to who waits already; who asks afterwards gets a new one.
    @Test func removeAllPassesOverWhatIsInTheMaking() {
        let cache = Cache2Q<Int, String>(capacityBytes: 100)
        let isRemoved = Atomic(false)
        runThreads(3) { thread in
            if thread < 2 {
                let value = cache.value(for: 1) {
                    while !isRemoved.load(ordering: .acquiring) { sched_yield() }
                    return ("old", byteCount: 1)
                }
                #expect(value == "old")
            } else {
                while cache.statistics.waits < 1 { sched_yield() }
                cache.removeAll()
                #expect(cache.value(for: 1) { ("new", byteCount: 1) } == "new")
                isRemoved.store(true, ordering: .releasing)
            }
        }
        #expect(cache.peek(1) == "new")
        #expect(cache.statistics.count == 1)
    }

    /// Eight threads on a cache that holds a tenth of the keys; one making in eight fails.
    @Test func manyThreadsGetTheRightValues() {
        let cache = Cache2Q<Int, [Int]>(capacityBytes: 60)
        let asked = Atomic(0)
        let failed = Atomic(0)
        runThreads(8) { thread in
            var random = SplitMix64(UInt64(thread))
            for _ in 0..<2000 {
                let key = random.below(40)
                let fails = random.below(8) == 0
                do throws(Failure) {
                    let value = try cache.value(for: key) { () throws(Failure) -> ([Int], byteCount: Int) in
                        if fails { throw Failure(number: key) }
                        return ([key, key + 1], byteCount: key / 3)
                    }
                    #expect(value == [key, key + 1])
                } catch {
                    #expect(error.number == key && fails)
                    failed.wrappingAdd(1, ordering: .relaxed)
                }
                asked.wrappingAdd(1, ordering: .relaxed)
                if random.below(500) == 0 { cache.removeAll() }
                #expect(cache.statistics.bytes <= 60)
            }
        }
        let statistics = cache.statistics
        #expect(asked.load(ordering: .relaxed) == 16_000)
        // A waiter that makes after a failure is in both.
        #expect(statistics.hits + statistics.misses + statistics.waits >= 16_000)
        #expect(statistics.misses >= failed.load(ordering: .relaxed))
    }

    // MARK: What it is worth

    /// 60000 requests by Zipf's law, exponent 0.9, over 10000 keys of 1...16 KiB (87.0 MB), and after each 1000 of them a scan of 500 keys
    /// that never come again. Hits among all 90000; a cache that keeps everything gives 57.4 %:
    ///
    ///     capacity, % of 87.0 MB      1      2      5     10     20     40
    ///     2Q, % hits               24.1   28.9   33.1   39.2   42.9   46.4
    ///     LRU, % hits              16.9   21.0   25.0   30.6   37.0   44.0
    @Test(arguments: [1, 2, 5, 10, 20, 40]) func scansCostLessThanUnderLRU(percent: Int) {
        let trace = Trace.zipfWithScans
        let capacity = trace.bytes * percent / 100
        let cache = Cache2Q<Int, Int>(capacityBytes: capacity)
        var plain = PlainLRU(capacity: capacity)
        var plainHits = 0
        for key in trace.keys {
            _ = cache.value(for: key) { (key, byteCount: Trace.bytes(of: key)) }
            if plain.access(key, size: Trace.bytes(of: key)) { plainHits += 1 }
        }
        let hits = cache.statistics.hits
        #expect(hits > plainHits)
    }

    @Test func whatIsInsertedIsThereUnlessSomethingWas() {
        let cache = Cache2Q<String, Int>(capacityBytes: 100)
        cache.insert(1, for: "a", byteCount: 10)
        cache.insert(2, for: "a", byteCount: 10)
        #expect(cache.peek("a") == 1 && cache.statistics.misses == 2 && cache.statistics.hits == 1 && cache.statistics.bytes == 10)
        cache.insert(3, for: "b", byteCount: 101)
        #expect(cache.peek("b") == nil)
    }

    private func check<Value>(
        _ cache: Cache2Q<Int, Value>, hits: Int, misses: Int, waits: Int, evictions: Int, bytes: Int, count: Int,
        at place: SourceLocation = #_sourceLocation
    ) {
        let statistics = cache.statistics
        #expect(statistics.hits == hits, sourceLocation: place)
        #expect(statistics.misses == misses, sourceLocation: place)
        #expect(statistics.waits == waits, sourceLocation: place)
        #expect(statistics.evictions == evictions, sourceLocation: place)
        #expect(statistics.bytes == bytes, sourceLocation: place)
        #expect(statistics.count == count, sourceLocation: place)
    }

    private func fill(_ cache: Cache2Q<Int, Int>, _ key: Int) {
        _ = cache.value(for: key) { (key, byteCount: 1) }
    }
}

private struct Failure: Error { let number: Int }
