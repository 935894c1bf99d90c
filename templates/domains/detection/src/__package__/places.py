"""The places of three grids over an image: the boxes that they give, and are to give."""

import math

import torch
from torch import Tensor
from torchvision.ops import box_convert, box_iou

TOP = 10  # places that learn a box


def places(count: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Give the middles (A, 2) and the widths (A, 1) of cells: of grids of 4n, 2n and n a side."""
    n = math.isqrt(count // 21)  # 16 + 4 + 1
    middles, widths = [], []
    for side in (4 * n, 2 * n, n):
        ticks = (torch.arange(side).to(like) + 0.5) / side
        middles.append(torch.cartesian_prod(ticks, ticks).flip(1))
        widths.append(torch.full((side * side, 1), 1 / side).to(like))
    return torch.cat(middles), torch.cat(widths)


def boxes_at(offsets: Tensor) -> Tensor:
    """Turn offsets (B, 4, A) into boxes (B, A, 4), from 0 to 1, as YOLOX does (Ge et al., 2021)."""
    middles, widths = places(offsets.shape[2], offsets)
    moved, grown = offsets.transpose(1, 2).split(2, dim=2)
    sides = 3 * widths * grown.clamp(-5, 5).exp()
    return box_convert(torch.cat([middles + widths * moved, sides], dim=2), "cxcywh", "xyxy")


def assign(boxes: Tensor, chances: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Tell which place learns which box: those in it that are best at it (TOOD, Feng et al., 2021).

    Of boxes (B, A, 4), chances (B, A, C) and targets (B, M, 5): goals (B, A, C), boxes (B, A, 4).
    """
    true, kinds = targets[..., 1:], targets[..., 0].long()
    middles, widths = places(boxes.shape[1], boxes)
    ends = (true[:, :, None, :2], true[:, :, None, 2:])  # (B, M, 1, 2)
    reach = ((ends[1] - ends[0]) / 2).maximum(widths[0] / 2)  # a box has a place at least
    inside = ((middles - (ends[0] + ends[1]) / 2).abs() <= reach).all(dim=3)
    inside &= kinds[..., None] >= 0
    overlap = torch.vmap(box_iou)(true, boxes).clamp(min=1e-4)  # (B, M, A)
    chance = chances.transpose(1, 2).take_along_dim(kinds.clamp(min=0)[..., None], dim=1)
    fit = chance.sqrt() * overlap**6 * inside
    least = fit.topk(min(TOP, fit.shape[2]), dim=2).values[..., -1:]
    held = overlap * (fit >= least) * (fit > 0)
    owner = held.argmax(dim=1, keepdim=True)  # (B, 1, A)
    own = torch.zeros_like(held).scatter(1, owner, 1) * held
    fit = fit * (own > 0)
    # The best place of a box is to be as sure as its box is right
    goal = fit / fit.amax(dim=2, keepdim=True).clamp(min=1e-30) * own.amax(dim=2, keepdim=True)
    goal, owner = goal.take_along_dim(owner, dim=1)[:, 0], owner[:, 0]  # (B, A)
    of_kind = kinds.clamp(min=0).take_along_dim(owner, dim=1)
    goals = torch.zeros_like(chances).scatter(2, of_kind[..., None], goal[..., None])
    return goals, true.take_along_dim(owner[..., None], dim=1)
