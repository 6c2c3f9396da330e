"""Each picture as its negative: imgdecode a.jpg | python3 negative.py | imgencode > b.jpg"""
import sys

import numpy as np

import imgpipe


def negative(pixels):
    top = np.iinfo(pixels.dtype).max
    if pixels.shape[2] % 2:
        return top - pixels
    # Alpha, the last channel, stays.
    return np.concatenate([top - pixels[..., :-1], pixels[..., -1:]], axis=2)


sys.exit(imgpipe.run(negative))
