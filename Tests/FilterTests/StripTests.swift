import Foundation
import Testing

/// imgstrip as it is used: files, lists, streams; what is on disk afterwards. Pixels and fields: Tests/conformance/strip.py.
@Suite struct StripTests {
    let place: Workplace

    /// tagged.jpg: photo.jpg with an author, a position, a comment and orientation 6.
    init() throws {
        place = try Workplace()
        let outcome = try place.sh(
            "cp photo.jpg tagged.jpg && exiftool -q -overwrite_original -Artist=A.B. -Copyright=C -Orientation#=6 -GPSLatitude=1 -Comment=hello -XMP-dc:Rights=R tagged.jpg")
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    private func fields(_ name: String) throws -> String {
        try place.sh("exiftool -s -s -s -p '$Artist,$Copyright,$Orientation#,$GPSLatitude,$Comment,$Rights' -f \(name)").text.trimmingCharacters(in: .newlines)
    }

    @Test func theDefaultKeepsTheOrientationAlone() throws {
        #expect(try place.sh("imgstrip tagged.jpg > out.jpg").status == 0)
        #expect(try fields("out.jpg") == "-,-,6,-,-,-")
        #expect(try place.sh("imgstrip < tagged.jpg | cmp - out.jpg").status == 0)
        #expect(try place.sh("cat tagged.jpg | imgstrip -o piped.jpg && cmp piped.jpg out.jpg").status == 0)
    }

    @Test func rightsGoThroughAPipelineAndNothingElse() throws {
        #expect(try place.sh("imgdecode tagged.jpg | imgstrip --keep copyright | imgresize 100 | imgencode > out.jpg").status == 0)
        #expect(try fields("out.jpg") == "A.B.,C,-,-,-,R")
    }

    @Test func droppedOrientationIsSaid() throws {
        let outcome = try place.sh("imgstrip --drop all tagged.jpg | cat > out.jpg")
        #expect(outcome.messages.count == 1 && outcome.errors.contains("tagged.jpg: warning: its orientation (6) is dropped"))
    }

    @Test func inPlaceKeepsModeAndWithPreserveTimes() throws {
        let outcome = try place.sh(
            """
            chmod 640 tagged.jpg; touch -d '2020-01-02 03:04:05 UTC' tagged.jpg; cp -p tagged.jpg second.jpg
            imgstrip -i --preserve --fsync -j 2 tagged.jpg second.jpg || exit
            stat -c '%a %Y' tagged.jpg second.jpg; imgstrip -iv tagged.jpg; ls -A | grep imgpipe
            """)
        #expect(outcome.text == "640 1577934245\n640 1577934245\n")
        #expect(outcome.errors == "imgstrip: tagged.jpg: nothing to remove\n")
    }

    @Test func brokenFilesStayAndTheFirstDecides() throws {
        let outcome = try place.sh(
            """
            head -c 3000 tagged.jpg > cut.jpg; cp cut.jpg before.jpg
            imgstrip -i -j 2 missing.jpg cut.jpg tagged.jpg; echo $?
            cmp cut.jpg before.jpg
            """)
        #expect(outcome.text == "66\n")
        #expect(outcome.messages.sorted() == ["imgstrip: cut.jpg: truncated at byte 3000", "imgstrip: missing.jpg: no such file or directory"])
        #expect(try fields("tagged.jpg") == "-,-,6,-,-,-")
    }

    /// RIFF's size, and frames inside of frames, that leave no room for what they hold.
    @Test func aWebPOfImpossibleSizesDoesNotEndTheRun() throws {
        let zeros = #"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"#
        for size in 0...3 {
            let outcome = try place.sh(
                #"printf 'RIFF\00\#(size)\0\0\0WEBP\#(zeros)\#(zeros)' > bad.webp; cp tagged.jpg good.jpg; imgstrip -i bad.webp good.jpg; echo $?; imgstrip -iv good.jpg"#)
            #expect(outcome.text == "65\n")
            #expect(outcome.messages == ["imgstrip: bad.webp: a RIFF of \(size) bytes at byte 4", "imgstrip: good.jpg: nothing to remove"])
        }
        // A frame of 24 bytes that holds a frame of none.
        let outcome = try place.sh(#"printf 'RIFF\066\0\0\0WEBPVP8X\012\0\0\0\002\0\0\0\0\0\0\0\0\0ANMF\030\0\0\0\#(zeros)ANMF\0\0\0\0' | imgstrip --keep all > out"#)
        #expect(outcome.status == 65)
        #expect(outcome.errors == "imgstrip: standard input: a frame without a picture at byte 30\n")
    }

    @Test func noOutputReplacesAFileThatIsStillToBeRead() throws {
        let outcome = try place.sh("cp tagged.jpg x1.jpg; exiftool -q -overwrite_original -Artist=B x1.jpg; cp x1.jpg old; imgstrip -o 'x%i.jpg' tagged.jpg x1.jpg; echo $?; cmp x1.jpg old; ls x2.jpg")
        #expect(outcome.text == "73\nx2.jpg\n")
        #expect(outcome.messages == ["imgstrip: tagged.jpg: x1.jpg is another FILE of this run"])
        #expect(try place.sh("mkdir out; cp tagged.jpg out/tagged.jpg; imgstrip -o 'out//%f' tagged.jpg; imgstrip -o 'out/%f' tagged.jpg photo.jpg out/tagged.jpg; echo $?").text == "73\n")
    }

    @Test func whatIsWrongWithAnOutputNamesIt() throws {
        let outcome = try place.sh("imgstrip -o none/x.jpg tagged.jpg; imgstrip --no-clobber -o photo.jpg tagged.jpg; imgstrip -o /dev/full tagged.jpg; echo $?")
        #expect(outcome.text == "74\n")
        #expect(outcome.messages == [
            "imgstrip: tagged.jpg: none/x.jpg: cannot create: no such file or directory", "imgstrip: tagged.jpg: photo.jpg: file exists",
            "imgstrip: tagged.jpg: /dev/full: write failed: no space left on device",
        ])
    }

    @Test func standardOutputHasAName() throws {
        #expect(try place.sh("imgstrip -o /dev/stdout tagged.jpg | cat > a.jpg; imgstrip tagged.jpg | cmp - a.jpg").status == 0)
    }

    @Test func wrongCommandLinesAre64() throws {
        for options in [
            "--keep colour a.jpg", "--keep icc --drop icc a.jpg", "-i", "-i -o b.jpg a.jpg", "a.jpg b.jpg", "--icc srgb a.jpg", "--preserve a.jpg",
            "-j 0 a.jpg", "--icc srgb < tagged.jpg",
        ] {
            let outcome = try place.sh("imgstrip \(options) > out")
            #expect(outcome.status == 64 && outcome.messages.count == 1, "\(options): \(outcome.status) \(outcome.errors)")
        }
        #expect(try place.sh("imgdecode photo.jpg | imgstrip --wrong | imgencode -o out.jpg").status == 64)
    }

    @Test func outputsTakeNamesFromATemplateAndNoneTwice() throws {
        let outcome = try place.sh("mkdir d; cp tagged.jpg d; imgstrip -o 'out-%f' tagged.jpg d/tagged.jpg photo.png; echo $?; ls out-*")
        #expect(outcome.text == "73\nout-photo.png\nout-tagged.jpg\n")
    }

    /// The debug build, in which the stripper can be told to let EXIF through.
    @Test func aFaultOfTheStripperIsFoundAndNothingOfItComesOut() throws {
        let debug = projectDirectory.appendingPathComponent(".build/debug/imgstrip").path
        try #require(FileManager.default.isExecutableFile(atPath: debug))
        let outcome = try place.sh(
            """
            cp tagged.jpg before.jpg; export IMGSTRIP_PLANT_FAULT=1
            "$1" -i tagged.jpg; echo $?; cmp tagged.jpg before.jpg
            "$1" -o new.jpg tagged.jpg; echo $?; ls new.jpg
            "$1" tagged.jpg > out; echo $?; grep -c Exif out
            """, debug)
        #expect(outcome.text == "70\n70\n70\n0\n")
        #expect(outcome.messages.filter { $0.contains("is still there") }.count == 3)
    }

    @Test func aKillInTheMiddleLeavesEachFileOldOrNew() throws {
        let outcome = try place.sh(
            """
            imgstrip tagged.jpg > new; mkdir many; i=0
            while [ $i -lt 1000 ]; do cp tagged.jpg many/$i.jpg; i=$((i + 1)); done
            imgstrip -i -j 2 many/*.jpg & sleep 0.03; kill -9 $!; wait $! 2> /dev/null
            old=$(sha256sum < tagged.jpg); new=$(sha256sum < new)
            sha256sum many/*.jpg | cut -c 1-64 | grep -v -e "${old%% *}" -e "${new%% *}"; ls many/*.jpg | wc -l
            i=0; while [ $i -lt 8 ]; do imgstrip -i many/*.jpg & i=$((i + 1)); done; wait
            sha256sum many/*.jpg | cut -c 1-64 | grep -v "${new%% *}"; ls many/*.jpg | wc -l
            """)
        #expect(outcome.text == "1000\n1000\n", "\(outcome.text) \(outcome.errors)")
    }
}
