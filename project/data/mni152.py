"""The ICBM152 2009a symmetric T1 template at 1 mm, with its tissue maps, from inside nilearn."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from project.data.volumes import Region, Volume

__all__ = ["hold_out_slab", "load_mni152"]


def load_mni152() -> Volume:
    """Load the template, cropped to the brain; nothing is downloaded.

    Returns:
        T1 intensities scaled to 0…1, axes right, anterior, superior, with grey and white matter
        probabilities (Fonov et al. 2011).
    """
    # nilearn is slow to import and only this source needs it.
    from nilearn.datasets import (
        load_mni152_gm_template,
        load_mni152_template,
        load_mni152_wm_template,
    )

    image, grey, white = (
        np.asarray(load(resolution=1).dataobj, dtype=np.float32)
        for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)
    )
    brain = np.argwhere(image > 0)
    box = tuple(slice(lo, hi + 1) for lo, hi in zip(brain.min(0), brain.max(0), strict=True))
    scaled = image[box] / np.percentile(image[image > 0], 99.5)
    return Volume(
        image=np.ascontiguousarray(scaled.clip(0.0, 1.0)),
        tissue=np.stack([grey[box], white[box]]),
    )


def hold_out_slab(volume: Volume, start: float, stop: float) -> tuple[Volume, Volume, Volume]:
    """Cut the brain by two coronal planes.

    The planes are coronal because the template is mirror-symmetric:
    a held-out hemisphere would be a flipped copy of the one that was trained on.

    Args:
        volume: The brain.
        start: Where the held-out slab begins, as a share of the posterior-anterior extent.
        stop: Where it ends.

    Returns:
        The volume restricted to what lies behind the slab, to the slab and to what lies before it.
        No voxel lies in two of them.
    """
    depth, length, width = volume.image.shape
    edges = (0, round(start * length), round(stop * length), length)
    behind, slab, before = (
        replace(volume, region=Region((0, low, 0), (depth, high, width)))
        for low, high in pairwise(edges)
    )
    return behind, slab, before
