"""How kernels are compiled; a division by zero gives no error but an infinite number."""

import numba

jit = numba.njit(error_model="numpy", nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""For what only other kernels call."""

entry = numba.njit(error_model="numpy", nogil=True, no_cfunc_wrapper=True, cache=True)
"""For what Python calls: kept on disk with all that it calls."""
