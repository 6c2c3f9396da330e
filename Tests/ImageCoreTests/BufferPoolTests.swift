import ImageCore
import Testing

@Suite struct BufferPoolTests {
    @Test func leasesArePageAlignedAndComeBack() throws {
        let pool = BufferPool(limitBytes: 1 << 20)
        var first = UInt(0)
        for round in 0..<3 {
            var lease = try pool.lease(70_000)
            var bytes = lease.mutableBytes
            bytes.withUnsafeMutableBytes {
                let address = UInt(bitPattern: $0.baseAddress!)
                #expect(address % 4096 == 0)
                #expect($0.count == 70_000)
                if round == 0 { first = address } else { #expect(address == first) }
            }
            #expect(pool.leasedBytes >= 70_000)
        }
        #expect(pool.leasedBytes == 0)
    }

    @Test func moreThanTheLimitIsRefused() throws {
        let pool = BufferPool(limitBytes: 100_000)
        let held = try pool.lease(60_000)
        #expect(throws: ImageError.self) { _ = try pool.lease(60_000) }
        #expect(held.count == 60_000)
        #expect(throws: ImageError.self) { _ = try pool.lease(.max / 2) }
    }

    @Test func waitingBuffersMakeRoomForOthers() throws {
        let pool = BufferPool(limitBytes: 100_000)
        do { _ = try pool.lease(60_000) }
        let other = try pool.lease(80_000)
        #expect(other.count == 80_000)
    }
}
