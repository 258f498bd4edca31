"""A self-distillation model that trains in the blink of an eye."""

import copy

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Network(nn.Module):
    """Backbone and head."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(dim, width), nn.GELU(), nn.Linear(width, width))
        self.head = nn.Linear(width, dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(x)
        return self.head(features), features


class StudentAndTeacher(nn.Module):
    """The teacher sees two global views of each sample, the student also two local ones."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.student = Network(dim, width)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def forward(self, views: Tensor) -> dict[str, Tensor]:
        n_global = len(views) // 2
        student, student_features = self.student(views)
        teacher, teacher_features = self.teacher(views[:n_global])
        return {
            "student_cls_token": student,
            "student_cls_token_backbone": student_features,
            "student_glob_cls_token": student[:n_global],
            "student_glob_cls_token_backbone": student_features[:n_global],
            "teacher_cls_token": teacher,
            "teacher_cls_token_backbone": teacher_features,
        }


class RandomVectors(Dataset[Tensor]):
    def __init__(self, n: int, dim: int) -> None:
        self.vectors = torch.randn(n, dim)

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, index: int) -> Tensor:
        return self.vectors[index]


class SelfDistillation(pl.LightningModule):
    def __init__(
        self, dim: int = 16, width: int = 32, lr: float = 0.01, batch_size: int = 20
    ) -> None:
        super().__init__()
        self.model = StudentAndTeacher(dim, width)
        self.dim = dim
        self.lr = lr
        self.batch_size = batch_size

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        views = batch.repeat(4, 1) + 0.1 * torch.randn(4 * len(batch), self.dim)
        outputs = self.model(views)
        targets = outputs["teacher_cls_token"].softmax(-1).repeat(2, 1)
        loss = nn.functional.cross_entropy(outputs["student_cls_token"], targets)
        self.log("train/loss", loss)
        return loss

    def on_train_batch_end(self, *args: object) -> None:
        student, teacher = self.model.student.parameters(), self.model.teacher.parameters()
        for mine, its in zip(teacher, student, strict=True):
            mine.data.lerp_(its.data, 0.01)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.model.student.parameters(), lr=self.lr)

    def train_dataloader(self) -> DataLoader[Tensor]:
        return DataLoader(RandomVectors(50 * self.batch_size, self.dim), self.batch_size)
