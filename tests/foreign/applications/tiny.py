"""A self-distillation model that trains in the blink of an eye."""

import copy

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class StudentAndTeacher(nn.Module):
    """The teacher sees two global views of each sample, the student also two local ones."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        backbone = nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.Linear(width, width))
        self.student = nn.ModuleList([backbone, nn.Linear(width, dim)])
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        outputs, global_views = {}, views[: len(views) // 2]
        for name, (backbone, head), seen in (
            ("student", self.student, views),
            ("student_glob", self.student, global_views),
            ("teacher", self.teacher, global_views),
        ):
            features = backbone(seen)
            outputs[f"{name}_cls_token"] = head(features)
            outputs[f"{name}_cls_token_backbone"] = features
        return outputs


class SelfDistillation(pl.LightningModule):
    def __init__(
        self, dim: int = 16, width: int = 32, lr: float = 0.01, batch_size: int = 20
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = StudentAndTeacher(dim, width)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        views = batch[0].repeat(4, 1)
        outputs = self.model(views + 0.1 * torch.randn_like(views))
        targets = outputs["teacher_cls_token"].softmax(-1).repeat(2, 1)
        loss = nn.functional.cross_entropy(outputs["student_cls_token"], targets)
        self.log("train/loss", loss)
        return loss

    def on_train_batch_end(self, *args: object) -> None:
        student, teacher = self.model.student.parameters(), self.model.teacher.parameters()
        for mine, its in zip(teacher, student, strict=True):
            mine.data.lerp_(its.data, 0.01)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.model.student.parameters(), lr=self.hparams.lr)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        vectors = torch.randn(50 * self.hparams.batch_size, self.hparams.dim)
        return DataLoader(TensorDataset(vectors), self.hparams.batch_size)
