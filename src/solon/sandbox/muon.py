"""Muon: momentum whose steps are made orthogonal, for matrices."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024), in float32.

    `torch.optim.Muon` computes in bfloat16: on a CPU that has none 25 times slower, a third of the build.
    """

    def __init__(self, parameters: Iterable[Tensor], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take a step; matrices without a gradient stay."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if (gradient := matrix.grad) is not None:
                    self._step(matrix, gradient, **{key: group[key] for key in self.defaults})

    def _step(self, matrix: Tensor, gradient: Tensor, *, lr: float, momentum: float, weight_decay: float) -> None:
        mean: Tensor = self.state[matrix].setdefault("momentum_buffer", torch.zeros_like(matrix))
        mean.lerp_(gradient, 1 - momentum)
        rows, columns = matrix.shape
        matrix.mul_(1 - lr * weight_decay)
        matrix.add_(orthogonal(gradient.lerp(mean, momentum)), alpha=-lr * max(1, rows / columns) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """A matrix (rows, columns) with the same singular vectors and singular values of about 1, by Newton and Schulz."""
    if matrix.size(0) > matrix.size(1):
        return orthogonal(matrix.T).T
    a, b, c = COEFFICIENTS
    near: Tensor = matrix / matrix.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = near @ near.T
        near = torch.addmm(near, torch.addmm(gram, gram, gram, beta=b, alpha=c), near, beta=a)
    return near
