import CVectorOps
import Testing

/// Every table of kernels that this processor runs gives the scalar one's bytes.
@Suite struct VectorOpsTests {
    private static var tables: [imgpipe_vector_ops] {
        var tables: [imgpipe_vector_ops] = []
        while let table = imgpipe_vector_ops_at(Int32(tables.count)) { tables.append(table.pointee) }
        return tables
    }

    private static let lanes = Int(IMGPIPE_LANES)

    /// Floats from below 0 to above `maximum`, and halves, where rounding shows.
    private static func floats(_ count: Int, maximum: Float, seed: UInt64 = 1) -> [Float] {
        var random = seed
        return (0..<count).map { _ in
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let value = Float(random >> 40) / Float(1 << 24) * maximum * 1.2 - maximum * 0.1
            return random >> 33 & 3 == 0 ? value.rounded() + 0.5 : value
        }
    }

    /// What `body` makes of each table, which must be what it makes of the scalar one.
    private static func expectAlike<T: Equatable>(_ what: String, _ body: (imgpipe_vector_ops) -> [T]) {
        let expected = body(tables[0])
        for ops in tables.dropFirst() { #expect(body(ops) == expected, "\(what), \(String(cString: ops.name))") }
    }

    private static func padded(_ count: Int) -> Int { (count + Int(IMGPIPE_ROW_STEP) - 1) / Int(IMGPIPE_ROW_STEP) * Int(IMGPIPE_ROW_STEP) }

    @Test func thereIsAScalarTableAndOneOfVectors() {
        #expect(String(cString: Self.tables[0].name) == "scalar" && Self.tables.count >= 2)
    }

    @Test(arguments: [1, 7, 8, 9, 16, 31, 100])
    func samplesBecomeFloatsAlike(_ count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
        let words = (0..<count).map { UInt16(truncatingIfNeeded: $0 * 6007) }
        Self.expectAlike("load8") { ops in
            var row = [Float](repeating: 0, count: count)
            ops.load8(bytes, &row, count)
            return row
        }
        Self.expectAlike("load16") { ops in
            var row = [Float](repeating: 0, count: count)
            ops.load16(words, &row, count)
            return row
        }
    }

    @Test(arguments: [1, 2, 5, 32])
    func colourIsMultipliedByAlphaAlike(_ pixels: Int) {
        Self.expectAlike("premultiply4") { ops in
            var row = Self.floats(Self.padded(4 * pixels), maximum: 255)
            ops.premultiply4(&row, pixels, 255)
            return Array(row[..<(4 * pixels)])
        }
    }

    @Test(arguments: 1...4)
    func rowsAreAddedAlike(_ rowCount: Int) {
        let count = 45
        let rows = (0..<4).map { Self.floats(Self.padded(count), maximum: 255, seed: UInt64($0)) }
        for fresh in [Int32(0), 1] {
            Self.expectAlike("add_rows") { ops in
                var sum = Self.floats(Self.padded(count), maximum: 255, seed: 9)
                withRows(rows) { ops.add_rows(&sum, fresh, $0, [0.7, -0.1, 0.33, 0.07], Int32(rowCount), count) }
                return Array(sum[..<count])
            }
        }
    }

    @Test(arguments: [1, 7, 8, 16, 45, 103])
    func similarityIsAlike(_ count: Int) {
        let bytes = Self.floats(6 * count, maximum: 255).map { UInt8(max(0, min(255, $0))) }
        Self.expectAlike("luma8") { ops in
            var row = [Float](repeating: 0, count: count)
            ops.luma8(bytes, &row, count)
            return row
        }
        Self.expectAlike("add_squares8") { ops in
            var sums = [UInt32](repeating: 0, count: Int(IMGPIPE_SQUARES))
            bytes.withUnsafeBufferPointer { ops.add_squares8($0.baseAddress!, $0.baseAddress! + 3 * count, &sums, 3 * count) }
            return sums
        }
        // The window wants 10 samples more than it gives, and rows their padding.
        let stride = Self.padded(count + 10) + Int(IMGPIPE_ROW_STEP)
        let weights: [Float] = [0.001, 0.0076, 0.036, 0.1094, 0.213, 0.266]
        Self.expectAlike("SSIM") { ops in
            var (sums, differences): ([[Float]], [[Float]]) = ([], [])
            for row in 0..<11 {
                let x = Self.floats(stride, maximum: 255, seed: UInt64(row)), y = Self.floats(stride, maximum: 255, seed: UInt64(50 + row))
                var (s, d) = ([Float](repeating: 0, count: stride), [Float](repeating: 0, count: stride))
                ops.sum_difference(x, y, &s, &d, stride)
                sums.append(s)
                differences.append(d)
            }
            var columns = [Float](repeating: 0, count: 4 * stride)
            withRows(sums) { s in withRows(differences) { d in ops.window_columns(s, d, weights, &columns, stride, count + 10) } }
            var map = [Float](repeating: 0, count: Self.padded(count)), totals = [Float](repeating: 0, count: 16)
            ops.ssim_row(columns, stride, weights, 6.5025, 58.5225, &map, &totals, count)
            return map[..<count] + totals
        }
    }

    @Test func rowsBecomeLanesAlike() {
        let count = 45
        let rows = (0..<Self.lanes).map { Self.floats(Self.padded(count), maximum: 255, seed: UInt64($0)) }
        Self.expectAlike("interleave") { ops in
            var lanes = [Float](repeating: 0, count: Self.lanes * Self.padded(count))
            withRows(rows) { ops.interleave($0, &lanes, count) }
            return Array(lanes[..<(Self.lanes * count)])
        }
    }

    @Test(arguments: 1...4)
    func rowsAreResampledAlike(_ channels: Int) {
        let lanes = Self.floats(Self.lanes * channels * 20, maximum: 255)
        let weights = Self.floats(30, maximum: 1)
        let windows = [(0, 1, 0), (0, 5, 1), (3, 6, 6), (10, 10, 12), (19, 1, 22)].map { imgpipe_window(first: $0.0, count: $0.1, offset: $0.2) }
        Self.expectAlike("resample") { ops in
            var output = [Float](repeating: 0, count: Self.lanes * channels * windows.count)
            ops.resample(lanes, &output, windows, weights, windows.count, Int32(channels))
            return output
        }
    }

    @Test(arguments: [2, 4])
    func colourIsDividedByAlphaAlike(_ channels: Int) {
        Self.expectAlike("unpremultiply") { ops in
            var lanes = Self.floats(Self.lanes * channels * 11, maximum: 255)
            // Alpha that is 0, and that rounds to 0.
            for i in 0..<8 { lanes[Self.lanes * (channels - 1) + i] = Float(i) / 8 }
            ops.unpremultiply(&lanes, 11, Int32(channels), 255)
            return lanes.map(\.bitPattern)
        }
    }

    @Test(arguments: [1, 8, 13, 64])
    func samplesAreRoundedAlike(_ count: Int) {
        for rowCount in [1, 5, 8] {
            Self.expectAlike("store8") { ops -> [UInt8] in
                let lanes = Self.floats(Self.lanes * Self.padded(count), maximum: 255)
                return stored(count) { ops.store8(lanes, $0, Int32(rowCount), count) }
            }
            Self.expectAlike("store16") { ops -> [UInt16] in
                let lanes = Self.floats(Self.lanes * Self.padded(count), maximum: 65535)
                return stored(count) { ops.store16(lanes, $0, Int32(rowCount), count) }
            }
        }
    }

    /// The filter chosen, its bytes, and what they undo to.
    @Test(arguments: 1...8)
    func rowsAreFilteredAlike(_ bpp: Int) {
        for width in [1, 2, 5, 33] {
            let (rowBytes, margin) = (width * bpp, 16)
            for kind in 0..<4 {
                // Noise, even, like the row above, and a slope.
                let noise = Self.floats(2 * rowBytes, maximum: 200, seed: UInt64(kind + 1)).map { UInt8(max(0, min($0, 255))) }
                let above = (0..<rowBytes).map { kind == 1 ? UInt8(7) : kind == 3 ? UInt8(truncatingIfNeeded: $0) : noise[$0] }
                let row = (0..<rowBytes).map { kind == 2 ? above[$0] &+ 1 : kind == 0 ? noise[rowBytes + $0] : above[$0] &+ UInt8(kind) }
                let zeros = [UInt8](repeating: 0, count: margin)
                Self.expectAlike("filter") { ops -> [UInt8] in
                    var output = [UInt8](repeating: 77, count: 3 * (1 + rowBytes) + margin)
                    (zeros + row + zeros).withUnsafeBufferPointer { row in
                        (zeros + above + zeros).withUnsafeBufferPointer { above in
                            ops.filter(row.baseAddress! + margin, above.baseAddress! + margin, &output, 1 + rowBytes, rowBytes, Int32(bpp))
                        }
                    }
                    var undone = [UInt8](repeating: 0, count: rowBytes)
                    output.withUnsafeBufferPointer {
                        imgpipe_unfilter(Int32($0[0]), $0.baseAddress! + 1, above, &undone, rowBytes, Int32(bpp))
                    }
                    #expect(undone == row && [1, 2, 4].contains(output[0]))
                    return Array(output[...rowBytes])
                }
            }
        }
    }

    // MARK: Fixed point

    /// Samples x 64, from 0.15 below black to 0.15 above white, as a kernel overshoots.
    private static func fixed(_ count: Int, seed: UInt64 = 3) -> [Int16] {
        floats(count, maximum: 16320, seed: seed).map { Int16($0) }
    }

    @Test(arguments: [1, 15, 16, 17, 100])
    func samplesBecomeFixedAlike(_ count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) }
        Self.expectAlike("load8_fixed") { ops in
            var row = [Int16](repeating: 0, count: count)
            ops.load8_fixed(bytes, &row, count)
            return row
        }
    }

    @Test(arguments: 1...4)
    func fixedRowsAreAddedAlike(_ rowCount: Int) {
        let count = 45
        let rows = (0..<4).map { Self.fixed(Self.padded(count), seed: UInt64($0)) }
        for fresh in [Int32(0), 1] {
            Self.expectAlike("add_rows_fixed") { ops in
                var sum = Self.fixed(Self.padded(count), seed: 9).map { $0 / 2 }
                withRows(rows) { ops.add_rows_fixed(&sum, fresh, $0, [32767, -4097, 11, 3001], Int32(rowCount), count) }
                return Array(sum[..<count])
            }
        }
    }

    @Test func fixedRowsBecomeLanesAlike() {
        let (count, lanes) = (45, Int(IMGPIPE_FIXED_LANES))
        let rows = (0..<lanes).map { Self.fixed(Self.padded(count), seed: UInt64($0)) }
        Self.expectAlike("interleave_fixed") { ops in
            var result = [Int16](repeating: 0, count: lanes * Self.padded(count))
            withRows(rows) { ops.interleave_fixed($0, &result, count) }
            return Array(result[..<(lanes * count)])
        }
    }

    /// Opaque colour stays what it is; any other is near its product with alpha.
    @Test func colourBecomesFixedAlike() {
        let pixels = (0..<4 * 1031).map { UInt8(truncatingIfNeeded: $0 % 4 == 3 ? ($0 % 12 == 3 ? 255 : $0 / 4) : $0 * 37) }
        Self.expectAlike("load_rgba_fixed") { ops in
            var row = [Int16](repeating: 0, count: pixels.count)
            ops.load_rgba_fixed(pixels, &row, pixels.count / 4)
            for i in row.indices {
                let alpha = i % 4 == 3 ? 255 : Double(pixels[i | 3])
                let exact = Double(pixels[i]) * alpha / 255 * 64
                #expect(alpha == 255 ? Double(row[i]) == exact : abs(Double(row[i]) - exact) <= 0.75)
            }
            return row
        }
    }

    @Test func fixedColourIsDividedByAlphaAlike() {
        let pixels = 11
        Self.expectAlike("unpremultiply_fixed") { ops in
            var lanes = Self.fixed(4 * Int(IMGPIPE_FIXED_LANES) * pixels)
            // Alpha below 0, 0, that rounds to 0, and just not.
            for (i, alpha) in [-5, 0, 1, 31, 32, 33].enumerated() { lanes[3 * Int(IMGPIPE_FIXED_LANES) + i] = Int16(alpha) }
            ops.unpremultiply_fixed(&lanes, pixels)
            return lanes
        }
    }

    @Test(arguments: [1, 3, 4])
    func fixedRowsAreResampledAlike(_ channels: Int) {
        let lanes = Int(IMGPIPE_FIXED_LANES)
        let samples = Self.fixed(lanes * channels * 20)
        let weights = (0..<30).map { Int16($0 * 431 - 3000) }
        let windows = [(0, 1, 0), (0, 5, 1), (3, 6, 6), (10, 10, 12), (19, 1, 22)].map { imgpipe_window(first: $0.0, count: $0.1, offset: $0.2) }
        Self.expectAlike("resample_fixed") { ops in
            var output = [Int16](repeating: 0, count: lanes * channels * windows.count)
            ops.resample_fixed(samples, &output, windows, weights, windows.count, Int32(channels))
            return output
        }
    }

    @Test(arguments: [1, 8, 13, 64])
    func fixedSamplesAreRoundedAlike(_ count: Int) {
        for rowCount in [1, 5, 8, 9, 16] {
            Self.expectAlike("store8_fixed") { ops -> [UInt8] in
                let samples = Self.fixed(Int(IMGPIPE_FIXED_LANES) * Self.padded(count))
                var rows = [UInt8](repeating: 77, count: rowCount * count + 1)
                ops.store8_fixed(samples, &rows, Int32(rowCount), count)
                #expect(rows.last == 77)
                return rows
            }
        }
    }

    /// Rows of every filter, of one pixel and of many; nothing is written behind them.
    @Test(arguments: [3, 4])
    func filtersAreUndoneAlike(_ bpp: Int) {
        for width in [1, 2, 3, 4, 5, 7, 8, 9, 10, 33] {
            for filters in [[4, 4, 4, 4, 4, 4, 4, 4], [0, 1, 2, 3, 4, 0, 1, 2], [4, 3, 2, 1, 1, 2, 3, 4], [1, 1, 1, 1, 1, 1, 1, 1]] {
                let rowBytes = width * bpp
                var rows = (0..<8 * (rowBytes + 1) + 8).map { UInt8(truncatingIfNeeded: $0 * $0 * 31 + $0 >> 3) }
                for r in 0..<8 { rows[r * (rowBytes + 1)] = UInt8(filters[r]) }
                let above = (0..<rowBytes + 8).map { UInt8(truncatingIfNeeded: $0 * 77) }
                Self.expectAlike("unfilter4") { ops in
                    var output = [UInt8](repeating: 7, count: 4 * rowBytes + 8)
                    ops.unfilter4(rows, rowBytes + 1, above, &output, rowBytes, Int32(bpp))
                    return output
                }
                Self.expectAlike("unfilter8") { ops in
                    var output = [UInt8](repeating: 7, count: 8 * rowBytes + 8)
                    ops.unfilter8(rows, rowBytes + 1, above, &output, rowBytes, Int32(bpp))
                    return output
                }
            }
        }
    }

    @Test(arguments: [1, 15, 16, 17, 100])
    func planesBecomePixelsAlike(_ count: Int) {
        let planes = (0..<3).map { c in (0..<count).map { UInt8(truncatingIfNeeded: 3 * $0 + c) } }
        Self.expectAlike("interleave3") { ops in
            var pixels = [UInt8](repeating: 0, count: 3 * count)
            ops.interleave3(planes[0], planes[1], planes[2], &pixels, count)
            return pixels
        }
    }

    private func withRows<T>(_ rows: [[T]], _ body: (UnsafePointer<UnsafePointer<T>?>) -> Void) {
        let copies = rows.map { row in
            let copy = UnsafeMutablePointer<T>.allocate(capacity: row.count)
            copy.update(from: row, count: row.count)
            return copy
        }
        defer { for copy in copies { copy.deallocate() } }
        body(copies.map { UnsafePointer($0) })
    }

    /// Eight rows that `body` writes to, and a sample behind each that must stay.
    private func stored<T: FixedWidthInteger>(_ count: Int, _ body: (UnsafeMutablePointer<T>) -> Void) -> [T] {
        var rows = [T](repeating: 77, count: Self.lanes * count + 1)
        rows.withUnsafeMutableBufferPointer { body($0.baseAddress!) }
        #expect(rows.last == 77)
        return rows
    }
}
