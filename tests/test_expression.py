"""Expressions: what is allowed, what they are worth."""

import numpy as np
import pytest

from hhfit import expression
from hhfit.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 ** 2", 19.0),
        ("2 ^ 3", 8.0),
        ("-v / 10", 4.0),
        ("vtrap(v + 40, 5)", 5.0),
        ("maximum(v, 3) - minimum(v, 3)", 43.0),
        ("exp(log(7)) + sqrt(9) + abs(v) + tanh(0)", 50.0),
    ],
)
def test_value_is_that_of_the_arithmetic(text, value):
    assert float(expression.parse(text, "here").evaluate({"v": -40.0})) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "v.real",
        "v[0]",
        "lambda: 1",
        "open(v)",
        "v if v else 1",
        "v and 1",
        "'a'",
        "True",
        "exp(x=1)",
    ],
)
def test_anything_but_arithmetic_is_refused(text):
    with pytest.raises(InputError, match=r"na\.toml: .*not allowed"):
        expression.parse(text, "na.toml: gates.m.alpha")


def test_broken_text_is_refused():
    with pytest.raises(InputError, match="here: '1 \\+' is not an expression"):
        expression.parse("1 +", "here")


def test_wrong_number_of_arguments_is_refused():
    with pytest.raises(InputError, match="vtrap takes 2"):
        expression.parse("vtrap(v)", "here")


def test_vtrap_is_smooth_through_its_singular_point():
    parsed = expression.parse("vtrap(v, 5)", "here")
    x = np.array([-1e-3, -1e-6, 0.0, 1e-6, 1e-3])
    assert parsed.evaluate({"v": x}) == pytest.approx(5.0 - x / 2.0 + x**2 / 60.0, rel=1e-12)


def test_nernst_potential_of_potassium():
    """20-fold gradient at 37 degC: 26.73 mV times ln(1 / 20)."""
    parsed = expression.parse("nernst(1, k_out, 100, t)", "here")
    assert parsed.names == {"k_out", "t"}
    assert float(parsed.evaluate({"k_out": 5.0, "t": 37.0})) == pytest.approx(26.73 * np.log(0.05), rel=1e-3)


def test_replacing_names_leaves_functions_alone():
    parsed = expression.parse("exp(-(v - v_t) / k)", "here")
    other = parsed.replace({"v_t": expression.parse("-a - 2", "here"), "k": expression.parse("b", "here")})
    assert other.names == {"v", "a", "b"}
    assert float(other.evaluate({"v": 1.0, "a": 2.0, "b": 5.0})) == pytest.approx(np.exp(-1.0))
    assert parsed.names == {"v", "v_t", "k"}
