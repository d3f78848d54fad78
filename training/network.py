"""The network of the embedded detector, in PyTorch."""

import math

import numpy as np
import torch
from common import CLASSES, STRIDES
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Module):
    """A convolution, batch normalisation and ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        return functional.relu(self.norm(self.conv(x)), inplace=True)


class Stage(nn.Module):
    """Cross-stage block: half the channels go through pairs of 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, pairs: int, residual: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.a = Convolution(inputs, half, 1)
        self.b = Convolution(inputs, half, 1)
        self.m = nn.ModuleList(
            nn.ModuleList([Convolution(half, half), Convolution(half, half)]) for _ in range(pairs)
        )
        self.residual = residual
        self.out = Convolution(half * (2 + pairs), outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H, W]."""
        y = self.b(x)
        parts = [self.a(x), y]
        for first, second in self.m:
            z = second(first(y))
            y = y + z if self.residual else z
            parts.append(y)
        return self.out(torch.cat(parts, 1))


class Detector(nn.Module):
    """Backbone, feature pyramid (up, then down again) and two heads per pyramid level.

    The attribute names are the keys of weights.npz, so export.py knows them too. The digit is the
    level, with a stride of 2 ** digit pixels: d and p halve the map, s is a stage of the backbone,
    u of the pyramid's way up, q of its way down. hc and pc are the hidden and the last layer of
    the class head, hr and pr those of the box head; ctx adds the mean over the photo.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, 16, stride=2)
        self.d2, self.s2 = Convolution(16, 32, stride=2), Stage(32, 32, 1)
        self.d3, self.s3 = Convolution(32, 64, stride=2), Stage(64, 64, 2)
        self.d4, self.s4 = Convolution(64, 128, stride=2), Stage(128, 128, 2)
        self.d5, self.s5 = Convolution(128, 192, stride=2), Stage(192, 192, 1)
        self.ctx = Convolution(192 * 2, 192, 1)
        self.u4 = Stage(192 + 128, 96, 1, residual=False)
        self.u3 = Stage(96 + 64, 64, 1, residual=False)
        self.p4 = Convolution(64, 64, stride=2)
        self.q4 = Stage(64 + 96, 96, 1, residual=False)
        self.p5 = Convolution(96, 96, stride=2)
        self.q5 = Stage(96 + 192, 128, 1, residual=False)
        self.hc = nn.ModuleList(Convolution(inputs, 64) for inputs in (64, 96, 128))
        self.hr = nn.ModuleList(Convolution(inputs, 64) for inputs in (64, 96, 128))
        # biases to begin with: every class at a score of 0.01, boxes of about three strides
        self.pc = predictions(len(CLASSES), bias=-math.log(99.0))
        self.pr = predictions(4, bias=1.5)
        for layer in (*self.pc, *self.pr):
            nn.init.normal_(layer.weight, std=0.01)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Detect in photos [B, 3, H, W]; the A grid points come in the order of `grid_points`.

        Returns the class logits [B, A, C] and the distances [B, A, 4] in pixels from each point
        to the left, top, right and bottom of its box.
        """
        logits, distances = [], []
        for level, (features, stride) in enumerate(zip(self.pyramid(x), STRIDES, strict=True)):
            logit = self.pc[level](self.hc[level](features))
            distance = self.pr[level](self.hr[level](features))
            distance = functional.softplus(distance.float()) * stride
            logits.append(logit.flatten(2).transpose(1, 2))
            distances.append(distance.flatten(2).transpose(1, 2))
        return torch.cat(logits, 1).float(), torch.cat(distances, 1)

    def pyramid(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the feature maps [B, channels, H / stride, W / stride], one for each stride."""
        c3 = self.s3(self.d3(self.s2(self.d2(self.stem(x)))))
        c4 = self.s4(self.d4(c3))
        c5 = self.s5(self.d5(c4))
        c5 = self.ctx(torch.cat([c5, c5.mean((2, 3), keepdim=True).expand_as(c5)], 1))
        u4 = self.u4(torch.cat([functional.interpolate(c5, size=c4.shape[2:]), c4], 1))
        u3 = self.u3(torch.cat([functional.interpolate(u4, size=c3.shape[2:]), c3], 1))
        q4 = self.q4(torch.cat([self.p4(u3), u4], 1))
        q5 = self.q5(torch.cat([self.p5(q4), c5], 1))
        return u3, q4, q5

    def folded(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights, batch normalisation folded in, kernels as [H, W, inputs, outputs]."""
        weights = {}
        for name, module in self.named_modules():
            if isinstance(module, Convolution):
                norm = module.norm
                scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
                kernel = module.conv.weight * scale[:, None, None, None]
                bias = norm.bias - norm.running_mean * scale
            elif name.startswith(("pc.", "pr.")):
                kernel, bias = module.weight, module.bias
            else:
                continue
            weights[f"{name}/w"] = kernel.detach().permute(2, 3, 1, 0).numpy()
            weights[f"{name}/b"] = bias.detach().numpy()
        return weights


def predictions(outputs: int, bias: float) -> nn.ModuleList:
    """Make the last layer of a head for each pyramid level."""
    layers = nn.ModuleList(nn.Conv2d(64, outputs, 1) for _ in STRIDES)
    for layer in layers:
        nn.init.constant_(layer.bias, bias)
    return layers


def grid_points(size: int) -> Tensor:
    """Return the points [A, 2] (x, y in pixels) at which a photo of `size` pixels is judged."""
    points = []
    for stride in STRIDES:
        line = (torch.arange(size // stride) + 0.5) * stride
        y, x = torch.meshgrid(line, line, indexing="ij")
        points.append(torch.stack([x.flatten(), y.flatten()], 1))
    return torch.cat(points)
