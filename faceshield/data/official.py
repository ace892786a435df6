"""Where the data sets of the recipes are to be had, and what their files must be."""

from __future__ import annotations

from faceshield.core.download import Checksum, OfficialFile

_TORONTO, _SVHN, _LFW = (
    "https://www.cs.toronto.edu/~kriz",
    "http://ufldl.stanford.edu/housenumbers",
    "http://vis-www.cs.umass.edu/lfw",
)


def _file(place: str, name: str, md5: str, folder: str = "") -> OfficialFile:
    return OfficialFile(f"{place}/{name}", Checksum("md5", md5), folder)


DATA_SETS: dict[str, tuple[OfficialFile, ...]] = {
    "cifar10": (_file(_TORONTO, "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),),
    "cifar100": (_file(_TORONTO, "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),),
    "svhn": (
        _file(_SVHN, "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373", "svhn"),
        _file(_SVHN, "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3", "svhn"),
    ),
    "lfw": (
        _file(_LFW, "lfw-deepfunneled.tgz", "68331da3eb755a505a502b5aacb3c201", "lfw"),
        _file(_LFW, "pairs.txt", "9f1ba174e4e1c508ff7cdf10ac338a7d", "lfw"),
    ),
}
"""By the name that ``faceshield data get`` takes. The checksums are the sources' or torchvision's."""
