"""What the benchmarks say is what was measured. Needs no peer; nothing here is timed for real."""

import ast

import pytest

from benchmarks import chart, quality_report, report, results
from benchmarks.results import Along, BenchmarkError, Measured
from benchmarks.timing import Contender, Ready, Times, measure_in_turns, prepare, ratios, spread

MACHINE = {
    "processor": "Some Processor",
    "cores": 2,
    "threads": 2,
    "flags": ["avx512f"],
    "python": "3.11",
    "versions": {"torch": "2.15"},
    "commit": "abc",
}


class Clock:
    """Time that passes only during work."""

    def __init__(self):
        self.now, self.order = 0.0, []

    def __call__(self):
        return self.now

    def work(self, name, seconds):
        def action():
            self.order.append(name)
            self.now += seconds

        return action


def measured(case="training", title="a", along=None, seconds=None, failed=None, **changes):
    seconds = seconds or {"ours: unet": (1.0, 1.0, 2.0), "diffusers: fp32": (2.0, 3.0, 3.0), "diffusers: bf16": (8.0, 8.0, 8.0)}
    return Measured(
        case=case,
        title=title,
        unit="images/s",
        work=16,
        reference="ours: unet",
        times={name: Times(rounds, 1) for name, rounds in seconds.items()},
        failed=failed or {},
        facts={"ours: unet": "6.47 M parameters"},
        along=along,
        machine=MACHINE,
        when="2026-01-02T03:04:05+00:00",
        **changes,
    )


def height(png):
    # Of a PNG's header (W3C PNG, section 11.2.1).
    return int.from_bytes(png.read_bytes()[20:24])


def test_contenders_take_turns():
    clock = Clock()
    ready = {name: Ready(clock.work(name, seconds), first=9.0) for name, seconds in (("a", 1.0), ("b", 2.0))}
    times = measure_in_turns(ready, repeats=3, least_seconds=1.0, clock=clock)
    assert clock.order == ["a", "b"] * 3
    assert times == {"a": Times((1.0, 1.0, 1.0), 1), "b": Times((2.0, 2.0, 2.0), 1)}


def test_quick_work_is_repeated_until_it_can_be_timed():
    clock = Clock()
    times = measure_in_turns({"a": Ready(clock.work("a", 0.25), first=0.5)}, repeats=2, least_seconds=2.0, clock=clock)
    assert times == {"a": Times((0.25, 0.25), 8)}
    assert len(clock.order) == 1 + 2 * 8


def test_preparing_and_warming_up_are_not_timed_and_a_failure_stops_no_other():
    clock = Clock()

    def broken(_):
        raise RuntimeError("no such\nthing")

    ready, failed = prepare([Contender("a", lambda _: clock.work("a", 5.0)), Contender("b", broken)], None, clock)
    assert (list(ready), ready["a"].first, failed) == (["a"], 5.0, {"b": "RuntimeError: no such"})


def test_a_ratio_is_taken_within_each_round():
    # The machine is twice as slow in the last round; the ratio does not know.
    assert ratios((1.0, 1.0, 2.0), (3.0, 3.0, 6.0)) == [3.0, 3.0, 3.0]
    ratio = measured().ratio("diffusers: fp32")
    assert (ratio.median, ratio.low, ratio.high) == (2.0, 1.5, 3.0)


def test_amounts_are_images_per_second_or_seconds():
    assert measured().amounts("ours: unet") == spread([16.0, 16.0, 8.0])
    seconds = Measured(**{**vars(measured()), "unit": "s", "work": 1})
    assert seconds.amounts("ours: unet") == spread([1.0, 1.0, 2.0])


def test_the_reference_is_compared_with_the_fastest_of_each_peer():
    ((_, best, ratio),) = report.headlines([measured()])
    assert (best, ratio.median) == ("diffusers: fp32", 2.0)


def test_numbers_survive_their_file(tmp_path):
    path = tmp_path / "results.json"
    written = [
        measured(),
        measured(case="growth", title="16 px", along=Along("image size, px", 16.0), failed={"x: y": "Error: z"}),
    ]
    results.write(path, written)
    assert results.read(path) == written
    assert results.read(tmp_path / "none.json") == []


@pytest.mark.parametrize("text", ['{"schema": 0, "measured": []}', "{", "[]", '{"schema": 1, "measured": [{}]}'])
def test_a_file_that_holds_no_results_is_named(tmp_path, text):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=r"results\.json: not results"):
        results.read(path)


def test_a_partial_run_replaces_what_it_measured_and_nothing_else():
    old = [measured(title="a"), measured(title="b")]
    new = measured(title="b", seconds={"ours: unet": (5.0,)})
    assert results.merge(old, [new]) == [old[0], new]


def test_the_page_is_written_between_its_marks_as_often_as_one_likes(tmp_path):
    page = tmp_path / "docs" / "performance.md"
    page.parent.mkdir()
    page.write_text(f"before\n{''.join(report.MARKS)}after\n")
    report.write([measured(failed={"torch-fidelity: x": "Error: a|b"})], page)
    once = page.read_text()
    report.write([measured(failed={"torch-fidelity: x": "Error: a|b"})], page)
    assert page.read_text() == once
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "| diffusers: fp32 | 5.33 | 5.33 to 8.00 | 2.00 (1.50 to 3.00) |  |" in once
    assert "| ours: unet | 16.0 | 8.00 to 16.0 |  | 6.47 M parameters |" in once
    assert "did not run: Error: a/b" in once
    assert "Some Processor, 2 cores, 2 threads" in once
    assert (page.parent / report.PICTURE).read_bytes().startswith(b"\x89PNG")


def test_a_page_without_its_marks_is_left_alone(tmp_path):
    page = tmp_path / "performance.md"
    page.write_text("mine\n")
    with pytest.raises(BenchmarkError, match="must each occur once"):
        report.write([measured()], page)
    assert page.read_text() == "mine\n"


def test_numbers_of_two_machines_are_distinguished():
    other = Measured(**{**vars(measured(case="sampling")), "machine": {**MACHINE, "processor": "Another"}})
    text = report.block([measured(), other])
    assert "Training: Some Processor" in text
    assert "Sampling: Another" in text


def test_growth_is_drawn_where_there_are_points_to_join(tmp_path):
    points = [measured("growth", f"{size} px", Along("image size, px", size)) for size in (16.0, 32.0)]
    chart.draw([measured()], tmp_path / "without.png")
    chart.draw([measured(), *points], tmp_path / "with.png")
    assert height(tmp_path / "with.png") > height(tmp_path / "without.png")


def test_quality_is_reported_with_its_errors(tmp_path):
    rows = [
        {
            "name": "ours",
            "steps": 1234,
            "batch": 32,
            "metrics": {"fd_x": 70.0, "kid_x": 0.07654, "kid_x_std_error": 0.0031},
        }
    ]
    results = {
        "machine": MACHINE,
        "when": "2026-01-02T03:04:05",
        "recipe": "r.toml",
        "minutes": 20.0,
        "images": 500,
        "real": 1000,
        "steps": 50,
        "rows": rows,
    }
    assert "| ours | 1,234 | 32 | 70 | 0.07654 ± 0.003 |" in quality_report.block(results)
    quality_report.write(tmp_path / "none.json", tmp_path / "page.md")
    assert "make bench-quality" in (tmp_path / "page.md").read_text()


def test_the_page_in_the_documents_can_be_renewed(repository):
    text = (repository / "docs" / "performance.md").read_text()
    assert [text.count(mark) for mark in (*report.MARKS, *report.QUALITY_MARKS)] == [1, 1, 1, 1]


def test_peers_are_imported_only_where_they_are_compared_with(repository):
    peers = {"diffusers", "denoising_diffusion_pytorch", "ema_pytorch", "pytorch_fid", "torch_fidelity", "k_diffusion"}
    allowed = ("benchmarks/", "tests/peers/", "plugins/diffusers/", "plugins/features/tests/")
    wrong = []
    for path in [*repository.glob("workbench/**/*.py"), *repository.glob("plugins/**/*.py"), *repository.glob("tests/**/*.py")]:
        place = path.relative_to(repository).as_posix()
        if not place.startswith(allowed):
            for node in ast.walk(ast.parse(path.read_text())):
                names = (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom) and node.level == 0
                    else []
                )
                wrong += [f"{place}: {name}" for name in names if name.split(".")[0] in peers]
    assert wrong == []


def packed_images(tmp_path, count, size):
    """A file as CIFAR-10's: `count` JPEGs of `size` bytes, in turn of two classes."""
    import numpy as np

    offsets = size * np.arange(count + 1)
    labels = np.arange(count) % 2
    jpeg = np.repeat(np.arange(count, dtype=np.uint8), size)
    np.savez(tmp_path / "all.npz", jpeg=jpeg, offsets=offsets, labels=labels, classes=np.array(["cat", "dog"]))
    return tmp_path / "all.npz"


def test_a_gpu_pack_holds_the_first_images_that_fit_byte_for_byte(tmp_path):
    from benchmarks.gpu import learning, pack

    source, free = packed_images(tmp_path, count=100, size=1000), 60_000
    count = pack.pack_images(source, tmp_path / "pack.npz", free, least=10)
    assert 35 <= count < 60
    assert (tmp_path / "pack.npz").stat().st_size <= free
    folder = learning.unpack(tmp_path / "pack.npz", tmp_path / "images")
    files = sorted(folder.rglob("*.jpg"), key=lambda path: path.name)
    assert [path.parent.name for path in files] == ["cat", "dog"] * (count // 2) + ["cat"] * (count % 2)
    assert [path.read_bytes() for path in files] == [bytes([i]) * 1000 for i in range(count)]


def test_a_gpu_pack_that_holds_too_few_images_is_refused(tmp_path):
    from benchmarks.gpu import pack

    with pytest.raises(SystemExit, match="of at least 90 images"):
        pack.pack_images(packed_images(tmp_path, 100, 1000), tmp_path / "pack.npz", 60_000, least=90)


def test_the_gpu_page_shows_rates_what_failed_and_distances():
    from benchmarks.gpu.rates import Rate
    from benchmarks.gpu.report import block

    rates = [
        Rate("training", 128, "ours", 2000.0, 1900.0, 2100.0, 5.0, 0.125, 4000.0),
        Rate("compiled", 0, "the next contender", error="ended"),
    ]
    results = {
        "device": "GPU", "bf16_matrix_tflops": 764.0, "when": "2026-11-29", "tests": "11 passed",
        "machine": {"processor": "P", "cores": 2, "threads": 2, "flags": [], "python": "3.12", "versions": {}, "commit": None},
        "rates": [vars(rate) for rate in rates],
        "learning": [{"step": 1000, "minutes": 1.5, "fd_x": 61.234, "kid_x": 0.01234, "kid_x_std_error": 0.001}],
    }  # fmt: skip
    text = block(results)
    assert "| training, ours | 128 | 2,000 (1,900 to 2,100) | 12.5 % | 4,000 MiB | 5.0 s |" in text
    assert "compiled, the next contender: ended" in text
    assert "| 1.5 | 1,000 | 61.23 | 0.01234 |" in text
