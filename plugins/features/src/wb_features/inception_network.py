"""The Inception-v3 of 2015 whose features FID is defined on, up to the layer that a feature dimension requires.

Szegedy et al. 2015 (arXiv:1512.00567) as in the TensorFlow graph of 2015-12-05: unlike in later versions, its average pools exclude the
padding, and its last block uses max pooling. Parameter names are those of pytorch-fid's weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wb_features.folded import ConvReLU, fold

SIZE = 299
Kernel = int | tuple[int, int]


class Conv(nn.Module):
    """Convolution, batch norm (epsilon 0.001), ReLU."""

    def __init__(self, before: int, after: int, kernel: Kernel, stride: int = 1, padding: Kernel = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """[b, before, h, w] -> [b, after, h', w']."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


def mean_pool(x: Tensor) -> Tensor:
    """3 x 3 means at stride 1, without the padding."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class InceptionA(nn.Module):
    """Mixed_5: 1x1, 5x5, double 3x3 and pooled branches."""

    def __init__(self, before: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(before, 64, 1)
        self.branch5x5_1 = Conv(before, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(before, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(before, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[b, before, h, w] -> [b, 224 + pool, h, w]."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(mean_pool(x))], 1)


class InceptionB(nn.Module):
    """Mixed_6a: halves the resolution."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(before, 384, 3, stride=2)
        self.branch3x3dbl_1 = Conv(before, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[b, before, h, w] -> [b, 480 + before, h', w']."""
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), three, F.max_pool2d(x, 3, stride=2)], 1)


class InceptionC(nn.Module):
    """Mixed_6b to 6e: 7x7 convolutions as 1x7 and 7x1."""

    def __init__(self, before: int, middle: int) -> None:
        super().__init__()
        wide, tall = (1, 7), (7, 1)
        self.branch1x1 = Conv(before, 192, 1)
        self.branch7x7_1 = Conv(before, middle, 1)
        self.branch7x7_2 = Conv(middle, middle, wide, padding=(0, 3))
        self.branch7x7_3 = Conv(middle, 192, tall, padding=(3, 0))
        self.branch7x7dbl_1 = Conv(before, middle, 1)
        self.branch7x7dbl_2 = Conv(middle, middle, tall, padding=(3, 0))
        self.branch7x7dbl_3 = Conv(middle, middle, wide, padding=(0, 3))
        self.branch7x7dbl_4 = Conv(middle, middle, tall, padding=(3, 0))
        self.branch7x7dbl_5 = Conv(middle, 192, wide, padding=(0, 3))
        self.branch_pool = Conv(before, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[b, before, h, w] -> [b, 768, h, w]."""
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(mean_pool(x))], 1)


class InceptionD(nn.Module):
    """Mixed_7a: halves the resolution."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(before, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Conv(before, 192, 1)
        self.branch7x7x3_2 = Conv(192, 192, (1, 7), padding=(0, 3))
        self.branch7x7x3_3 = Conv(192, 192, (7, 1), padding=(3, 0))
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[b, before, h, w] -> [b, 512 + before, h', w']."""
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), seven, F.max_pool2d(x, 3, stride=2)], 1)


class InceptionE(nn.Module):
    """Mixed_7b and 7c: the widest blocks; `last` uses max pooling, as in the graph of 2015."""

    def __init__(self, before: int, last: bool) -> None:
        super().__init__()
        self.last = last
        self.branch1x1 = Conv(before, 320, 1)
        self.branch3x3_1 = Conv(before, 384, 1)
        self.branch3x3_2a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = Conv(before, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = Conv(before, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[b, before, h, w] -> [b, 2048, h, w]."""
        three = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.last else mean_pool(x)
        return torch.cat(
            [
                self.branch1x1(x),
                self.branch3x3_2a(three),
                self.branch3x3_2b(three),
                self.branch3x3dbl_3a(twice),
                self.branch3x3dbl_3b(twice),
                self.branch_pool(pooled),
            ],
            1,
        )


def layers() -> list[tuple[int, dict[str, nn.Module]]]:
    """The layers in order, in four parts, each with the feature dimension of its output."""
    return [
        (
            64,
            {
                "Conv2d_1a_3x3": Conv(3, 32, 3, stride=2),
                "Conv2d_2a_3x3": Conv(32, 32, 3),
                "Conv2d_2b_3x3": Conv(32, 64, 3, padding=1),
            },
        ),
        (192, {"Conv2d_3b_1x1": Conv(64, 80, 1), "Conv2d_4a_3x3": Conv(80, 192, 3)}),
        (
            768,
            {
                "Mixed_5b": InceptionA(192, 32),
                "Mixed_5c": InceptionA(256, 64),
                "Mixed_5d": InceptionA(288, 64),
                "Mixed_6a": InceptionB(288),
                "Mixed_6b": InceptionC(768, 128),
                "Mixed_6c": InceptionC(768, 160),
                "Mixed_6d": InceptionC(768, 160),
                "Mixed_6e": InceptionC(768, 192),
            },
        ),
        (2048, {"Mixed_7a": InceptionD(768), "Mixed_7b": InceptionE(1280, last=False), "Mixed_7c": InceptionE(2048, last=True)}),
    ]


class InceptionNetwork(nn.Module):
    """uint8 images [b, 3, h, w] -> features [b, dims]; only the layers that `dims` requires."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims = dims
        self.pooled_after: list[str] = []
        self.names: list[str] = []
        for output_dims, part in layers():
            for name, layer in part.items():
                self.add_module(name, layer)
                self.names.append(name)
            if output_dims in (64, 192):
                self.pooled_after.append(self.names[-1])
            if output_dims == dims:
                break

    def fold_norms(self) -> InceptionNetwork:
        """Fold batch norms into convolutions and fuse these with their ReLU, in place: the same features up to rounding, faster."""
        for parent in list(self.modules()):
            for name, child in parent.named_children():
                if isinstance(child, Conv):
                    fold(child, "conv", "bn")
                    setattr(parent, name, ConvReLU(child.conv))
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Spatial means of the last layer, float32 for any dtype of the weights."""
        x = F.interpolate(images.float(), size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        x = x.div_(127.5).sub_(1.0).to(next(self.parameters()).dtype, memory_format=torch.channels_last)
        for name in self.names:
            x = self.get_submodule(name)(x)
            if name in self.pooled_after:
                x = F.max_pool2d(x, 3, stride=2)
        return x.mean((2, 3), dtype=torch.float32)
