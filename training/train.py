"""Train the embedded detector from scratch, on a CPU, for as many minutes as given.

Writes weights.npz (for export.py), ema.pt (for --init) and train.json into the output folder.
"""

import argparse
import json
import math
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from common import CLASSES
from loss import Truth, detection_loss
from network import Detector, grid_points
from photos import Photos, Pixels, load_images, load_labels, recolour
from torch import nn

Schedule = list[tuple[float, int]]


class Batches:
    """Draws the next batch while the present one trains: OpenCV releases the interpreter lock."""

    def __init__(self, photos: Photos, count: int) -> None:
        self.photos = photos
        self.count = count
        self.pool = ThreadPoolExecutor(1)
        self.next: Future[tuple[Pixels, Truth]] | None = None

    def take(self, size: int, mosaics: float) -> tuple[Pixels, Truth]:
        """Return pictures and objects, drawn for the arguments of the call before this one."""
        present = self.next or self.pool.submit(self.photos.batch, self.count, size, mosaics)
        self.next = self.pool.submit(self.photos.batch, self.count, size, mosaics)
        return present.result()


class Trainer:
    """The network, its running average (the one that is kept) and the optimizer."""

    def __init__(self, rate: float, decay: float, initial: str | None) -> None:
        self.network = Detector().to(memory_format=torch.channels_last)
        self.average = Detector().to(memory_format=torch.channels_last)
        if initial:
            self.network.load_state_dict(torch.load(initial))
        self.average.load_state_dict(self.network.state_dict())
        kernels = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": kernels, "weight_decay": decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=rate,
            betas=(0.9, 0.99),
        )
        self.steps = 0
        self.losses: list[tuple[float, float]] = []

    def step(self, pictures: Pixels, truth: Truth, rate: float) -> float:
        """Learn from pictures [B, H, W, 3] and their objects; return the gradient's norm."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        x = (recolour(torch.from_numpy(pictures).permute(0, 3, 1, 2).float()) - 127.5) / 64.0
        x = x.contiguous(memory_format=torch.channels_last)
        self.network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, distances = self.network(x)
        points = grid_points(pictures.shape[1])
        class_loss, box_loss = detection_loss(logits, distances, points, truth)
        self.optimizer.zero_grad(set_to_none=True)
        (class_loss + 2.5 * box_loss).backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        self.follow()
        self.steps += 1
        self.losses.append((class_loss.item(), box_loss.item()))
        return norm.item()

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the network, faster in the first steps."""
        share = 1 - min(0.999, (1 + self.steps) / (20 + self.steps))
        state = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(state[name], share)
            else:
                value.copy_(state[name])

    def save(self, folder: str) -> None:
        """Write ema.pt and weights.npz."""
        torch.save(self.average.state_dict(), os.path.join(folder, "ema.pt"))
        np.savez(os.path.join(folder, "weights.npz"), **self.average.folded())


def learning_rate(highest: float, step: int, progress: float) -> float:
    """Warm up over 300 steps, then fall along a cosine to a hundredth."""
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return highest * min(1, (step + 1) / 300) * (cosine * 0.99 + 0.01)


def train(trainer: Trainer, photos: Photos, options: argparse.Namespace) -> None:
    """Train until the time is up, saving now and then."""
    batches = Batches(photos, options.batch)
    start = reported = time.monotonic()
    while (progress := (time.monotonic() - start) / (options.minutes * 60)) < 1:
        size = [pixels for since, pixels in options.sizes if progress >= since][-1]
        rate = learning_rate(options.lr, trainer.steps, progress)
        pictures, truth = batches.take(size, mosaics=0.5 if progress < 0.85 else 0.0)
        norm = trainer.step(pictures, truth, rate)
        if trainer.steps % 50 == 0:
            class_loss, box_loss = np.mean(trainer.losses[-50:], 0)
            now = time.monotonic()
            print(
                f"it {trainer.steps} t {(now - start) / 60:.1f}m size {pictures.shape[1]} "
                f"lr {rate:.5f} cls {class_loss:.3f} box {box_loss:.3f} gn {norm:.1f} "
                f"img/s {50 * options.batch / (now - reported):.0f}",
                flush=True,
            )
            reported = now
        if trainer.steps % 500 == 0:
            trainer.save(options.out)


def sizes(text: str) -> Schedule:
    """Parse "0:160,0.5:224": from that share of the time on, that many pixels."""
    pairs = (entry.split(":") for entry in text.split(","))
    return [(float(since), int(pixels)) for since, pixels in pairs]


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--list", required=True, help="text file with the path of a photo on each line")
    add(
        "--labels",
        required=True,
        help="folder with N.txt for the photo on line N of the list, counted from 0; its rows are "
        "class x y width height weight: the class's index, the box's centre and size in 0..1 of "
        "the photo, and 1, or 0 where unsure",
    )
    add("--cache", help="file to keep the decoded photos in, for further runs")
    add("--out", required=True, help="folder to write to")
    add("--minutes", type=float, default=50, help="how long to train (default: %(default)s)")
    add(
        "--sizes",
        type=sizes,
        default="0:160,0.45:192,0.75:224",
        help="input size over time, as share of the time:pixels (default: %(default)s)",
    )
    add("--batch", type=int, default=32, help="photos in a step (default: %(default)s)")
    add("--lr", type=float, default=2e-3, help="highest learning rate (default: %(default)s)")
    add("--wd", type=float, default=0.03, help="weight decay (default: %(default)s)")
    add("--seed", type=int, default=0, help="of every random choice (default: %(default)s)")
    add("--init", help="ema.pt of an earlier run to start from")
    add("--threads", type=int, default=1, help="CPU cores to use (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Load the photos, train, and write what came of it."""
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    os.makedirs(options.out, exist_ok=True)
    with open(options.list, encoding="utf-8") as file:
        paths = [line.strip() for line in file if line.strip()]
    labels = load_labels(options.labels, len(paths))
    photos = Photos(load_images(paths, options.cache), labels, options.seed)
    per_class = dict(zip(CLASSES, photos.per_class, strict=True))
    print("photos", len(paths), "photos per class", per_class, flush=True)
    trainer = Trainer(options.lr, options.wd, options.init)
    print("params", sum(p.numel() for p in trainer.network.parameters()) / 1e6, "M")
    train(trainer, photos, options)
    trainer.save(options.out)
    report = {
        "iterations": trainer.steps,
        "photos_seen": trainer.steps * options.batch,
        "minutes": options.minutes,
        "photos": len(paths),
        "loss": np.mean(trainer.losses[-200:], 0).tolist(),
        "args": vars(options),
        "classes": list(CLASSES),
    }
    with open(os.path.join(options.out, "train.json"), "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    print("done", trainer.steps, trainer.steps * options.batch)


if __name__ == "__main__":
    main()
