"""3D vision transformer with register tokens (Dosovitskiy et al. 2021; Darcet et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from monai.networks.blocks import MLPBlock
from monai.networks.blocks.selfattention import SABlock
from monai.networks.layers import DropPath
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TokenFeatures", "VisionTransformer3D"]


@dataclass(frozen=True)
class TokenFeatures:
    """What the transformer says about a batch of `N` images.

    Attributes:
        cls: `[N, D]` normalised class token.
        patches: `[N, P, D]` normalised patch tokens, last axis of the image fastest.
    """

    cls: Tensor
    patches: Tensor


class VisionTransformer3D(nn.Module):
    """Pre-norm transformer over cubic patches of cubic images.

    One set of position embeddings serves all image sizes by interpolation.

    Args:
        image_size: Edge length of the images that position embeddings are learned for.
        patch_size: Edge length of a patch.
        in_channels: Channels of an image.
        embed_dim: Width `D`.
        depth: Number of blocks.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over `embed_dim`.
        num_registers: Register tokens.
        layer_scale: Initial scale of each residual branch, `None` for none.
        drop_path: Probability of dropping the last block's branches, rising linearly from 0.

    Raises:
        ValueError: If `image_size` is no multiple of `patch_size`.
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int = 8,
        in_channels: int = 1,
        embed_dim: int = 192,
        depth: int = 6,
        num_heads: int = 3,
        mlp_ratio: float = 4.0,
        num_registers: int = 4,
        layer_scale: float | None = None,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if image_size % patch_size:
            raise ValueError(
                f"Expected `image_size` to be a multiple of `patch_size`, but got {image_size}"
                f" and {patch_size}"
            )
        self.patch_size = patch_size
        self.embed_dim = embed_dim
        self.depth = depth
        self.grid = image_size // patch_size

        self.patch_embed = nn.Linear(in_channels * patch_size**3, embed_dim)
        self.cls_token = nn.Parameter(torch.empty(1, 1, embed_dim))
        self.register_tokens = nn.Parameter(torch.empty(1, num_registers, embed_dim))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.cls_position = nn.Parameter(torch.empty(1, 1, embed_dim))
        self.patch_positions = nn.Parameter(torch.empty(1, self.grid**3, embed_dim))
        rates = [drop_path * index / max(1, depth - 1) for index in range(depth)]
        self.blocks = nn.ModuleList(
            Block(embed_dim, num_heads, mlp_ratio, layer_scale, rate) for rate in rates
        )
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self._init_weights()

    def forward(self, images: Tensor, mask: Tensor | None = None) -> TokenFeatures:
        """Encode images.

        Args:
            images: `[N, C, S, S, S]`.
            mask: `[N, P]` bool, patches to replace by the mask token.

        Returns:
            Class and patch tokens.
        """
        size = self.patch_size
        patches = rearrange(
            images, "n c (d a) (h b) (w e) -> n (d h w) (c a b e)", a=size, b=size, e=size
        )
        tokens = self.patch_embed(patches)  # [N, P, D]
        if mask is not None:
            tokens = torch.where(mask.unsqueeze(-1), self.mask_token.to(tokens.dtype), tokens)
        tokens = tokens + self._positions(images.shape[-1] // size)
        batch = len(tokens)
        tokens = torch.cat(
            [
                (self.cls_token + self.cls_position).expand(batch, -1, -1),
                self.register_tokens.expand(batch, -1, -1),
                tokens,
            ],
            dim=1,
        )  # [N, 1 + R + P, D]
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return TokenFeatures(tokens[:, 0], tokens[:, 1 + self.register_tokens.shape[1] :])

    def _positions(self, grid: int) -> Tensor:
        """Position embeddings `[1, grid**3, D]`."""
        if grid == self.grid:
            return self.patch_positions
        cube: Tensor = rearrange(
            self.patch_positions, "1 (d h w) c -> 1 c d h w", d=self.grid, h=self.grid
        )
        cube = functional.interpolate(
            cube, size=(grid, grid, grid), mode="trilinear", align_corners=False
        )
        return rearrange(cube, "1 c d h w -> 1 (d h w) c")

    def _init_weights(self) -> None:
        for parameter in (self.cls_position, self.patch_positions):
            nn.init.trunc_normal_(parameter, std=0.02)
        for parameter in (self.cls_token, self.register_tokens):
            nn.init.normal_(parameter, std=1e-6)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


class Block(nn.Module):
    """Attention and MLP, each on a scaled, droppable residual branch.

    MONAI's own `TransformerBlock` has neither layer scale nor stochastic depth, and carries
    a cross-attention norm that never gets a gradient, which DistributedDataParallel rejects.

    Args:
        dim: Width.
        num_heads: Attention heads.
        mlp_ratio: Hidden width of the MLP over `dim`.
        layer_scale: Initial scale of the branches, `None` for none.
        drop_path: Probability of dropping a branch of a sample.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float,
        layer_scale: float | None,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim, eps=1e-6)
        self.attention = SABlock(dim, num_heads, qkv_bias=True, use_flash_attention=True)
        self.attention_scale = _layer_scale(dim, layer_scale)
        self.mlp_norm = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = MLPBlock(dim, int(dim * mlp_ratio))
        self.mlp_scale = _layer_scale(dim, layer_scale)
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform `[N, T, D]` tokens."""
        attended = self.attention(self.attention_norm(tokens))
        tokens = tokens + self.drop_path(self.attention_scale(attended))
        transformed = self.mlp(self.mlp_norm(tokens))
        out: Tensor = tokens + self.drop_path(self.mlp_scale(transformed))
        return out


class LayerScale(nn.Module):
    """Multiply each channel by a learned number (Touvron et al. 2021)."""

    def __init__(self, dim: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((dim,), initial))

    def forward(self, tokens: Tensor) -> Tensor:
        """Scale `[..., D]` tokens."""
        return tokens * self.gamma


def _layer_scale(dim: int, initial: float | None) -> nn.Module:
    return nn.Identity() if initial is None else LayerScale(dim, initial)
