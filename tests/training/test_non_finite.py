"""What is not finite is found, and spoils nothing."""

import math

import torch

from workbench.training.non_finite import NonFiniteStep, NonFiniteWatch


def test_a_spoilt_step_is_not_taken_even_where_the_host_asks_later():
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([parameter], lr=0.1, fused=True)
    watch = NonFiniteWatch(optimizer, torch.device("cpu"))
    losses = [torch.tensor([1.0, 2.0]), torch.tensor([1.0, math.inf]), torch.tensor([1.0, 2.0])]
    weights = []
    for step, each in enumerate(losses):
        parameter.grad = torch.full((3,), float(each.sum()))
        watch.see(step, each, parameter.grad.norm())
        optimizer.step()
        weights.append(parameter.detach().clone())
    assert not torch.equal(weights[0], torch.ones(3))
    assert torch.equal(weights[0], weights[2])
    assert watch.trouble() == NonFiniteStep(step=1, example=1)


def test_an_infinite_gradient_of_a_finite_loss_is_trouble_too():
    parameter = torch.nn.Parameter(torch.ones(3))
    watch = NonFiniteWatch(torch.optim.AdamW([parameter], fused=True), torch.device("cpu"))
    watch.see(4, torch.ones(2), torch.tensor(1.0))
    assert watch.trouble() is None
    watch.see(5, torch.ones(2), torch.tensor(math.nan))
    assert watch.trouble() == NonFiniteStep(step=5, example=None)
