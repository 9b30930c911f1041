"""Losses and gradients that are not finite are detected and do not change the weights."""

import math

import torch

from workbench.training.divergence import NonFiniteStep, NonFiniteWatch


def test_a_step_that_is_not_finite_is_skipped_even_if_it_is_checked_later():
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([parameter], lr=0.1, fused=True)
    watch = NonFiniteWatch(optimizer, torch.device("cpu"))
    losses = [torch.tensor([1.0, 2.0]), torch.tensor([1.0, math.inf]), torch.tensor([1.0, 2.0])]
    weights = []
    for step, loss in enumerate(losses):
        parameter.grad = torch.full((3,), float(loss.sum()))
        watch.add(step, torch.tensor([0.25, 0.75]), loss, parameter.grad.norm())
        optimizer.step()
        weights.append(parameter.detach().clone())
    assert not torch.equal(weights[0], torch.ones(3))
    assert torch.equal(weights[0], weights[2])
    assert watch.first() == NonFiniteStep(step=1, time=0.75)


def test_a_gradient_that_is_not_finite_is_detected_with_a_finite_loss():
    parameter = torch.nn.Parameter(torch.ones(3))
    watch = NonFiniteWatch(torch.optim.AdamW([parameter], fused=True), torch.device("cpu"))
    times = torch.tensor([0.5, 0.25])
    watch.add(4, times, torch.ones(2), torch.tensor(1.0))
    assert watch.first() is None
    watch.add(5, times, torch.ones(2), torch.tensor(math.nan))
    assert watch.first() == NonFiniteStep(step=5, time=0.25)
