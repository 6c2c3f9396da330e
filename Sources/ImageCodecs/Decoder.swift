import ImageColor
import ImageCore

/// Decoders of all formats behind one call, told apart by content. One picture at a time; what the libraries and the pool have
/// allocated serves the next one.
public final class Decoder {
    private let pool: BufferPool
    private let options: DecodeOptions
    /// Of the picture last opened.
    private var format: FileSignature?
    private var profileIsBroken = false
    private var fileIsTooLarge = false
    private var salvage: SalvagedPicture?
    /// What stands in for a JPEG, and its bytes.
    private var thumbnail: (JPEGDecoder, MemoryFile)?
    private var jpeg: JPEGDecoder?
    private var png: PNGDecoder?
    private lazy var pnm = PNMDecoder(pool: pool, options: options)
    private lazy var webp = WebPDecoder(pool: pool, options: options)

    /// `pool`: lends the buffers, and has the deadline of a picture. `options`: of all pictures that are opened.
    public init(pool: BufferPool, options: DecodeOptions) {
        (self.pool, self.options) = (pool, options)
    }

    /// Reads the header of the picture in `source`; its rows come from the result, which is valid until the next `open`.
    /// Throws `damaged` for an empty or unknown input, `unsupported` for a known format that is not ours.
    public func open(_ source: ByteSource) throws(ImageError) -> any RowSource {
        if options.carriesFile { source.keepCopy(limitBytes: Int(clamping: options.limits.metadata)) }
        fileIsTooLarge = false
        try source.prefetch(FileSignature.headBytes)
        #if DEBUG
            Intruder.act()
        #endif
        var rows: any RowSource
        (format, salvage) = (FileSignature(source.waiting), nil)
        // Rubbish behind a JPEG's first two bytes is stepped over.
        if options.salvages && format == nil && source.waitingCount > 2 && source.waiting.uint8(at: 0) == 0xff && source.waiting.uint8(at: 1) == 0xd8 {
            format = .jpeg
        }
        switch format {
        case .jpeg: rows = try salvaged(openJPEG(source))
        case .png:
            if png == nil { png = try PNGDecoder(pool: pool, options: options) }
            rows = try salvaged(png!.open(source))
        case .webp: rows = try salvaged(webp.open(source))
        case .pnm: rows = try salvaged(pnm.open(source))
        case .pixelStream: throw .damaged("is a pixel stream already; it needs no imgdecode")
        case .some(let other): throw .unsupported("is \(other.withArticle), which imgpipe does not read")
        case nil:
            throw source.waitingCount == 0
                ? .damaged("empty file") : .damaged("is not a picture: no JPEG, PNG, WebP or PNM begins like this")
        }
        profileIsBroken = false
        if options.carriesFile { rows = CarriedFile(rows, source, limits: options.limits) { [unowned self] in fileIsTooLarge = true } }
        let colored = try inSRGB(rows)
        let wanted = options.format(from: colored.info.format)
        let converted: any RowSource = wanted == colored.info.format ? colored : try Converter(colored, to: wanted, pool: pool)
        let turned = options.orientation == .apply ? try upright(converted, pool: pool) : converted
        return isAltered(rows, colored, turned) ? AlteredPicture(turned) : turned
    }

    // MARK: Salvage

    /// What was wrong with the picture last opened, and which of its rows are as they were; nil where nothing was. Known when its rows are read,
    /// with `DecodeOptions.salvages`.
    public var account: String? { salvage?.account }

    private func salvaged(_ decoder: any StatefulDecoder) -> any RowSource {
        guard options.salvages else { return decoder }
        let picture = salvage ?? SalvagedPicture(decoder, leastRecovered: options.leastRecovered)
        salvage = picture
        return picture
    }

    /// Of one that is salvaged and has nothing to give, its thumbnail.
    private func openJPEG(_ source: ByteSource) throws(ImageError) -> any StatefulDecoder {
        let jpeg = if let jpeg { jpeg } else { try JPEGDecoder(pool: pool, options: options) }
        self.jpeg = jpeg
        do throws(ImageError) {
            let decoder = try jpeg.open(source)
            guard options.salvages, let bytes = jpeg.metadata[.exif].flatMap(Exif.thumbnail) else { return decoder }
            let picture = SalvagedPicture(decoder, leastRecovered: options.leastRecovered)
            try picture.readAhead()
            if decoder.damage.isEmpty, let fault = picture.fault ?? decoder.damage.fault, let thumbnail = openThumbnail(bytes, of: jpeg, fault) { return thumbnail }
            salvage = picture
            return decoder
        } catch {
            guard options.salvages, error.isDamage, let bytes = jpeg.metadata[.exif].flatMap(Exif.thumbnail), let thumbnail = openThumbnail(bytes, of: jpeg, error)
            else { throw error }
            return thumbnail
        }
    }

    private func openThumbnail(_ bytes: [UInt8], of jpeg: JPEGDecoder, _ fault: ImageError) -> JPEGDecoder? {
        guard let decoder = try? JPEGDecoder(pool: pool, options: options), let file = try? MemoryFile(), (try? file.write(bytes.span.bytes)) != nil, isWholeThumbnail(file),
            let source = try? file.source(pool: pool), let opened = try? decoder.open(source)
        else { return nil }
        opened.standsIn(for: jpeg.metadata)
        thumbnail = (decoder, file)
        salvage = SalvagedPicture(opened, leastRecovered: options.leastRecovered, standIn: "its EXIF thumbnail stands in for it", fault: fault)
        return opened
    }

    /// Whether all of it can be decoded, and it is no more than a thumbnail.
    private func isWholeThumbnail(_ file: MemoryFile) -> Bool {
        var plain = options
        (plain.salvages, plain.target) = (false, nil)
        let mostSide: UInt32 = 1024
        guard let source = try? file.source(pool: pool), let rows = try? JPEGDecoder(pool: pool, options: plain).open(source),
            max(rows.info.width, rows.info.height) <= mostSide
        else { return false }
        return (try? transfer(from: rows, to: NoRows(), pool: pool)) != nil
    }

    /// Whether `last` shows another picture than the file does: not when only its samples are written otherwise.
    private func isAltered(_ first: any RowSource, _ colored: any RowSource, _ last: any RowSource) -> Bool {
        let (before, after) = (first.info, last.info)
        // An animation is more than its first frame, and a picture that is not turned is not what others show.
        let isAnimated = (format == .png && png?.isAnimated ?? false) || (format == .webp && webp.isAnimated && options.takesFirstFrameOnly)
        let isLeftTurned = options.orientation == .ignore && (first.metadata[.exif].flatMap(Exif.orientation) ?? 1) != 1
        if isAnimated || isLeftTurned || before.isScaled { return true }
        if format == .jpeg && jpeg?.changesColors ?? false { return true }
        return colored !== first || before.orientation != after.orientation || after.depth < before.depth
            || (after.format.model == .gray && before.format.model != .gray) || (before.format.hasAlpha && !after.format.hasAlpha)
    }

    /// Where that is asked for, or where colour is to become grey or grey colour, for which a profile does not serve any more, samples
    /// made sRGB; a profile that cannot be used is dropped.
    private func inSRGB(_ rows: any RowSource) throws(ImageError) -> any RowSource {
        let model = rows.info.format.model
        let changesModel = (options.format(from: rows.info.format).model == .gray) != (model == .gray)
        guard options.convertsToSRGB || changesModel else { return rows }
        let converted = try SRGB.converted(rows, pool: pool)
        profileIsBroken = !converted.profileIsUsable
        return converted.rows
    }

    /// What was odd about the picture last opened, but harmed no pixel; complete when its rows are read.
    public var remarks: [String] {
        switch format {
        case .jpeg: jpeg?.remarks ?? []
        case .png: png?.remarks ?? []
        default: []
        }
    }

    /// What of the picture last opened could not be taken along; complete when its rows are read.
    public var warnings: [String] {
        ((format == .png ? png?.warnings : format == .jpeg ? jpeg?.warnings : nil) ?? []) + (profileIsBroken ? ["its ICC profile cannot be used; taken as sRGB"] : [])
            + (fileIsTooLarge ? ["the file is more than the \(options.limits.metadata) bytes of --max-metadata, and is not carried"] : [])
    }
}

/// A picture with the file that it comes from behind its rows.
private final class CarriedFile: RowSource {
    private let picture: any RowSource
    private let source: ByteSource
    private let limits: Limits
    private let isTooLarge: () -> Void
    private var file: [UInt8]?

    init(_ picture: any RowSource, _ source: ByteSource, limits: Limits, isTooLarge: @escaping () -> Void) {
        (self.picture, self.source, self.limits, self.isTooLarge) = (picture, source, limits, isTooLarge)
    }

    var info: ImageInfo { picture.info }
    var metadata: [MetadataRecord] { picture.metadata }
    var trailingMetadata: [MetadataRecord] { picture.trailingMetadata + (file.map { [MetadataRecord(.file, $0)] } ?? []) }
    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int { try picture.read(into: &bands) }

    func nextFrame() throws(ImageError) -> Frame? {
        if let frame = try picture.nextFrame() { return frame }
        // What stands behind the picture belongs to the file.
        try source.drain()
        file = source.takeCopy()
        // Whoever reads the stream counts all records of a picture together; a name is one, of 4096 bytes at most.
        let others = (picture.metadata + picture.trailingMetadata).reduce(UInt64(4096)) { $0 + UInt64($1.payload.count) + Limits.metadataRecordBytes }
        if file.map({ UInt64($0.count) + 2 * Limits.metadataRecordBytes + others > limits.metadata }) ?? true {
            file = []
            isTooLarge()
        }
        return nil
    }
}

/// Where rows are read for the sake of the proof that they are all there.
private final class NoRows: RowSink {
    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) {}
    func beginFrame(_ frame: Frame) {}
    func write(_ bands: RawSpan, rows: Int) {}
    func end(trailingMetadata: [MetadataRecord]) {}
}
