"""Every oracle against the real kernels of every family, on generated models: bit-exact where it claims so.

The claims are the table of docs/conformance.md. ``--hypothesis-profile=thorough`` tries many more models.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qbench.quant.family import FAMILIES
from qbench.quant.strategies import operator_models
from qbench.quant.strategies.models import REGISTRY
from quant.oracle_property import hold

ROWS = [(name, dtype) for name, entry in REGISTRY.items() for dtype in entry.dtypes]


@pytest.mark.parametrize(("operator", "dtype"), ROWS)
@given(data=st.data())
def test_an_oracle_is_what_the_kernels_give(operator: str, dtype: str, data: st.DataObject):
    model = data.draw(operator_models([operator], dtypes=[dtype]))
    for family in FAMILIES:
        hold(model, family)
