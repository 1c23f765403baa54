import pytest
import torch

from solon.sandbox.muon import Muon, orthogonal

SHAPES = [(8, 8), (12, 5), (5, 12)]


@pytest.mark.parametrize("shape", SHAPES)
def test_it_steps_as_torchs_own_does_but_for_its_rounding(shape):
    draw = torch.Generator().manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(shape, generator=draw))
    theirs = torch.nn.Parameter(ours.detach().clone())
    one = Muon([ours], lr=0.1, weight_decay=0.1)
    other = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.1, adjust_lr_fn="original")
    for _ in range(5):
        before = theirs.detach().clone()
        ours.grad = torch.randn(shape, generator=draw)
        theirs.grad = ours.grad.clone()
        one.step()
        other.step()
        assert torch.dist(ours, theirs) < 0.05 * torch.dist(before, theirs)
        with torch.no_grad():
            ours.copy_(theirs)


@pytest.mark.parametrize("shape", SHAPES)
def test_what_it_makes_orthogonal_has_singular_values_of_about_one(shape):
    made = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(1))))
    assert made.min() > 0.4
    assert made.max() < 1.4


def test_a_matrix_without_a_gradient_stays():
    matrix = torch.nn.Parameter(torch.ones(2, 2))
    Muon([matrix], lr=1.0, weight_decay=0.5).step()
    assert torch.equal(matrix, torch.ones(2, 2))
