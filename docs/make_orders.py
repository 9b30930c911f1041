"""Writes the table of measured orders into samplers.md, between its two marks; a test fails while the two differ.

python docs/make_orders.py
"""

from __future__ import annotations

from pathlib import Path

from wb_samplers import DDIM, AncestralEuler, DPMpp2M, DPMpp2MSDE, DPMpp3M, Heun, UniPC
from wb_schedules import EDM, Cosine, Flow, Linear
from workbench.testing import QuarterCircle, flow_errors, measured_order
from workbench.testing.walking import count_nfe

PAGE = Path(__file__).with_name("samplers.md")
MARKS = "<!-- measured orders -->\n", "<!-- end of measured orders -->\n"
SOLVERS = {
    "`ddim`": DDIM(),
    "`ancestral_euler`, eta = 0": AncestralEuler(eta=0.0),
    "`heun`": Heun(),
    '`heun`, coordinate = "flow"': Heun(coordinate="flow"),
    "`dpmpp_2m`": DPMpp2M(),
    "`dpmpp_2m_sde`, eta = 0": DPMpp2MSDE(eta=0.0),
    "`dpmpp_3m`": DPMpp3M(),
    "`unipc`": UniPC(),
    "`unipc`, order = 3": UniPC(order=3),
}
SCHEDULES = {"`linear`": Linear(), "`cosine`": Cosine(), "`edm`": EDM(), "`flow`": Flow()}


def table() -> str:
    """Claimed and measured orders, and errors."""
    lines = [
        f"| solver | evaluations of N moves | claimed | {' | '.join(SCHEDULES)} | error after 128, 256, 512 moves |",
        f"|---|---|---:|{'---:|' * len(SCHEDULES)}---|",
    ]
    for name, solver in SOLVERS.items():
        orders = " | ".join(f"{measured_order(solver, schedule):.2f}" for schedule in SCHEDULES.values())
        errors = ", ".join(f"{error:.1e}" for error in flow_errors(solver, QuarterCircle()))
        cost = "2 N - 1" if count_nfe(solver, 10) == 19 else "N"
        lines.append(f"| {name} | {cost} | {solver.convergence_order()} | {orders} | {errors} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with the table renewed."""
    head, _, rest = text.partition(MARKS[0])
    _, _, tail = rest.partition(MARKS[1])
    return head + MARKS[0] + table() + MARKS[1] + tail


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
