# make            the tools, optimised, into bin/; STATIC=1: fully static where that can be
# make demo       sets up, builds, and runs the pipeline on a photograph
# make check      sets up, builds, and runs the tests; SANITIZE=address or thread: the unit and pipeline tests alone, with that sanitizer
# make check-all  the same, and the tests that take minutes
# make docs       sets up, and builds the documentation of ImageCore and ImageCodecs (DocC), into .build-docs/site
# make fuzz       libFuzzer over what reads strangers' bytes, SECONDS=60 for each target
# make bench      sets up, builds, and measures the tools beside others; QUICK=1 in fewer rounds, ONLY='one process' some cases, ONLY=service imgserve beside nginx
# make flamegraph where a batch spends its time, as flamegraph.svg (docs/profiling.md)
# make serve      builds imgserve, and starts it; ARGS='--listen :9000'
# make install    the tools and their pages; PREFIX=/usr/local DESTDIR=
# make install-service  imgserve and its page
# make uninstall  what these two have installed, with the same PREFIX and DESTDIR
# make dist       dist/imgpipe-VERSION.tar.gz, of what is committed
# make deb        sets up, builds, and makes Debian packages in dist/
# make check-deb  the same, and tries them in a small Debian without Swift, as root; check-reproducible builds them twice
# make clean

PREFIX ?= /usr/local
DESTDIR ?=
SWIFT ?= swift

TOOLS := imgdecode imgresize imgencode imgstrip imginfo imgquality imgbatch imgget imgput
PAGES := $(filter-out man/imgserve.1,$(wildcard man/*.[1-8]))
VERSION := $(shell sed -n 's/.*text = "\(.*\)"/\1/p' Sources/FilterSupport/Version.swift)

# The Swift runtime is linked in: a process starts in half the time, and runs where no Swift is. The codecs stay the
# distribution's, for the sake of its security updates; --as-needed keeps them out of tools that do not call them. libstdc++, which
# the Swift runtime calls, and libgcc are linked in too, and relocations are packed: a quarter less of start-up (docs/measurements.md).
# The last two lines: the same bytes in whatever folder (objects have a hash over the paths of their sources else), and no library is looked for
# beside a tool (RUNPATH $ORIGIN).
LINK := .build/link
BUILD := --configuration release --static-swift-stdlib -Xlinker --as-needed -Xlinker -s -Xswiftc -use-ld=lld \
    -Xlinker -z -Xlinker pack-relative-relocs -Xswiftc -L$(LINK) -Xswiftc -Xclang-linker -Xswiftc -static-libgcc \
    -Xswiftc -Xfrontend -Xswiftc -disable-incremental-llvm-codegen \
    --disable-local-rpath

# A package of its own, on this one and on Hummingbird: some minutes the first time. SwiftNIO's C names its own file.
SERVICE := --package-path service $(BUILD) -Xcc -fmacro-prefix-map=$(CURDIR)/=

# Without any shared library; Debian has no static Little CMS, so only what decodes and encodes nothing. Starts in half the time.
STATIC_TOOLS := imgresize
STATIC_BUILD := --configuration release --scratch-path .build-static -Xswiftc -static-executable -Xlinker -s

all: bin

bin:
	mkdir -p $(LINK)
	ln -sf "$$(gcc -print-file-name=libstdc++.a)" $(LINK)/
	$(SWIFT) build $(BUILD)
	mkdir -p bin
	for tool in $(TOOLS); do install -m 755 "$$($(SWIFT) build $(BUILD) --show-bin-path)/$$tool" bin/ || exit 1; done
ifdef STATIC
	for tool in $(STATIC_TOOLS); do \
	    $(SWIFT) build $(STATIC_BUILD) --product $$tool && \
	    install -m 755 "$$($(SWIFT) build $(STATIC_BUILD) --show-bin-path)/$$tool" bin/ || exit 1; \
	done
	@echo 'fully static: $(STATIC_TOOLS); the others stay dynamic, as Debian has no static Little CMS'
endif

service-bin:
	mkdir -p service/$(LINK) bin
	ln -sf "$$(gcc -print-file-name=libstdc++.a)" service/$(LINK)/
	$(SWIFT) build $(SERVICE) --product imgserve
	install -m 755 "$$($(SWIFT) build $(SERVICE) --show-bin-path)/imgserve" bin/

serve:
	scripts/install-packages build
	$(MAKE) service-bin
	bin/imgserve $(ARGS)

demo:
	scripts/install-packages build demo
	$(MAKE) bin
	scripts/demo

check: export IMG_WERROR = 1
check:
	scripts/install-packages build test
ifdef SANITIZE
	scripts/check-sanitized $(SANITIZE)
else
	$(MAKE) bin
	scripts/check
endif

check-all: check
	scripts/check-all

docs:
	scripts/install-packages build docs
	scripts/docs

fuzz:
	scripts/install-packages build test
	$(MAKE) bin
	scripts/fuzz $(or $(SECONDS),60)

# From PyPI: pyvips with the libvips that it was built with, Pillow, and fast_image_resize as cykooz.resizer. imgserve, which takes minutes to build, only
# where it is measured: of all cases, and of ONLY=service.
bench:
	scripts/install-packages build bench
	$(MAKE) bin $(if $(filter-out service%,$(ONLY)),,service-bin)
	[ -x .build-bench/bin/python3 ] || /usr/bin/python3 -m venv .build-bench
	.build-bench/bin/pip install --quiet pyvips pyvips-binary Pillow cykooz.resizer
	/usr/bin/python3 Benchmarks/bench.py --out .build-bench --python .build-bench/bin/python3 $(if $(QUICK),--quick) $(if $(ONLY),--only '$(ONLY)')

# With frame pointers and symbols, which the tools of bin/ have not.
FLAME_BUILD := --configuration release --scratch-path .build-flame --static-swift-stdlib -Xlinker --as-needed -Xswiftc -use-ld=lld \
    --no-omit-frame-pointers -Xswiftc -gline-tables-only

flamegraph:
	scripts/install-packages build profile
	$(SWIFT) build $(FLAME_BUILD) --product imgbatch
	scripts/flamegraph flamegraph.svg

# Where a page goes below PREFIX; and what completes a tool's command lines in bash, zsh and fish.
place = share/man/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
completers = share/bash-completion/completions/$(1) share/zsh/site-functions/_$(1) share/fish/vendor_completions.d/$(1).fish
define put
install -d $(DESTDIR)$(PREFIX)/bin $(addprefix $(DESTDIR)$(PREFIX)/,$(dir $(call completers,tool)))
install -m 755 $(1:%=bin/%) $(DESTDIR)$(PREFIX)/bin/
$(foreach page,$(2),install -D -m 644 $(page) $(DESTDIR)$(PREFIX)/$(call place,$(page)) &&) true
cd $(DESTDIR)$(PREFIX) && for tool in $(1); do set -- $(call completers,$$tool); for shell in bash zsh fish; do \
    $(CURDIR)/bin/$$tool --completions $$shell > "$$1" && chmod 644 "$$1" && shift || exit 1; done; done
endef

install: bin
	$(call put,$(TOOLS),$(PAGES))

install-service: service-bin
	$(call put,imgserve,man/imgserve.1)

# Directories stay: nobody knows whose they are.
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(foreach tool,$(TOOLS) imgserve,bin/$(tool) $(call completers,$(tool))) $(foreach page,$(PAGES) man/imgserve.1,$(call place,$(page))))

version:
	@echo $(VERSION)

# As committed, with the time of the commit: the same bytes wherever it is made.
dist:
	mkdir -p dist
	git archive --prefix=imgpipe-$(VERSION)/ --output=dist/imgpipe-$(VERSION).tar.gz HEAD

DEB = imgpipe_$(VERSION)_$(shell dpkg --print-architecture)
# dpkg leaves its results beside the source's folder unless each step is told otherwise.
deb:
	scripts/install-packages build deb
	rm -f dist/*.deb dist/*.buildinfo dist/*.changes
	mkdir -p dist
	DEB_DESTDIR=dist dpkg-buildpackage --build=binary --no-sign --buildinfo-option=-udist --buildinfo-file=dist/$(DEB).buildinfo \
	    --changes-option=-udist --changes-file=dist/$(DEB).changes

check-deb: deb
	scripts/check-deb

check-reproducible:
	scripts/check-reproducible

clean:
	rm -rf service/.build .build .build-address .build-docs .build-flame .build-static .build-thread .build-zlib bin dist flamegraph.svg

.PHONY: all bin service-bin serve demo check check-all docs fuzz bench flamegraph install install-service uninstall version dist deb check-deb check-reproducible clean
