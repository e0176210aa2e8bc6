"""Text tables: columns, units, separators, and what is refused."""

import numpy as np
import pytest

from hhfit import readers
from hhfit.errors import InputError
from hhfit.readers import Given

TIME = np.arange(400) * 0.1
CURRENT = np.where((TIME > 9.95) & (TIME < 29.95), 50.0, 0.0)
VOLTAGE = -70.0 + 5.0 * (CURRENT > 0)


def write(path, header="time_ms,voltage_mV,current_pA", columns=(TIME, VOLTAGE, CURRENT), mark=",", decimal="."):
    rows = [mark.join(f"{value:.6g}".replace(".", decimal) for value in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join(([header.replace(",", mark)] if header else []) + rows) + "\n")
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t", " "])
@pytest.mark.parametrize("suffix", ["csv", "txt", "tsv"])
def test_any_separator_gives_the_same(tmp_path, mark, suffix):
    recording = readers.read(write(tmp_path / f"cell.{suffix}", mark=mark))
    np.testing.assert_allclose(recording.response, VOLTAGE[None])
    np.testing.assert_allclose(recording.protocol.command, CURRENT[None])
    assert recording.protocol.dt == pytest.approx(0.1)
    assert recording.protocol.windows[0] == pytest.approx((10.0, 30.0))


@pytest.mark.parametrize(
    ("header", "scales"),
    [("t_s,Vm [V],I (nA)", (1e-3, 1e-3, 1e-3)), ("Time (us),v_uV,current_A", (1e3, 1e3, 1e-12))],
)
def test_units_of_the_header_are_converted(tmp_path, header, scales):
    columns = [values * scale for values, scale in zip((TIME, VOLTAGE, CURRENT), scales, strict=True)]
    recording = readers.read(write(tmp_path / "cell.csv", header, columns))
    np.testing.assert_allclose(recording.response, VOLTAGE[None], rtol=1e-5)
    np.testing.assert_allclose(recording.protocol.command, CURRENT[None], rtol=1e-5)
    assert recording.protocol.dt == pytest.approx(0.1, rel=1e-5)


def test_several_sweeps_are_paired_by_number(tmp_path):
    header = "time_ms,voltage_mV_3,voltage_mV_7,current_pA_7,current_pA_3"
    recording = readers.read(write(tmp_path / "cell.csv", header, (TIME, VOLTAGE, VOLTAGE + 1, 2 * CURRENT, CURRENT)))
    assert recording.sweeps.tolist() == [3, 7]
    assert recording.protocol.amplitude.tolist() == [50.0, 100.0]
    assert recording.response[1, 0] == -69.0


def test_file_without_header_needs_columns(tmp_path):
    path = write(tmp_path / "cell.txt", "", (TIME / 1000, CURRENT, VOLTAGE), mark=" ")
    with pytest.raises(InputError, match=r"3 columns and no header.*--columns"):
        readers.read(path)
    recording = readers.read(path, Given(columns="time_s,current_pA,voltage_mV"))
    np.testing.assert_allclose(recording.response, VOLTAGE[None])


def test_a_column_can_be_left_out(tmp_path):
    path = write(tmp_path / "cell.csv", "row,time_ms,voltage_mV,current_pA", (TIME, TIME, VOLTAGE, CURRENT))
    with pytest.raises(InputError, match="where '-' leaves one out"):
        readers.read(path)
    np.testing.assert_allclose(
        readers.read(path, Given(columns="-,time_ms,voltage_mV,current_pA")).response, VOLTAGE[None]
    )


def test_file_without_time_needs_the_interval(tmp_path):
    path = write(tmp_path / "cell.csv", "voltage_mV,current_pA", (VOLTAGE, CURRENT))
    with pytest.raises(InputError, match=r"no time column.*--interval"):
        readers.read(path)
    assert readers.read(path, Given(interval=0.1)).protocol.dt == pytest.approx(0.1)


def test_file_without_current_takes_the_stimulus_of_the_user(tmp_path):
    from hhfit.stimulus import parse

    path = write(tmp_path / "cell.csv", "time_ms,voltage_mV", (TIME, VOLTAGE))
    with pytest.raises(InputError, match=r"no current column.*--stimulus"):
        readers.read(path)
    recording = readers.read(path, Given(stimulus=parse("on=10 off=30 amplitudes=50")))
    np.testing.assert_allclose(recording.protocol.command, CURRENT[None])
    assert recording.provenance["stimulus"] == "given by the user"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"header": "time_ms,voltage_mV,colour"}, "'colour' is not understood"),
        ({"header": "time_ms,voltage_mV,voltage_mV"}, "same as another"),
        ({"header": "time_ms,voltage_mV"}, "3 columns of numbers under 2 names"),
        ({"header": "time_ms,voltage_pA,current_pA"}, "expected one of mv"),
        ({"header": "time_ms,current_pA_1,current_pA"}, "no voltage column"),
        ({"columns": (TIME, VOLTAGE, 0 * CURRENT)}, "never changes from 0 pA"),
        ({"columns": (TIME**2, VOLTAGE, CURRENT)}, "must rise evenly"),
        ({"columns": (-TIME, VOLTAGE, CURRENT)}, "must rise evenly"),
        ({"columns": (TIME, np.where(TIME == 5.0, np.nan, VOLTAGE), CURRENT)}, "NaN"),
        ({"columns": (TIME, VOLTAGE, np.where(TIME == 5.0, np.nan, CURRENT))}, "the command of sweep 0 holds NaN"),
        ({"columns": (TIME, 1000 * VOLTAGE, CURRENT)}, "reaches 7e\\+04 mV"),
        ({"columns": (TIME, VOLTAGE, 1e6 * CURRENT)}, "reaches 5e\\+07 pA"),
        ({"decimal": ","}, "3 names|not numbers"),
        ({"header": "time_s,voltage_mV,current_pA"}, "step is 100 ms, expected 0.002 to 2 ms"),
        ({"columns": (TIME, VOLTAGE, CURRENT / 1000)}, "command changes by 0.05 pA in all"),
        ({"columns": (TIME, VOLTAGE / 1000, CURRENT)}, "within 0.07 mV of zero.*--voltage-scale"),
    ],
)
def test_wrong_table_is_refused(tmp_path, change, words):
    with pytest.raises(InputError, match=rf"^cell.csv.*({words})"):
        readers.read(write(tmp_path / "cell.csv", **change))


@pytest.mark.parametrize("mark", [";", "\t"])
def test_comma_is_the_decimal_mark_where_something_else_separates(tmp_path, mark):
    recording = readers.read(write(tmp_path / "cell.csv", mark=mark, decimal=","))
    np.testing.assert_allclose(recording.response, VOLTAGE[None])
    assert recording.protocol.dt == pytest.approx(0.1)


@pytest.mark.parametrize(
    "header",
    [
        "Recorded 2020-01-01\nAmplifier: x\ntime_ms,voltage_mV,current_pA",
        "Time,Voltage,Current\nms,mV,pA",
        "Time (ms),Soma potential [mV],I-cmd (pA)",
        "Time (ms),Ch1 Vm (mV),Ch2 Im (pA)",
        '"Time (ms)","V (mV)","I (pA)"',
    ],
)
def test_headers_of_other_programs_are_understood(tmp_path, header):
    recording = readers.read(write(tmp_path / "cell.csv", header))
    np.testing.assert_allclose(recording.response, VOLTAGE[None])
    np.testing.assert_allclose(recording.protocol.command, CURRENT[None])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_any_encoding_of_letters_will_do(tmp_path, encoding):
    path = write(tmp_path / "cell.csv")
    path.write_bytes(("# caf\xe9 at 30 \xb0C\n" + path.read_text()).encode(encoding))
    np.testing.assert_allclose(readers.read(path).response, VOLTAGE[None])


def test_unit_of_the_voltage_can_be_overruled(tmp_path):
    path = write(tmp_path / "cell.csv", columns=(TIME, VOLTAGE / 1000, CURRENT))
    np.testing.assert_allclose(readers.read(path, Given(voltage_scale=1000.0)).response, VOLTAGE[None])


def test_a_word_among_the_numbers_is_refused(tmp_path):
    path = write(tmp_path / "cell.csv")
    path.write_text(path.read_text().replace("\n10,", "\nten,"))
    with pytest.raises(InputError, match="not numbers"):
        readers.read(path)


def test_measured_current_becomes_its_plateaus(tmp_path):
    noise = np.random.default_rng(3).normal(0, 3, (5, 20_000))
    time = np.arange(20_000) * 0.1
    inside = (time > 399.95) & (time < 1399.95)
    columns, names = [time], ["time_ms"]
    for k in range(5):
        columns += [-70.0 + 0.05 * k * inside, 25.0 * k * inside - 40.0 + noise[k]]
        names += [f"voltage_mV_{k}", f"current_pA_{k}"]
    recording = readers.read(write(tmp_path / "cell.csv", ",".join(names), columns))
    wanted = 25.0 * np.arange(5)[:, None] * inside - 40.0
    np.testing.assert_allclose(recording.protocol.command[1:], wanted[1:], atol=0.4)
    assert recording.protocol.windows[0] == pytest.approx((400.0, 1400.0), abs=0.1)


def test_noise_injected_on_purpose_is_kept(tmp_path):
    time = np.arange(20_000) * 0.1
    inside = (time > 399.95) & (time < 1399.95)
    current = inside * (100.0 + np.random.default_rng(4).normal(0, 20, time.size))
    recording = readers.read(write(tmp_path / "cell.csv", columns=(time, -70 + 0 * time, current)))
    np.testing.assert_allclose(recording.protocol.command[0], current, rtol=1e-4)
