import CWebP
import CWebPDemux
import ImageColor
import ImageCore

/// WebP through libwebp: lossy, lossless, alpha; an animation's frames composed to the whole canvas by libwebpdemux.
///
/// Its bytes are held whole, and the picture too: both are leased, and so counted in the memory limit.
final class WebPDecoder: RowSource, StatefulDecoder {
    private let pool: BufferPool
    private let options: DecodeOptions
    private var file: HeldBuffer?
    private var still: WebPStill?
    private var animation: WebPAnimation?
    var state = DecodingState.idle
    /// Of a file that is salvaged: what was wrong with its container, or where it ended.
    private var containerFault: ImageError?
    private var rebuilt: RebuiltWebP?
    /// Rows of the frame that are decoded, from the first on.
    private var readyRows = 0

    private(set) var info = ImageInfo(width: 1, height: 1, format: .gray)
    private(set) var metadata: [MetadataRecord] = []
    var trailingMetadata: [MetadataRecord] { [] }

    init(pool: BufferPool, options: DecodeOptions) {
        (self.pool, self.options) = (pool, options)
    }

    /// Of the file, however many frames are taken.
    private(set) var isAnimated = false

    /// Reads the whole WebP in `source`, and its header.
    func open(_ source: ByteSource) throws(ImageError) -> WebPDecoder {
        release()
        (state, containerFault, rebuilt) = (.idle, nil, nil)
        try watched { () throws(ImageError) in
            let file = try readFile(source)
            try describe(file)
            state.opened(frames: info.frames)
            self.file = file
        }
        return self
    }

    /// Header and metadata of a whole file, and what decodes it.
    private func describe(_ file: HeldBuffer) throws(ImageError) {
        let start = UnsafePointer(file.start.assumingMemoryBound(to: UInt8.self))
        var features = WebPBitstreamFeatures()
        let status = WebPGetFeatures(start, file.count, &features)
        guard status == VP8_STATUS_OK else { throw containerFault ?? Self.error(status) }
        guard features.width > 0, features.height > 0 else {
            throw .damaged("\(features.width) x \(features.height) WebP")
        }
        // An animation is composed with alpha, whatever its flags say.
        isAnimated = features.has_animation != 0
        // What lossless files hide behind a flag that says they are opaque shows when alpha is asked for, as in dwebp.
        let format: PixelFormat = features.has_alpha != 0 || isAnimated || options.pixels == .rgba ? .rgba : .rgb
        info = ImageInfo(width: UInt32(features.width), height: UInt32(features.height), format: format)
        info.source = .webp
        try options.limits.check(width: info.width, height: info.height)
        (metadata, info.loop, info.frames) = try WebPContainer.read(start, file.count, limits: options.limits)
        if options.orientation != .ignore { info.setOrientation(from: metadata) }
        info.setTransfer(from: metadata)
        if options.takesFirstFrameOnly { info.frames = 1 }
        if isAnimated {
            try options.limits.check(width: info.width, height: info.height, frames: info.frames)
            // The decoder holds two canvases.
            let canvas = UInt64(info.byteCount(rows: Int(info.height)))
            try options.limits.check(.memory, 2 * canvas + UInt64(file.count))
            animation = try WebPAnimation(start, file.count)
        } else {
            if features.scalesEvenly { scaleDown() }
            // libwebp holds a lossless picture once more, as it decodes it.
            let own = features.isLossless ? UInt64(features.width) * UInt64(features.height) * 4 : 0
            try options.limits.check(.memory, own + UInt64(info.byteCount(rows: Int(info.height)) + file.count))
            still = try WebPStill(start, file.count, info: info, pool: pool)
            info.frames = 1
        }
    }

    /// Has the picture come four times as large as what a later stage wants, where it is larger: libwebp takes means, which dull what is
    /// only little coarser (Tests/conformance/scaled.py).
    private func scaleDown() {
        guard let size = options.targetSize(of: info) else { return }
        var (width, height) = (UInt64(size.width) * 4, UInt64(size.height) * 4)
        guard width < info.width && height < info.height else { return }
        // A size that would be taken for an inverse DCT's is for a picture that this divides evenly.
        func scaled() -> ImageInfo {
            var info = info
            (info.width, info.height) = (UInt32(width), UInt32(height))
            return info
        }
        while scaled().extent != (Double(width), Double(height)) { (width, height) = (width + 2, height + 2) }
        info = scaled()
    }

    private func release() {
        animation = nil
        // It reads the file's bytes.
        still = nil
        file = nil
    }

    /// The file; one that is salvaged, as far as it is there, made anew where its container is broken.
    private func readFile(_ source: ByteSource) throws(ImageError) -> HeldBuffer {
        guard options.salvages else { return try Self.readFile(source, pool: pool) }
        let (file, fault) = try Self.readAll(source, pool: pool)
        containerFault = fault
        let bytes = UnsafeRawBufferPointer(start: file.start, count: file.count)
        var features = WebPBitstreamFeatures()
        let status = WebPGetFeatures(file.start.assumingMemoryBound(to: UInt8.self), file.count, &features)
        let isAnimated = status == VP8_STATUS_OK && features.has_animation != 0
        // Of an animation each frame is looked at.
        if fault == nil && !isAnimated && Self.isWhole(bytes) { return file }
        guard let rebuilt = try RebuiltWebP.of(bytes, limits: options.limits, pool: pool) else {
            // Its first rows may come for all that.
            containerFault = containerFault ?? .damaged("corrupt WebP data")
            return file
        }
        if isAnimated && fault == nil && rebuilt.lost == nil && Self.isWhole(bytes) { return file }
        containerFault = containerFault ?? .damaged(rebuilt.lost ?? "its container is broken")
        self.rebuilt = rebuilt
        let copy = HeldBuffer(try pool.lease(rebuilt.file.count))
        rebuilt.file.withUnsafeBytes { copy.start.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        return copy
    }

    /// Whether the container is what libwebp's demuxer takes for a whole one.
    static func isWhole(_ file: UnsafeRawBufferPointer) -> Bool {
        var data = WebPData(bytes: file.baseAddress!.assumingMemoryBound(to: UInt8.self), size: file.count)
        guard let demuxer = WebPDemux(&data) else { return false }
        WebPDemuxDelete(demuxer)
        return true
    }

    /// All bytes of the input, and what is wrong with how many the RIFF header states.
    private static func readAll(_ source: ByteSource, pool: BufferPool) throws(ImageError) -> (HeldBuffer, ImageError?) {
        try source.prefetch(12)
        let stated = UInt64(UInt32(littleEndian: source.waiting.unsafeLoadUnaligned(fromByteOffset: 4, as: UInt32.self))) + 8
        var file = HeldBuffer(try pool.lease(1 << 20))
        var done = 0
        while true {
            if source.waitingCount == 0, try source.refill() == 0 { break }
            let count = source.waitingCount
            if done + count > file.count {
                let larger = HeldBuffer(try pool.lease(max(2 * file.count, done + count)))
                larger.start.copyMemory(from: file.start, byteCount: done)
                file = larger
            }
            (file.start + done).copyMemory(from: source.waitingStart, byteCount: count)
            source.skip(count)
            done += count
        }
        let exact = HeldBuffer(try pool.lease(done))
        exact.start.copyMemory(from: file.start, byteCount: done)
        return (exact, UInt64(done) < stated ? .truncated(atByte: source.positionBytes) : nil)
    }

    /// What is wrong with the container; what rows do not come, a reader sees.
    var damage: KnownDamage {
        var known = KnownDamage(fault: containerFault, lostFrames: rebuilt?.lostFrames ?? 0)
        guard let containerFault else { return known }
        if let first = rebuilt?.firstDoubtfulFrame {
            known.rows = (UInt32(first)..<info.frames).map { DamageRecord(frame: $0, firstRow: 0, rowCount: info.height, .concealed, "drawn on a frame that is lost") }
        }
        if rebuilt?.isOpaque ?? false { known.rows.append(DamageRecord(firstRow: 0, rowCount: info.height, .concealed, "\(containerFault)")) }
        return known
    }

    /// The bytes that the RIFF header states, which must all be there. Grows with what really comes.
    private static func readFile(_ source: ByteSource, pool: BufferPool) throws(ImageError) -> HeldBuffer {
        try source.prefetch(12)
        let riffBytes = (0..<4).reduce(0) { $0 | Int(source.waiting.unsafeLoad(fromByteOffset: 4 + $1, as: UInt8.self)) << (8 * $1) }
        let total = riffBytes + 8
        guard riffBytes >= 12 else { throw .damaged("RIFF size \(riffBytes)", atByte: 4) }
        var file = HeldBuffer(try pool.lease(min(total, 1 << 20)))
        var done = 0
        while true {
            let start = file.start + done
            var target = MutableRawSpan(_unsafeStart: start, byteCount: file.count - done)
            try source.read(into: &target)
            done = file.count
            if done == total { return file }
            let larger = HeldBuffer(try pool.lease(min(total, 2 * done)))
            larger.start.copyMemory(from: file.start, byteCount: done)
            file = larger
        }
    }

    func nextFrame() throws(ImageError) -> Frame? {
        guard state.beginsFrame(rows: Int(info.height)) else {
            release()
            state.completed()
            return nil
        }
        readyRows = still == nil ? Int(info.height) : 0
        return try watched { () throws(ImageError) in Frame(durationMilliseconds: try animation?.next() ?? 0) }
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let rowsLeft = state.rowsLeft
        guard rowsLeft > 0 else { return 0 }
        let done = Int(info.height) - rowsLeft
        if let still, done == readyRows { readyRows = try watched { () throws(ImageError) in try still.rows(after: done) } }
        let count = info.format.rows(width: Int(info.width), fitting: bands.byteCount, remaining: readyRows - done)
        let canvas = animation?.canvas ?? still!.start
        bands.withUnsafeMutableBytes { $0.baseAddress!.copyMemory(from: canvas + done * info.rowBytes, byteCount: count * info.rowBytes) }
        state.took(count)
        return count
    }

    static func error(_ status: VP8StatusCode) -> ImageError {
        switch status {
        case VP8_STATUS_OUT_OF_MEMORY: .outOfMemory
        case VP8_STATUS_UNSUPPORTED_FEATURE: .unsupported("WebP with a feature that libwebp does not have")
        // The file is as long as it says, so what is missing is missing inside.
        case VP8_STATUS_NOT_ENOUGH_DATA, VP8_STATUS_SUSPENDED: .damaged("WebP data ends inside the picture")
        default: .damaged("corrupt WebP data")
        }
    }
}

extension WebPBitstreamFeatures {
    fileprivate var isLossless: Bool { format == 2 }

    /// Whether libwebp's scaling keeps everything in its place. It scales the planes of a lossy picture each by itself: alpha apart from
    /// colours would have these bleed, and chroma of an odd side, rounded up to whole samples, would move against luma.
    fileprivate var scalesEvenly: Bool { isLossless || (has_alpha == 0 && width % 2 == 0 && height % 2 == 0) }
}

/// An animation's frames, composed one on another.
final class WebPAnimation {
    private let decoder: OpaquePointer
    private var shownUntil: Int32 = 0
    /// RGBA rows of the frame that `next` gave, until it gives another.
    private(set) var canvas: UnsafeRawPointer?

    /// The bytes stay where they are while this lives.
    init(_ start: UnsafePointer<UInt8>, _ count: Int) throws(ImageError) {
        var options = WebPAnimDecoderOptions()
        var data = WebPData(bytes: start, size: count)
        guard WebPAnimDecoderOptionsInit(&options) != 0 else { throw .internalError("libwebpdemux of another version") }
        options.color_mode = MODE_RGBA
        guard let decoder = WebPAnimDecoderNew(&data, &options) else {
            // It does not say why.
            throw WebPDecoder.isWhole(UnsafeRawBufferPointer(start: start, count: count)) ? .outOfMemory : .damaged("corrupt WebP animation")
        }
        self.decoder = decoder
    }

    deinit { WebPAnimDecoderDelete(decoder) }

    /// Composes the next frame; gives its duration in milliseconds.
    func next() throws(ImageError) -> UInt32 {
        var pixels: UnsafeMutablePointer<UInt8>?
        var until: Int32 = 0
        guard WebPAnimDecoderGetNext(decoder, &pixels, &until) != 0, let pixels else {
            throw .damaged("corrupt frame of a WebP animation")
        }
        canvas = UnsafeRawPointer(pixels)
        defer { shownUntil = until }
        return UInt32(clamping: until - shownUntil)
    }
}
