"""The network of functions/training/image in PyTorch: the same layers, recipe and arithmetic, on the CPU. Prints a line of JSON.

python pictures.py <folder of IDX files> <epochs> <seed>
"""

import gzip
import json
import sys
import time

import numpy as np
import torch
from torch import nn

folder, epochs, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.manual_seed(seed)
torch.set_num_threads(torch.get_num_threads())


def idx(name, head):
    with gzip.open(f"{folder}/{name}.gz") as file:
        return np.frombuffer(file.read(), np.uint8)[head:]


def split(name):
    labels = torch.tensor(idx(f"{name}-labels-idx1-ubyte", 8).astype(np.int64))
    pixels = torch.tensor(idx(f"{name}-images-idx3-ubyte", 16).astype(np.float32) / 255)
    return pixels.reshape(-1, 1, 28, 28), labels


pictures, labels = split("train")
test, truth = split("t10k")
# As many as the other trains on: a twelfth is held out.
pictures, labels = pictures[5000:], labels[5000:]
mean, deviation = pictures.mean(), pictures.std()
blank = (0 - mean) / deviation
pictures, test = (pictures - mean) / deviation, (test - mean) / deviation


def block(given, to):
    return [nn.Conv2d(given, to, 3, padding=1, bias=False), nn.BatchNorm2d(to), nn.ReLU(), nn.MaxPool2d(2)]


network = nn.Sequential(
    *block(1, 16), *block(16, 32), nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, 10)
)
optimizer = torch.optim.AdamW(network.parameters(), lr=0.003, weight_decay=0.01)
steps = epochs * -(-len(pictures) // 128)
schedule = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, 0.003, total_steps=steps, pct_start=0.2, cycle_momentum=False, div_factor=1e4
)
loss_of = nn.CrossEntropyLoss(label_smoothing=0.05)
started = time.time()
for epoch in range(epochs):
    network.train()
    for batch in torch.randperm(len(pictures)).split(128):
        seen = pictures[batch]
        mirrored = torch.rand(len(batch)) < 0.5
        seen = torch.where(mirrored[:, None, None, None], seen.flip(3), seen)
        # Moved by up to a pixel, each by itself.
        padded = nn.functional.pad(seen, (1, 1, 1, 1), value=float(blank))
        windows = padded.unfold(2, 28, 1).unfold(3, 28, 1)[:, 0]
        moves = torch.randint(0, 3, (2, len(batch)))
        seen = windows[torch.arange(len(batch)), moves[0], moves[1]][:, None]
        optimizer.zero_grad()
        loss_of(network(seen), labels[batch]).backward()
        optimizer.step()
        schedule.step()
    print(f"epoch {epoch + 1} of {epochs}: {time.time() - started:.0f} s", file=sys.stderr)
seconds = (time.time() - started) / epochs
network.eval()
with torch.no_grad():
    both = network(test) + network(test.flip(3))
accuracy = (both.argmax(1) == truth).float().mean().item()
print(json.dumps({"accuracy": accuracy, "secondsAnEpoch": seconds, "torch": torch.__version__}))
