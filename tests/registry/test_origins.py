"""What a component was, and whether it still is."""

from workbench.registry import component_origins, describe_changes
from workbench.registry.content import content_hash


def test_an_origin_names_distribution_version_and_hash():
    origins = component_origins([("samplers", "ddim"), ("schedules", "cosine"), ("samplers", "ddim")])
    assert [(origin.kind, origin.use, origin.distribution, origin.version) for origin in origins] == [
        ("samplers", "ddim", "diffusion-workbench-samplers", "0.1.0"),
        ("schedules", "cosine", "diffusion-workbench-schedules", "0.1.0"),
    ]
    assert [origin.sha256 for origin in origins] == [content_hash(origin.distribution) for origin in origins]
    assert all(len(origin.sha256) == 64 for origin in origins)


def test_the_same_code_differs_in_nothing():
    assert describe_changes([origin.to_dict() for origin in component_origins([("samplers", "ddim")])]) == []


def test_other_code_is_one_line_that_names_both(site):
    site.install(code="x = 1", version="1.2")
    (then,) = component_origins([("samplers", "mine")])
    site.install(code="x = 2", version="1.2")
    (now,) = component_origins([("samplers", "mine")])
    (line,) = describe_changes([then.to_dict()])
    assert line == (
        f"sampler 'mine' is not the code the run was made with: acme 1.2 (sha256 {now.sha256[:12]}), "
        f"then acme 1.2 (sha256 {then.sha256[:12]})"
    )


def test_rows_that_cannot_be_compared_are_left_out():
    row = {"kind": "samplers", "use": "no_such_sampler", "distribution": "x", "version": "1", "sha256": "0" * 64}
    assert describe_changes([row, {**row, "kind": "cakes"}, {**row, "use": "ddim", "sha256": ""}, "damaged"]) == []
