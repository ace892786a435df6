"""What can be read of a noise from photos without their originals: whose it is, and whether there is one.

The face is smoothed away, and the residuals of photos with one framing are averaged, as for identifying cameras by
their sensor noise (Lukáš et al. 2006). One noise a person is a linkable mark.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from faceshield.evaluation.roc import Roc, roc
from faceshield.noise.jpeg import YCBCR
from faceshield.noise.smooth import smooth

FLOOR = 6 / 255  # what varies less than this about its surroundings is noise rather than face


def high_pass(images: Tensor) -> Tensor:
    """(N, 3, S, S): ``images`` in [0, 1] less their Gaussian mean of 6 pixels."""
    return images - smooth(images, 6.0)


def wiener(images: Tensor) -> Tensor:
    """(N, 3, S, S): what a pixelwise Wiener filter takes off ``images`` in [0, 1]: little where the face varies."""
    rest = images - smooth(images, 4.0)
    power = smooth(rest**2, 4.0)
    return rest * (FLOOR**2 / power.clamp_min(FLOOR**2))


def chroma(images: Tensor) -> Tensor:
    """(N, 2, S, S): Cb and Cr less their Gaussian mean of 12 pixels: a face has little colour that changes quickly."""
    planes = torch.einsum("ij,njhw->nihw", torch.tensor(YCBCR[1:], device=images.device), images)
    return planes - smooth(planes, 12.0)


RESIDUALS: dict[str, Callable[[Tensor], Tensor]] = {"high-pass": high_pass, "wiener": wiener, "chroma": chroma}


def correlate(marks: Tensor, others: Tensor) -> Tensor:
    """(N, M) Pearson correlations of ``marks`` (N, …) with ``others`` (M, …)."""
    one, two = (F.normalize(rows.flatten(1) - rows.flatten(1).mean(1, keepdim=True)) for rows in (marks, others))
    return one @ two.T


def average(marks: Tensor, owners: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Means of ``count`` marks (N, …) of one owner (N,) each, in order, and their owners; a remainder is dropped."""
    groups = [
        group
        for owner in owners.unique().tolist()
        for group in (owners == owner).nonzero()[:, 0].split(count)
        if len(group) == count
    ]
    index = torch.stack(groups)
    return marks[index].mean(1), owners[index[:, 0]]


def linkability_roc(marks: Tensor, owners: Tensor) -> Roc:
    """The ROC of "same owner or not" for all pairs of ``marks`` (N, …), by their correlation; owners (N,)."""
    left, right = torch.triu_indices(len(marks), len(marks), 1)
    scores = correlate(marks, marks)[left, right]
    return roc(scores.double().numpy(), (owners[left] == owners[right]).numpy())


def spectrum(marks: Tensor, rings: int = 12) -> Tensor:
    """(N, C · rings): the logarithm of the mean power of marks (N, C, S, S) in rings of rising frequency.

    The rings divide 1 cycle per picture to half a cycle per pixel evenly on the logarithmic scale.
    """
    size = marks.shape[-1]
    radius = (torch.fft.fftfreq(size)[:, None] ** 2 + torch.fft.fftfreq(size) ** 2).sqrt().flatten()
    edges = torch.logspace(math.log10(1 / size), math.log10(0.5), rings + 1)
    place = torch.bucketize(radius, edges) - 1
    inside = (place >= 0) & (place < rings)
    ring = F.one_hot(place[inside], rings).float()
    power = torch.fft.fft2(marks).abs().square().flatten(2)[..., inside]
    mean: Tensor = power @ ring / ring.sum(0).clamp_min(1)
    return mean.clamp_min(1e-12).log().flatten(1)


def detectability_roc(features: Tensor, cloaked: Tensor, known: Tensor) -> Roc:
    """The ROC of "cloaked or not" for the rows of ``features`` (N, D) that are not ``known`` (N,) bool.

    Scores come from a logistic regression fitted on the known rows, features scaled to their unit variance;
    ``cloaked`` (N,) bool is the truth.
    """
    mean, spread = features[known].mean(0), features[known].std(0).clamp_min(1e-6)
    rows = ((features - mean) / spread).double().numpy()
    learned = LogisticRegression(C=1.0, max_iter=1000).fit(rows[known.numpy()], cloaked[known].numpy())
    return roc(learned.decision_function(rows[~known.numpy()]), cloaked[~known].numpy())
