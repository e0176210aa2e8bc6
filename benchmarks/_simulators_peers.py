"""Hand-written simulations of the 8-parameter model: what hhfit's simulators are measured against."""

import ctypes
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np

from hhfit.simulators import _cells, _nmodl

CORE = str(Path(__file__).parent / "_simulators_core.py")
"""Script that runs CoreNEURON."""

C_LOOP = """
#include <math.h>
static double trap(double x, double y) { double z = x / y; return fabs(z) < 1e-6 ? y * (1 - z / 2) : x / (exp(z) - 1); }
void simulate(const double *q, const double *command, long n, double dt, double *out) {
    double na = q[0], kd = q[1], leak = q[2], gm = q[3], tau_max = q[4], vt = q[5], el = q[6];
    double v = -70, m, h, n4, p, a, b;
    a = .32 * trap(-(v - vt - 13), 4); b = .28 * trap(v - vt - 40, 5); m = a / (a + b);
    a = .128 * exp(-(v - vt - 17) / 18); b = 4 / (1 + exp(-(v - vt - 40) / 5)); h = a / (a + b);
    a = .032 * trap(-(v - vt - 15), 5); b = .5 * exp(-(v - vt - 10) / 40); n4 = a / (a + b);
    p = 1 / (1 + exp(-(v + 35) / 10));
    out[0] = v;
    for (long i = 1; i < n; i++) {
        double gna = na * m * m * m * h, gk = kd * n4 * n4 * n4 * n4, gp = gm * p, g = gna + gk + gp + leak;
        double vinf = (gna * 53 + (gk + gp) * -107 + leak * el + command[i - 1]) / g;
        v = vinf + (v - vinf) * exp(-dt * g);
        a = .32 * trap(-(v - vt - 13), 4); b = .28 * trap(v - vt - 40, 5);
        m = a / (a + b) + (m - a / (a + b)) * exp(-dt * (a + b));
        a = .128 * exp(-(v - vt - 17) / 18); b = 4 / (1 + exp(-(v - vt - 40) / 5));
        h = a / (a + b) + (h - a / (a + b)) * exp(-dt * (a + b));
        a = .032 * trap(-(v - vt - 15), 5); b = .5 * exp(-(v - vt - 10) / 40);
        n4 = a / (a + b) + (n4 - a / (a + b)) * exp(-dt * (a + b));
        a = 1 / (1 + exp(-(v + 35) / 10));
        b = tau_max / (3.3 * exp((v + 35) / 20) + exp(-(v + 35) / 20));
        p = a + (p - a) * exp(-dt / b);
        out[i] = v;
    }
}
"""


def c_loop(protocol, area):
    """A plain scalar C loop, gcc -O2, library exp: a function of one parameter set."""
    folder = Path(tempfile.mkdtemp())
    (folder / "loop.c").write_text(C_LOOP)
    command = ["gcc", "-O2", "-shared", "-fPIC", "-o", str(folder / "loop.so"), str(folder / "loop.c"), "-lm"]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(folder / "loop.so"))
    density = np.ascontiguousarray(protocol.command[0] * 100.0 / area)
    pointer = ctypes.POINTER(ctypes.c_double)

    def run(theta):
        out = np.empty((len(theta), protocol.n_times))
        for row, trace in zip(np.ascontiguousarray(theta), out, strict=True):
            library.simulate(
                row.ctypes.data_as(pointer),
                density.ctypes.data_as(pointer),
                ctypes.c_long(protocol.n_times),
                ctypes.c_double(protocol.dt),
                trace.ctypes.data_as(pointer),
            )
        return out

    return run


def neuron_cells(simulator):
    """NEURON by hand over the same mechanism: a function of parameter sets, all in one run."""
    h = _cells.interpreter(simulator)
    model, protocol = simulator.model, simulator.protocol
    suffix = _nmodl.suffix(model)
    area = model.quantities["area"].value
    steps = protocol.n_times - 1

    def run(theta, variable_step=False):
        sections, records, played = [], [], []
        for row in theta:
            section = h.Section()
            section.L = section.diam = float(np.sqrt(area / np.pi))
            section.insert(suffix)
            mechanism = getattr(section(0.5), suffix)
            values = {name: float(v[0]) for name, v in model.values(row[None]).items()}
            for name in _nmodl.used(model):
                setattr(mechanism, f"q_{name}", values[name])
            density = h.Vector(protocol.command[0] * 100.0 / area)
            density.play(mechanism._ref_command, protocol.dt)
            sections.append(section)
            played.append(density)
            records.append(h.Vector().record(section(0.5)._ref_v))
        times = h.Vector().record(h._ref_t)
        h.dt, h.secondorder, h.celsius = protocol.dt, 2, 6.3
        solver = h.CVode()
        solver.active(int(variable_step))
        if variable_step:
            solver.atol(1e-7)
        h.finitialize(-70.0)
        if variable_step:
            solver.solve(steps * protocol.dt)
            solver.active(0)
        else:
            parallel = h.ParallelContext()
            parallel.set_maxstep(10)
            parallel.psolve((steps + 0.25) * protocol.dt)
        return np.array(times), [np.array(record) for record in records]

    return run


def brian2_group(protocol, n, area):
    """A hand-written NeuronGroup with a monitor, run again and again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import brian2 as b

        b.prefs.codegen.target = "cython"
        stimulus = b.TimedArray(protocol.command[0] * 100.0 / area, dt=protocol.dt * b.ms)
        text = """
        dv/dt = (gna*m**3*h*(53-v) + gk*n4**4*(-107-v) + gm*p*(-107-v) + gl*(el-v) + stimulus(t))/ms : 1
        dm/dt = (0.32*4/exprel(-(v-vt-13)/4)*(1-m) - 0.28*5/exprel((v-vt-40)/5)*m)/ms : 1
        dh/dt = (0.128*exp(-(v-vt-17)/18)*(1-h) - 4/(1+exp(-(v-vt-40)/5))*h)/ms : 1
        dn4/dt = (0.032*5/exprel(-(v-vt-15)/5)*(1-n4) - 0.5*exp(-(v-vt-10)/40)*n4)/ms : 1
        dp/dt = (1/(1+exp(-(v+35)/10)) - p)/(taumax/(3.3*exp((v+35)/20)+exp(-(v+35)/20)))/ms : 1
        gna : 1 (constant)
        gk : 1 (constant)
        gl : 1 (constant)
        gm : 1 (constant)
        taumax : 1 (constant)
        vt : 1 (constant)
        el : 1 (constant)
        """
        group = b.NeuronGroup(n, text, method="rk4", dt=protocol.dt * b.ms, name="by_hand")
        monitor = b.StateMonitor(group, "v", record=True)
        network = b.Network(group, monitor)
        network.store()

    def run(theta):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            network.restore()
            for name, column in zip(("gna", "gk", "gl", "gm", "taumax", "vt", "el"), theta.T, strict=True):
                setattr(group, name, column)
            group.v = -70
            network.run(protocol.duration * b.ms, namespace={"stimulus": stimulus})
            return np.array(monitor.v)

    return run


def jaxley_cells(protocol, area):
    """Jaxley's own channels of this model in one compartment, double precision, mapped over parameter sets.

    Its M current begins elsewhere (it takes steady state and time constant for rates), so its spikes are not compared.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    import jaxley
    from jaxley.channels import pospischil

    cell = jaxley.Compartment()
    cell.set("length", float(np.sqrt(area / np.pi)))
    cell.set("radius", float(np.sqrt(area / np.pi)) / 2)
    for channel in (pospischil.Na(), pospischil.K(), pospischil.Leak(), pospischil.Km()):
        cell.insert(channel)
    for name, value in {"v": -70.0, "eNa": 53.0, "eK": -107.0, "capacitance": 1.0}.items():
        cell.set(name, value)
    cell.init_states()
    cell.stimulate(jax.numpy.asarray(protocol.command[0] * 1e-3), verbose=False)
    cell.record("v", verbose=False)
    names = ("Na_gNa", "K_gK", "Leak_gLeak", "Km_gKm", "Km_taumax", "vt", "Leak_eLeak")
    siemens = np.array([1e-3, 1e-3, 1e-3, 1e-3, 1.0, 1.0, 1.0])

    def simulate(theta):
        state = None
        for name, value in zip(names, theta, strict=True):
            state = cell.data_set(name, value, state)
        return jaxley.integrate(cell, param_state=state, delta_t=protocol.dt)[0, : protocol.n_times]

    run = jax.jit(jax.vmap(simulate))
    return lambda theta: np.asarray(run(theta * siemens))
