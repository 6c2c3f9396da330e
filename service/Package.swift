// swift-tools-version: 6.2
import PackageDescription

// As in the package of the filters: our own targets build without a warning where IMG_WERROR is set.
let strict = Context.environment["IMG_WERROR"] != nil

let swift: [SwiftSetting] =
    [.enableExperimentalFeature("Lifetimes")] + (strict ? [.treatAllWarnings(as: .error)] : [])

// A package apart: the filters build in seconds, without SwiftNIO.
let package = Package(
    name: "imgserve",
    products: [
        .executable(name: "imgserve", targets: ["imgserve"]),
        .library(name: "ImageService", targets: ["ImageService"]),
    ],
    dependencies: [
        .package(name: "imgpipe", path: ".."),
        // Without its traits, which bring Foundation and a reader of configuration files.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.0.0"),
    ],
    targets: [
        // Apart, so that it is fuzzed without SwiftNIO: scripts/fuzz.
        .target(name: "Multipart", swiftSettings: swift),
        // Apart, so that it is tested without SwiftNIO: the root package's tests have it with IMG_SERVICE_TESTS.
        .target(
            name: "ServiceRequests",
            dependencies: [
                "Multipart", .product(name: "FilterSupport", package: "imgpipe"), .product(name: "ImageCodecs", package: "imgpipe"),
                .product(name: "ImageCore", package: "imgpipe"), .product(name: "ImageJobs", package: "imgpipe"), .product(name: "Storage", package: "imgpipe"),
            ],
            swiftSettings: swift),
        .target(
            name: "ImageService",
            dependencies: [
                "Multipart", "ServiceRequests",
                .product(name: "FilterSupport", package: "imgpipe"), .product(name: "ImageCodecs", package: "imgpipe"),
                .product(name: "ImageCore", package: "imgpipe"), .product(name: "ImageJobs", package: "imgpipe"),
                .product(name: "Storage", package: "imgpipe"), .product(name: "CPlatformShims", package: "imgpipe"),
                .product(name: "Hummingbird", package: "hummingbird"), .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HTTPTypes", package: "swift-http-types"), .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            // The page, in the program itself: it needs no file beside it.
            resources: ["Page.html", "Page.css", "Page.js", "Similarity.js"].map { .embedInCode("Page/\($0)") },
            swiftSettings: swift),
        .executableTarget(
            name: "imgserve",
            dependencies: [
                "ImageService", .product(name: "FilterSupport", package: "imgpipe"), .product(name: "ImageCodecs", package: "imgpipe"),
                .product(name: "ImageCore", package: "imgpipe"), .product(name: "ImageJobs", package: "imgpipe"),
            ],
            swiftSettings: swift),
    ],
    swiftLanguageModes: [.v6]
)
