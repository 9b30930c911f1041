"""What a component was, and whether it still is."""

from workbench.registry import component_origins, describe_changes
from workbench.registry.content import content_hash


def test_an_origin_names_distribution_version_and_hash():
    once = component_origins([("samplers", "ddim"), ("schedules", "cosine"), ("samplers", "ddim")])
    assert [(each.kind, each.use, each.distribution, each.version) for each in once] == [
        ("samplers", "ddim", "diffusion-workbench-samplers", "0.1.0"),
        ("schedules", "cosine", "diffusion-workbench-schedules", "0.1.0"),
    ]
    assert [each.sha256 for each in once] == [content_hash(each.distribution) for each in once]
    assert all(len(each.sha256) == 64 for each in once)


def test_the_same_code_differs_in_nothing():
    assert describe_changes([each.to_dict() for each in component_origins([("samplers", "ddim")])]) == []


def test_other_code_is_one_line_that_tells_both(site):
    site.install(code="x = 1", version="1.2")
    (then,) = component_origins([("samplers", "mine")])
    site.install(code="x = 2", version="1.2")
    (now,) = component_origins([("samplers", "mine")])
    (line,) = describe_changes([then.to_dict()])
    assert line == (
        f"sampler 'mine' is not the code the run was made with: stranger 1.2 (sha256 {now.sha256[:12]}), "
        f"then stranger 1.2 (sha256 {then.sha256[:12]})"
    )


def test_what_cannot_be_compared_is_left_out():
    known = {"kind": "samplers", "use": "no_such_sampler", "distribution": "x", "version": "1", "sha256": "0" * 64}
    assert describe_changes([known, {**known, "kind": "cakes"}, {**known, "use": "ddim", "sha256": ""}, "damaged"]) == []
