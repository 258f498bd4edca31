"""Volumes in, batches of views and masks out.

Read from the files inwards::

    volumes, mni152, nifti   where voxels come from
    augment, masking         what is done to a crop
    crops, datamodule        crops become batches
"""
