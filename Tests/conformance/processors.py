#!/usr/bin/python3
"""The same bytes from every x86-64 level: pipelines run with all instructions of this machine, and with glibc and libjpeg-turbo
told to use only those that each x86-64 has, and with our own kernels of each level (IMG_CPU).

usage: processors.py [--bin DIR]

glibc chooses its pow and sin by the processor (GLIBC_TUNABLES), libjpeg-turbo its kernels (JSIMD_FORCESSE2, JSIMD_FORCENONE); libwebp,
Little CMS and zlib do not choose at run time in a way that can be turned off, or do not choose.
"""
import hashlib
import os
import subprocess
import tempfile

from harness import Results, shell, take_tools

PIPELINES = [
    'imgdecode "$1" | imgresize 317 | imgencode', 'imgdecode "$1" | imgresize 61% --linear | imgencode -f png',
    'imgdecode --depth 16 "$1" | imgresize 250x250 --fit cover --gravity smart --sharpen 1 --linear | imgencode -f png --depth 16',
    'imgdecode "$1" | imgresize --filter mitchell 130% | imgencode -f webp', 'imgdecode --pixels native "$1" | imgencode -f png --palette 64',
    'imgdecode "$1" | imgencode -f png | imgdecode | imgresize 50% | imgencode -f pam', 'imgdecode --color srgb "$1" | imgresize 400 --filter catmullrom | imgencode --progressive -q 92',
]
LEVELS = [{"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-FMA4,-AVX,-AVX_Usable,-SSE4_1,-SSE4_2,-SSSE3"},
          {"JSIMD_FORCESSE2": "1"}, {"JSIMD_FORCENONE": "1"}, {"IMG_CPU": "scalar"}, {"IMG_CPU": "baseline"}, {"IMG_CPU": "v3"}]


def main():
    take_tools("the same bytes from every x86-64 level")
    results = Results()
    photographs = subprocess.run("dpkg --listfiles mate-backgrounds | grep '/nature/.*[.]jpg$' | head -n 3", shell=True,
                                 stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory() as folder:
        for photograph in photographs:
            small = os.path.join(folder, "small.jpg")
            shell('imgdecode "$1" | imgresize 900 | imgencode -q 92 -o "$2"', photograph, small)
            for pipeline in PIPELINES:
                sums = [hashlib.sha256(shell(pipeline, small, env={**os.environ, **level})).hexdigest() for level in [{}, *LEVELS]]
                results.check(len(set(sums)) == 1, f"{photograph}: {pipeline}: {[s[:8] for s in sums]}")
    results.end()


if __name__ == "__main__":
    main()
