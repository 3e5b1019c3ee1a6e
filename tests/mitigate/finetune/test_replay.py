from collections import deque

import torch
from hypothesis import given
from hypothesis import strategies as st

from prunescope.mitigate.finetune import Replay


@given(st.integers(0, 2**31), st.integers(1, 5), st.integers(1, 4), st.integers(1, 7))
def test_buffers_equal_deques(seed, n_rows, n_units, length):
    generator = torch.Generator().manual_seed(seed)
    replay = Replay((n_rows, n_units), length)
    deques = {(g, u): deque(maxlen=length) for g in range(n_rows) for u in range(n_units)}
    for _ in range(6):
        n = int(torch.randint(1, 9, (), generator=generator))
        # Two groups, as it were: a sample may be in two rows.
        codes = torch.randint(-1, n_rows, (n, 2), generator=generator)
        right, known = torch.rand(2, n, n_units, generator=generator) < 0.6
        replay.add(codes, right, known)
        for i in range(n):
            for g in {int(code) for code in codes[i]} - {-1}:
                for u in range(n_units):
                    if known[i, u]:
                        deques[g, u].append(bool(right[i, u]))
    accuracy = replay.accuracy()
    for (g, u), kept in deques.items():
        assert int(replay.filled[g, u]) == len(kept)
        if kept:
            assert accuracy[g, u] == torch.tensor(sum(kept) / len(kept))
        else:
            assert accuracy[g, u].isnan()
