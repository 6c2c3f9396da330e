import FilterSupport
import ImageCore
import Synchronization

/// What a run counts, in the text format of Prometheus (exposition format 0.0.4).
public final class Metrics: Sendable {
    private struct State: Sendable {
        /// By status and priority.
        var jobs: [JobResult.Status: [UInt64]] = [:]
        var retries: UInt64 = 0
        var inputBytes: UInt64 = 0
        var outputBytes: UInt64 = 0
        var pixels: UInt64 = 0
        var buffers = BufferPool.Counts()
        var stages = Stage.allCases.map { _ in Histogram() }
    }

    private enum Stage: String, CaseIterable { case read, decode, resize, encode, write }

    private let state = Mutex(State())

    public init() {}

    /// Counts what became of a job, or of one more try.
    public func add(_ result: JobResult) {
        state.withLock { state in
            if result.isRetried {
                state.retries += 1
                return
            }
            state.jobs[result.status, default: Array(repeating: 0, count: Job.priorities.count)][result.priority] += 1
            state.buffers.leases &+= result.report.buffers.leases
            state.buffers.allocations &+= result.report.buffers.allocations
            guard result.status == .done else { return }
            state.inputBytes += result.inputBytes
            // Numbers of a worker, which may be in a stranger's hands: they wrap, and trap nowhere.
            state.outputBytes &+= UInt64(max(0, result.report.byteCount))
            state.pixels &+= result.report.pixels
            let durations = result.report.durations
            let stages = [result.readNanoseconds, durations.decode, durations.resize, durations.encode, result.writeNanoseconds]
            for (i, nanoseconds) in stages.enumerated() { state.stages[i].add(nanoseconds: nanoseconds) }
        }
    }

    /// How many jobs have ended so.
    public func count(_ status: JobResult.Status) -> UInt64 { state.withLock { ($0.jobs[status] ?? []).reduce(0, +) } }

    public var buffers: BufferPool.Counts { state.withLock { $0.buffers } }

    /// `queued`: jobs of each priority that wait.
    public func exposition(_ load: SchedulerLoad, queued: [Int], cache: ResultCache.Statistics?) -> [UInt8] {
        let state = state.withLock { $0 }
        var text = Exposition()
        text.family("imgpipe_jobs_total", "counter", "Jobs that have ended.")
        for status in JobResult.Status.allCases {
            for (priority, count) in (state.jobs[status] ?? Array(repeating: 0, count: Job.priorities.count)).enumerated() where count > 0 || priority == Job.lastPriority {
                text.sample("imgpipe_jobs_total", [("status", status.rawValue), ("priority", "\(priority)")], count)
            }
        }
        text.single("imgpipe_job_retries_total", "counter", "Tries after the first.", state.retries)
        text.family("imgpipe_stage_duration_seconds", "histogram", "How long pictures took in each stage.")
        for (stage, histogram) in zip(Stage.allCases, state.stages) {
            text.histogram("imgpipe_stage_duration_seconds", [("stage", stage.rawValue)], histogram)
        }
        text.single("imgpipe_input_bytes_total", "counter", "Compressed bytes of pictures done.", state.inputBytes)
        text.single("imgpipe_output_bytes_total", "counter", "Bytes of outputs.", state.outputBytes)
        text.single("imgpipe_input_pixels_total", "counter", "Pixels of pictures done, before resizing.", state.pixels)
        text.family("imgpipe_queue_depth", "gauge", "Jobs that wait.")
        for (priority, count) in queued.enumerated() { text.sample("imgpipe_queue_depth", [("priority", "\(priority)")], UInt64(count)) }
        text.single("imgpipe_threads", "gauge", "Threads there are.", UInt64(load.threads))
        text.single("imgpipe_slots_used", "gauge", "Pictures worked on.", UInt64(load.usedSlots))
        text.single("imgpipe_buffer_leases_total", "counter", "Buffers lent by pools.", state.buffers.leases)
        text.single("imgpipe_buffer_allocations_total", "counter", "Buffers that had to be made.", state.buffers.allocations)
        if let cache {
            text.family("imgpipe_cache_requests_total", "counter", "Results asked of the cache: there, made, or made by another at that time.")
            for (name, count) in [("hit", cache.hits), ("miss", cache.misses), ("joined", cache.waits)] {
                text.sample("imgpipe_cache_requests_total", [("result", name)], UInt64(count))
            }
            text.single("imgpipe_cache_evictions_total", "counter", "Results that had to go.", UInt64(cache.evictions))
            text.single("imgpipe_cache_bytes", "gauge", "Bytes of results held.", UInt64(cache.bytes))
        }
        text.family("imgpipe_build_info", "gauge", "1, with the version.")
        text.sample("imgpipe_build_info", [("version", Version.text)], 1)
        return Array(text.text.utf8)
    }
}
