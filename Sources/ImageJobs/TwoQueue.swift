/// The full 2Q algorithm: Johnson and Shasha, "2Q: A Low Overhead High Performance Buffer Management Replacement Algorithm", VLDB 1994.
/// What is asked for once goes through a short queue; what is asked for again after it has left that queue is kept by its last use. So a
/// scan, in which each key comes once, costs others no more than the short queue.
///
/// Three lists, with the paper's names: `recent` (A1in, first in first out), `ghosts` (A1out, first in first out: keys whose values have
/// left `recent`) and `frequent` (Am, least recently used). The paper counts pages of one size; here the values' bytes are counted.
///
/// Every call is O(1) but for the evictions, which are paid for by the insertions before. No allocation where the slots and the dictionary
/// have grown to the number of keys and ghosts. Not for sharing between threads.
package struct TwoQueue<Key: Hashable, Value>: ~Copyable {
    package enum Queue: Int, Sendable { case recent, frequent, ghosts }

    /// A key in one of the lists, or a free slot, which is in none.
    private struct Slot {
        var key: Key?
        /// Nil for a ghost.
        var value: Value?
        /// A ghost's: of the value it had.
        var byteCount = 0
        var queue = Queue.recent
        /// Towards the tail; of a free slot, the next free one.
        var next = none
        /// Towards the head.
        var previous = none
    }

    private struct List {
        /// The newest.
        var head = none
        /// The next to leave.
        var tail = none
        var count = 0
        var byteCount = 0
    }

    package let capacityBytes: Int
    /// Values that have left to make room.
    package private(set) var evictions = 0
    private var slots: [Slot] = []
    private var firstFree = none
    private var indices: [Key: Int] = [:]
    // Three properties, not an array: no bounds to check, and nothing on the heap.
    private var recent = List()
    private var frequent = List()
    private var ghosts = List()

    package init(capacityBytes: Int) {
        precondition(capacityBytes >= 0)
        self.capacityBytes = capacityBytes
    }

    /// The paper's Kin, 25 %: above it `recent` gives way first.
    private var recentBytes: Int { capacityBytes / 4 }
    /// The paper's Kout, 50 %: what the ghosts' values would take at most.
    private var ghostBytes: Int { capacityBytes / 2 }

    /// Of the values; never above `capacityBytes`.
    package var byteCount: Int { recent.byteCount + frequent.byteCount }
    package var count: Int { recent.count + frequent.count }

    /// The value of `key`, whose use is noted.
    package mutating func use(_ key: Key) -> Value? {
        guard let index = indices[key], let value = slots[index].value else { return nil }
        // A use soon after the first says nothing about later ones, so `recent` keeps its order.
        if slots[index].queue == .frequent && frequent.head != index {
            unlink(index)
            link(index, into: .frequent)
        }
        return value
    }

    /// Keeps `value` for `key`, which has none yet; lets others go to make room. A value larger than the capacity is not kept.
    ///
    /// - Parameter byteCount: what it takes; not negative. 0 counts as 1, or there could be any number of them.
    package mutating func insert(_ value: Value, for key: Key, byteCount: Int) {
        precondition(byteCount >= 0)
        let byteCount = max(byteCount, 1)
        guard byteCount <= capacityBytes else { return }

        let index: Int
        let queue: Queue
        if let ghost = indices[key] {
            precondition(slots[ghost].queue == .ghosts, "the key has a value")
            // First, or the reclaiming below could let it go.
            unlink(ghost)
            (index, queue) = (ghost, .frequent)
        } else {
            index = takeSlot()
            slots[index].key = key
            indices[key] = index
            queue = .recent
        }
        reclaim(byteCount)
        slots[index].value = value
        slots[index].byteCount = byteCount
        link(index, into: queue)
    }

    /// Forgets values and ghosts; not the count of evictions.
    package mutating func removeAll() {
        slots.removeAll()
        indices.removeAll()
        firstFree = none
        (recent, frequent, ghosts) = (List(), List(), List())
    }

    /// The keys of a list, the newest first. For tests: O(n).
    package func keys(in queue: Queue) -> [Key] {
        var keys: [Key] = []
        var index = list(queue).head
        while index != none {
            if let key = slots[index].key { keys.append(key) }
            index = slots[index].next
        }
        return keys
    }

    /// The paper's reclaimfor: makes room for `needed` bytes, at most the capacity.
    private mutating func reclaim(_ needed: Int) {
        while byteCount > capacityBytes - needed {
            // Pages of one size fit as soon as one has left. Here a large value can need what `recent` holds within its share, too.
            if recent.byteCount > recentBytes || frequent.count == 0 {
                let index = recent.tail
                unlink(index)
                slots[index].value = nil
                haunt(index)
            } else {
                // No ghost: it has not been used for long.
                release(frequent.tail)
            }
            evictions += 1
        }
    }

    /// Makes a ghost of a slot that is in no list.
    private mutating func haunt(_ index: Int) {
        link(index, into: .ghosts)
        // One larger than the share of all ghosts is not remembered; it would push all others out, and itself.
        if slots[index].byteCount > ghostBytes { return release(index) }
        while ghosts.byteCount > ghostBytes { release(ghosts.tail) }
    }

    /// Takes a slot out of its list and frees it.
    private mutating func release(_ index: Int) {
        unlink(index)
        if let key = slots[index].key { indices[key] = nil }
        slots[index] = Slot()
        slots[index].next = firstFree
        firstFree = index
    }

    private mutating func takeSlot() -> Int {
        guard firstFree != none else {
            slots.append(Slot())
            return slots.count - 1
        }
        let index = firstFree
        firstFree = slots[index].next
        return index
    }

    private func list(_ queue: Queue) -> List {
        switch queue {
        case .recent: recent
        case .frequent: frequent
        case .ghosts: ghosts
        }
    }

    private mutating func update(_ queue: Queue, _ change: (inout List) -> Void) {
        switch queue {
        case .recent: change(&recent)
        case .frequent: change(&frequent)
        case .ghosts: change(&ghosts)
        }
    }

    /// Puts a slot that is in no list at the head of one.
    private mutating func link(_ index: Int, into queue: Queue) {
        let head = list(queue).head
        slots[index].queue = queue
        slots[index].next = head
        slots[index].previous = none
        if head != none { slots[head].previous = index }
        let byteCount = slots[index].byteCount
        update(queue) {
            $0.head = index
            if $0.tail == none { $0.tail = index }
            $0.count += 1
            $0.byteCount += byteCount
        }
    }

    private mutating func unlink(_ index: Int) {
        let (next, previous, byteCount) = (slots[index].next, slots[index].previous, slots[index].byteCount)
        if next != none { slots[next].previous = previous }
        if previous != none { slots[previous].next = next }
        update(slots[index].queue) {
            if next == none { $0.tail = previous }
            if previous == none { $0.head = next }
            $0.count -= 1
            $0.byteCount -= byteCount
        }
    }
}

/// No slot.
private let none = -1
