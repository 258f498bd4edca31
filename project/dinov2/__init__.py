"""Self-supervised pretraining of a 3D vision transformer on brain MRI (DINOv2, Oquab et al. 2023).

Read from the networks outwards::

    vit, heads, model           student and teacher networks
    losses, targets, objective  what is minimised
    schedules, param_groups     how it is minimised
    module                      the LightningModule
    probe                       is it learning tissue?
"""
