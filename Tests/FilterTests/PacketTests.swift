import FilterSupport
import Glibc
import Testing

@Suite struct PacketTests {
    private func withSockets(_ body: (Int32, Int32) throws -> Void) rethrows {
        var ends: [Int32] = [-1, -1]
        #expect(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        try body(ends[0], ends[1])
    }

    @Test func whatIsPutComesOut() throws {
        try withSockets { from, to in
            var packet = Packet()
            packet.put(byte: 7)
            packet.put(number: -5)
            packet.put(wide: .max)
            packet.put([1, 2, 3])
            let isSent = packet.send(to: from)
            #expect(isSent)
            var (received, _) = try #require(Packet.receive(from: to))
            let (byte, number, wide) = (received.byte(), received.number(), received.wide())
            #expect(byte == 7 && number == -5 && wide == .max && !received.isReadWhole)
            let text = received.text()
            #expect(text == [1, 2, 3] && received.isReadWhole)
            // Nothing is left.
            let nothing = received.byte()
            #expect(nothing == 0 && received.isCutOff && !received.isReadWhole)
        }
    }

    @Test(arguments: [Int32.max, 4, -1, .min]) func aTextThatSaysItIsLongerThanItIsIsNone(length: Int32) throws {
        try withSockets { from, to in
            var packet = Packet()
            packet.put(number: length)
            for byte: UInt8 in [1, 2, 3] { packet.put(byte: byte) }
            let isSent = packet.send(to: from)
            #expect(isSent)
            var (received, _) = try #require(Packet.receive(from: to))
            let text = received.text()
            #expect(text == [] && received.isCutOff)
        }
    }

    @Test func aPacketOfMoreThanIsTakenIsNoPacket() {
        withSockets { from, to in
            var packet = Packet()
            packet.put([UInt8](repeating: 1, count: 100))
            let areSent = [packet.send(to: from, [0]), packet.send(to: from)]
            let (cut, whole) = (Packet.receive(from: to, mostBytes: 103), Packet.receive(from: to, mostBytes: 104))
            #expect(areSent == [true, true] && cut == nil && whole?.0.bytes.count == 104)
        }
    }
}
