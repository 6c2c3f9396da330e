// swift-tools-version: 6.2
import PackageDescription

// `make check` and CI set IMG_WERROR: our own targets then build without a single warning. It is not on
// by default, because a newer compiler's new warning must not stop somebody who only wants the tools.
let strict = Context.environment["IMG_WERROR"] != nil

// For systems that have no ISA-L: zlib inflates and deflates.
let zlibOnly = Context.environment["IMG_ZLIB"] != nil

// scripts/check sets it: the parts of the service's package that need no SwiftNIO are tested with ours.
let testsService = Context.environment["IMG_SERVICE_TESTS"] != nil

// scripts/fuzz sets it: the targets of libFuzzer, as a library.
let fuzzes = Context.environment["IMG_FUZZ_TARGETS"] != nil

let swift: [SwiftSetting] =
    [.enableExperimentalFeature("Lifetimes")] + (strict ? [.treatAllWarnings(as: .error)] : [])
let c: [CSetting] =
    [.enableWarning("all"), .enableWarning("extra")] + (strict ? [.treatAllWarnings(as: .error)] : [])

let package = Package(
    name: "imgpipe",
    products: [
        .library(name: "ImageCore", targets: ["ImageCore"]),
        .library(name: "ImageCodecs", targets: ["ImageCodecs"]),
        .library(name: "ImageMetadata", targets: ["ImageMetadata"]),
        .library(name: "Storage", targets: ["Storage"]),
        .executable(name: "imgdecode", targets: ["imgdecode"]),
        .executable(name: "imgresize", targets: ["imgresize"]),
        .executable(name: "imgencode", targets: ["imgencode"]),
        .executable(name: "imgstrip", targets: ["imgstrip"]),
        .executable(name: "imginfo", targets: ["imginfo"]),
        .library(name: "ImageJobs", targets: ["ImageJobs"]),
        // For the service, a package of its own.
        .library(name: "FilterSupport", targets: ["FilterSupport"]),
        .library(name: "CPlatformShims", targets: ["CPlatformShims"]),
        .executable(name: "imgquality", targets: ["imgquality"]),
        .executable(name: "imgbatch", targets: ["imgbatch"]),
        .executable(name: "imgget", targets: ["imgget"]),
        .executable(name: "imgput", targets: ["imgput"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.2.0")
    ],
    targets: [
        .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg62-turbo-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CWebPDemux", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CWebPMux", pkgConfig: "libwebpmux", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CLCMS", pkgConfig: "lcms2", providers: [.apt(["liblcms2-dev"])]),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CExpat", pkgConfig: "expat", providers: [.apt(["libexpat1-dev"])]),
        .systemLibrary(name: "CExif", pkgConfig: "libexif", providers: [.apt(["libexif-dev"])]),
        .systemLibrary(name: "CMD", pkgConfig: "libmd", providers: [.apt(["libmd-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
        .target(
            name: "CCodecShims", dependencies: ["CJPEG", "CPNG", zlibOnly ? "CZlib" : "CISAL"],
            cSettings: c + (zlibOnly ? [.define("IMGPIPE_ZLIB")] : [])),
        .target(name: "CPlatformShims", cSettings: c),
        // libcurl's header alone: the library is loaded when it is needed.
        .target(name: "CCurlShims", cSettings: c),
        .target(name: "CVectorOps", exclude: ["filter.inc", "fixed.inc", "kernels.inc", "similarity.inc", "unfilter.inc"], cSettings: c),
        .target(name: "ImageCore", dependencies: ["CPlatformShims", "CVectorOps"], swiftSettings: swift),
        .target(name: "ImageMetadata", dependencies: ["ImageCore", "CExpat", "CMD", "CZlib"], swiftSettings: swift),
        .target(name: "ImageColor", dependencies: ["ImageCore", "CLCMS"], swiftSettings: swift),
        .target(
            name: "ImageCodecs",
            dependencies: ["ImageCore", "ImageColor", "ImageMetadata", "CCodecShims", "CWebP", "CWebPDemux", "CWebPMux", "CVectorOps"],
            swiftSettings: swift),
        .target(
            name: "FilterSupport",
            dependencies: ["ImageCore", "CPlatformShims"], swiftSettings: swift),
        .target(name: "CodecArguments", dependencies: ["FilterSupport", "ImageCodecs"], swiftSettings: swift),
        .target(
            name: "Storage", dependencies: ["ImageCore", "CCurlShims", "CPlatformShims", "CMD", "CExpat"], swiftSettings: swift),
        .executableTarget(
            name: "imgdecode", dependencies: ["CodecArguments", "FilterSupport", "ImageCodecs"], swiftSettings: swift),
        .executableTarget(name: "imgresize", dependencies: ["FilterSupport"], swiftSettings: swift),
        .executableTarget(
            name: "imgencode", dependencies: ["CodecArguments", "FilterSupport", "ImageCodecs"], swiftSettings: swift),
        .executableTarget(
            name: "imgstrip", dependencies: ["FilterSupport", "ImageColor", "ImageMetadata"], swiftSettings: swift),
        .executableTarget(
            name: "imginfo", dependencies: ["FilterSupport", "ImageMetadata", "CExif"], swiftSettings: swift),
        .executableTarget(
            name: "imgquality", dependencies: ["FilterSupport", "ImageCodecs", "ImageColor"], swiftSettings: swift),
        .target(
            name: "ImageJobs",
            dependencies: [
                "CodecArguments", "FilterSupport", "ImageCodecs", "ImageMetadata", "Storage", "CJansson", "CPlatformShims",
                .product(name: "DequeModule", package: "swift-collections"), .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: swift),
        .executableTarget(name: "imgbatch", dependencies: ["FilterSupport", "ImageCodecs", "ImageJobs", "Storage", "CPlatformShims"], swiftSettings: swift),
        .executableTarget(name: "imgget", dependencies: ["FilterSupport", "Storage"], swiftSettings: swift),
        .executableTarget(name: "imgput", dependencies: ["FilterSupport", "Storage"], swiftSettings: swift),
        // Not installed: Lanczos3 alone, for `make bench`.
        .executableTarget(name: "resample", dependencies: ["ImageCore"], path: "Benchmarks/resample", swiftSettings: swift),
        // Not installed: the measurement behind RangePump.
        .executableTarget(name: "readahead", dependencies: ["Storage"], path: "Benchmarks/readahead", swiftSettings: swift),
        // Not installed: the measurement behind ByteSource (docs/measurements.md).
        .executableTarget(name: "readormap", path: "Benchmarks/readormap", swiftSettings: swift),
        // Pictures in memory, and threads, for the tests of three libraries.
        .target(name: "TestPictures", dependencies: ["ImageCore"], path: "Tests/TestPictures", swiftSettings: swift),
        .testTarget(name: "ImageCoreTests", dependencies: ["ImageCore", "CVectorOps", "TestPictures"], swiftSettings: swift),
        .testTarget(name: "ImageCodecsTests", dependencies: ["ImageCodecs", "CZlib", "TestPictures"], swiftSettings: swift),
        .testTarget(name: "ImageMetadataTests", dependencies: ["ImageMetadata"], swiftSettings: swift),
        .testTarget(name: "ImageJobsTests", dependencies: ["ImageJobs", "TestPictures"], swiftSettings: swift),
        .testTarget(name: "StorageTests", dependencies: ["Storage"], swiftSettings: swift),
        .testTarget(name: "FilterTests", dependencies: ["FilterSupport", "ImageCodecs"], swiftSettings: swift),
    ],
    swiftLanguageModes: [.v6]
)

if fuzzes || testsService {
    // Of the service's package, which is built with SwiftNIO.
    package.targets.append(.target(name: "Multipart", path: "service/Sources/Multipart", swiftSettings: swift))
}

if testsService {
    package.targets += [
        .target(
            name: "ServiceRequests", dependencies: ["FilterSupport", "ImageCodecs", "ImageCore", "ImageJobs", "Multipart", "Storage"],
            path: "service/Sources/ServiceRequests", swiftSettings: swift),
        .testTarget(name: "MultipartTests", dependencies: ["Multipart"], path: "service/Tests/MultipartTests", swiftSettings: swift),
        .testTarget(
            name: "ServiceRequestsTests", dependencies: ["ServiceRequests"], path: "service/Tests/ServiceRequestsTests", swiftSettings: swift),
    ]
}

if fuzzes {
    package.products.append(.library(name: "FuzzTargets", type: .static, targets: ["FuzzTargets"]))
    package.targets.append(
        .target(name: "FuzzTargets", dependencies: ["FilterSupport", "ImageCodecs", "ImageMetadata", "Multipart"], path: "Tests/Fuzz", swiftSettings: swift))
}
