"""The training job: DINOv2 in 3D on brain MRI, watched by gramscope's callbacks.

An application like any other: it uses what `gramscope` makes public, and `gramscope` knows nothing
of it.
"""
