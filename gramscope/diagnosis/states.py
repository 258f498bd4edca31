"""The one table of states: what each is called, says and advises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["STATES", "Kind"]

Needs = Literal[
    "features", "views", "head and backbone", "teacher and student", "logits", "patches"
]


@dataclass(frozen=True)
class Kind:
    """A state that a run can be in."""

    name: str
    code: int
    """What loggers receive; never given to another state."""
    needs: Needs
    """What a run has to show for it to be seen."""
    sentence: str
    """What it is, for somebody who has never heard of it; ``{of}`` is what it is seen in."""
    advice: str
    """What to look at next."""
    source: str
    """Where it is described, or what its rule rests on."""
    alarm: bool = True
    """Whether something is wrong."""

    @property
    def title(self) -> str:
        """Its name in words."""
        return self.name.replace("_", " ")


# fmt: off
_ROWS = (
    Kind("healthy", 0, "features",
         "Nothing speaks of collapse.",
         "Nothing to do.",
         "—", alarm=False),
    Kind("warming_up", 1, "features",
         "Too early to say: features still look as those of random weights do.",
         "Wait. If it does not end, training changes nothing: look at learning rate and loss.",
         "—", alarm=False),
    Kind("complete_collapse", 2, "features",
         "Samples become one point{of}: whatever goes in, nearly the same comes out.",
         "Stop and look at what keeps samples apart: stop-gradient, predictor, momentum of the "
         "teacher, centring, variance term; then at the learning rate.",
         "Chen & He, CVPR 2021"),
    Kind("dimensional_collapse", 3, "features",
         "Features{of} have lost most of the directions in which samples differed.",
         "If it came within the first steps, lower the learning rate or warm it up. Else look at "
         "what keeps directions apart: covariance or decorrelation term, predictor, "
         "stop-gradient, negatives, KoLeo, batch size.",
         "Jing et al., ICLR 2022; Hua et al., ICCV 2021"),
    Kind("cluster_collapse", 4, "features",
         "Samples that were told apart have come to lie on the same few points{of}.",
         "Look at how assignments are balanced, at a temperature that is too low, and at the "
         "learning rate.",
         "Li, Efros & Pathak, ECCV 2022"),
    Kind("uniform_assignment", 5, "logits",
         "The teacher assigns every sample to all prototypes alike, and the student agrees: the "
         "loss stands at ln K and says nothing any more.",
         "Lower the teacher's temperature (it has to be well below the student's), shorten its "
         "warm-up, and look at centring, which alone leads here.",
         "Caron et al., ICCV 2021, section 5.3"),
    Kind("single_prototype", 6, "logits",
         "The teacher assigns all samples to the same prototype.",
         "Centring is missing, too slow or does not see all ranks; or the teacher's temperature "
         "is too low.",
         "Caron et al., ICCV 2021, section 5.3"),
    Kind("head_collapse", 7, "head and backbone",
         "The head no longer tells samples apart; the backbone still does.",
         "Soon the loss teaches the backbone nothing. Look at what the head learns by: predictor "
         "and stop-gradient, covariance term, centring, temperatures, learning rate; go on from a "
         "checkpoint before this.",
         "docs/real-runs.md: head and backbone part ways"),
    Kind("teacher_student_divergence", 8, "teacher and student",
         "Teacher and student have hardly anything in common any more.",
         "Look at whether the teacher follows at all (its momentum may be 1, or its update may not "
         "run), and at the learning rate.",
         "Kornblith et al., ICML 2019"),
    Kind("views_identical", 9, "views",
         "Views of a sample are the same{of}: the augmentation changes nothing, so there is "
         "nothing to learn from them.",
         "Look at a batch: augmentations have to be on, and each view drawn anew.",
         "Wang & Isola, ICML 2020"),
    Kind("duplicates", 10, "features",
         "Many samples of a batch are the same as another one{of}.",
         "Look at a batch: workers or ranks may share a seed, crops may be empty, the data set may "
         "be smaller than it seems; where views are not known, they may be the same.",
         "—"),
    Kind("non_finite", 11, "features",
         "Features{of} hold NaN or Inf.",
         "Stop. Lower the learning rate, clip gradients, look at the loss scale in float16, or use "
         "bfloat16; go on from a checkpoint before this.",
         "—"),
    Kind("stalled", 12, "views",
         "Views of a sample do not come to agree{of}, or do no longer: the loss may fall, but it "
         "teaches nothing about the samples.",
         "Look at the learning rate (far too high or low), at the temperature, and whether views "
         "still show the same thing.",
         "McGraw & Wong, Psychological Methods 1996"),
    Kind("dense_degradation", 13, "patches",
         "Clusters of patches run together, while the class token has kept what it had.",
         "Maps made of patches, as for segmentation, may get worse although the loss falls. Keep "
         "the checkpoint of the step whose dense structure was best, the teacher to take for "
         "gram anchoring. Look at the weight of the loss on patches, and at weight decay.",
         "DINOv3, 2025; DSE, NeurIPS 2025"),
)
# fmt: on

STATES = {kind.name: kind for kind in _ROWS}
"""By name, in the order of their codes."""
