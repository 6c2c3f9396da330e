import ImageCore
import Testing

@testable import ImageCodecs

/// The order in which a decoder is used. What is decoded: CodecTests, Tests/conformance.
@Suite struct DecodingStateTests {
    private func begin(_ state: inout DecodingState, _ rows: Int, isThere: Bool = true) {
        let begins = state.beginsFrame(rows: rows)
        #expect(begins == isThere)
    }

    @Test func aPictureGoesFromHeaderToEnd() {
        var state = DecodingState.idle
        state.opened()
        #expect(state == .header(frames: 1) && state.rowsLeft == 0)
        begin(&state, 10)
        #expect(state.rowsLeft == 10)
        state.took(4)
        state.took(6)
        begin(&state, 10, isThere: false)
        state.completed()
        #expect(state == .complete)
        // The next one.
        state.opened(frames: 2)
        for _ in 0..<2 {
            begin(&state, 3)
            state.took(3)
        }
        begin(&state, 3, isThere: false)
    }

    @Test func scansAreReadBeforeRows() {
        var state = DecodingState.idle
        state.opened()
        state.loaded()
        #expect(state == .coefficients)
        begin(&state, 1)
    }

    @Test func aFaultIsTheEndButForTheNextPicture() {
        for prepare: (inout DecodingState) -> Void in [{ _ in }, { $0.opened() }, { $0.opened(); $0.loaded() }, { $0.opened(); _ = $0.beginsFrame(rows: 2) }] {
            var state = DecodingState.idle
            prepare(&state)
            state.failed(.truncated(atByte: 7))
            #expect(state == .damaged(.truncated(atByte: 7)))
            state.opened()
            #expect(state == .header(frames: 1))
        }
    }

    @Test func rowsBeforeAHeaderTrap() async {
        await #expect(processExitsWith: .failure) {
            var state = DecodingState.idle
            state.took(1)
        }
    }

    @Test func aFrameWithinAFrameTraps() async {
        await #expect(processExitsWith: .failure) {
            var state = DecodingState.idle
            state.opened(frames: 2)
            _ = state.beginsFrame(rows: 2)
            _ = state.beginsFrame(rows: 2)
        }
    }

    @Test func moreRowsThanThereAreTrap() async {
        await #expect(processExitsWith: .failure) {
            var state = DecodingState.idle
            state.opened()
            _ = state.beginsFrame(rows: 2)
            state.took(3)
        }
    }

    @Test func anEndBeforeTheLastRowTraps() async {
        await #expect(processExitsWith: .failure) {
            var state = DecodingState.idle
            state.opened()
            _ = state.beginsFrame(rows: 2)
            state.completed()
        }
    }

    @Test func framesBehindADamageTrap() async {
        await #expect(processExitsWith: .failure) {
            var state = DecodingState.idle
            state.failed(.damaged("x"))
            _ = state.beginsFrame(rows: 2)
        }
    }
}
