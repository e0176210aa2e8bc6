"""Every figure is drawn, whatever the fit looks like, and nobody's settings are touched."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest

from hhfit import plots
from hhfit.plots._posterior import _levels
from hhfit.plots._traces import _thin, shown_rows
from hhfit.result import Predictive
from hhfit.simulations import Simulations
from hhfit.traces import Status

FIGURES = ("traces", "spike_counts", "first_spikes", "marginals", "pairs", "feature_errors", "calibration")


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_written_as_png_and_pdf(fit, tmp_path, name):
    plots.save(getattr(plots, name)(fit), tmp_path / name)
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_figures_leave_the_readers_settings_alone(fit):
    before = dict(mpl.rcParams)
    plots.png(plots.sweep(fit, 0))
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in vars(plots)


def test_recorded_trace_is_black_and_the_most_probable_draw_blue(fit):
    voltage = plots.sweep(fit, 0).axes[0]
    colours = {line.get_label(): line.get_color() for line in voltage.get_lines()}
    assert colours["recorded"] == "#000000"
    assert colours["most probable draw"] == "#0072B2"


def test_first_shown_draw_is_the_most_probable_that_did_not_fail(fit):
    density = fit.posterior.log_prob(fit.predictive.simulations.theta)
    best = int(np.argmax(density))
    assert shown_rows(fit)[0] == best
    old = fit.predictive
    status = old.simulations.status.copy()
    status[best] = Status.NOT_FINITE
    changed = Simulations(old.simulations.theta, old.simulations.x, status, old.simulations.index)
    failed = replace(fit, predictive=Predictive(changed, old.response, old.spikes, old.spikes_recorded))
    assert best not in shown_rows(failed)


def test_first_spike_is_shown_where_the_draws_fire_too(fit):
    old, shown = fit.predictive, shown_rows(fit)
    recorded, spikes = np.array([0.0, 1.0, 3.0, 4.0]), np.tile([0.0, 0.0, 4.0, 4.0], (len(old.spikes), 1))
    alike = replace(fit, predictive=replace(old, spikes=spikes, spikes_recorded=recorded))
    assert plots.first_spikes(alike).axes[0].get_title(loc="left") == f"first spike of sweep {fit.recording.sweeps[2]}"
    silent = replace(fit, predictive=replace(old, spikes=0 * spikes, spikes_recorded=recorded))
    axes = plots.first_spikes(silent).axes[0]
    assert axes.get_title(loc="left") == f"first spike of sweep {fit.recording.sweeps[1]}"
    assert [text.get_text() for text in axes.texts] == ["no spike predicted\nin this sweep"]
    spikes[shown, 1] = 1.0
    both = replace(fit, predictive=replace(old, spikes=spikes, spikes_recorded=recorded))
    assert plots.first_spikes(both).axes[0].get_title(loc="left") == f"first spike of sweep {fit.recording.sweeps[1]}"


def test_thinning_keeps_every_peak():
    time = np.arange(50_000) * 0.02
    values = np.zeros(50_000)
    values[[1234, 40_001]] = [50.0, -30.0]
    short, kept = _thin(time, values)
    assert len(short) < 4000
    assert kept.max() == 50.0
    assert kept.min() == -30.0
    assert (np.diff(short) >= 0).all()


def test_contours_hold_their_mass():
    density = np.exp(-0.5 * (np.linspace(-4, 4, 200)[:, None] ** 2 + np.linspace(-4, 4, 200) ** 2))
    outer, inner = _levels(density)
    assert density[density >= outer].sum() / density.sum() == pytest.approx(0.95, abs=0.005)
    assert density[density >= inner].sum() / density.sum() == pytest.approx(0.68, abs=0.005)
